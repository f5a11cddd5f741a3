//! The configuration: one TOML file that says where the data comes from, where it goes and by which rules.
//!
//! [`Config::example`] shows every key with its default. Only `source.kind`, `source.time_zone`, a destination and
//! what the chosen routes need are required. Unknown keys are refused with the nearest known name, and all problems
//! are reported at once.
//!
//! ```
//! use leaddesk_to_intercom::config::Config;
//!
//! let config = Config::parse(
//!     r#"
//!     [source]
//!     kind = "api"
//!     time_zone = "Europe/Helsinki"
//!     [destination]
//!     region = "eu"
//!     "#,
//!     "migration.toml",
//! )?;
//! assert_eq!(config.source.key_prefix, "leaddesk");
//!
//! let error = Config::parse("[source]\nkind = \"api\"\ntiem_zone = \"UTC\"", "migration.toml").unwrap_err();
//! assert!(error.to_string().starts_with(
//!     "migration.toml:3: unknown key source.tiem_zone. Did you mean source.time_zone?"
//! ));
//! # Ok::<(), leaddesk_to_intercom::config::ConfigError>(())
//! ```
//!
//! Secrets never stand in the file: it names environment variables, which [`Config::secret`] reads.

mod check;
mod destination;
pub mod duration;
mod error;
mod names;
mod near;
mod read;
mod rules;
mod secret;
mod source;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use check::unfit_for_attribute;
pub use destination::{Destination, Preflight, Region, Verify};
pub use error::{ConfigError, ConfigErrorKind, Problem};
pub(crate) use names::LAST_PHONE;
pub use names::Names;
pub(crate) use read::told;
pub use rules::{
    Assign, CallTag, Calls, Comment, Contacts, Dedupe, LeadRule, LeadsAs, Map, Vehicle,
    WithoutContact,
};
pub use secret::Secret;
pub use source::{
    Anonymous, CallRoutes, ChatMessages, Chatbot, Encoding, Export, GdprDuration, IdRange,
    Original, Rest, Separator, Source, SourceKind,
};

/// A whole configuration. It holds names of environment variables, never a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// `[source]`: where the data comes from.
    pub source: Source,
    /// `[contacts]`: what becomes of contacts and leads.
    #[serde(default)]
    pub contacts: Contacts,
    /// `[calls]`: what becomes of calls.
    #[serde(default)]
    pub calls: Calls,
    /// `[names]`: names of attributes and tags.
    #[serde(default)]
    pub names: Names,
    /// `[map]`: what stands for what.
    #[serde(default)]
    pub map: Map,
    /// `[destination]`: where the data goes.
    #[serde(default)]
    pub destination: Destination,
    /// `[preflight]`: checks before the first write.
    #[serde(default)]
    pub preflight: Preflight,
    /// `[verify]`: reading back.
    #[serde(default)]
    pub verify: Verify,
    /// The file this came from; empty when it came from none.
    #[serde(skip)]
    file: PathBuf,
}

impl Config {
    /// Reads and checks a configuration. `file_name` is for messages, and its folder is where relative paths begin.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found: unknown and missing keys, values of a wrong type or out of range,
    /// and values whose feature is not available yet.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        // Windows editors begin files with a mark that TOML does not know.
        let mut config = read::read(text.trim_start_matches('\u{feff}'), file_name)?;
        config.file = PathBuf::from(file_name);
        Ok(config)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`Config::parse`], and [`ConfigErrorKind::Unreadable`] where the file cannot be read as UTF-8 text.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.to_string_lossy();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("the configuration cannot be read: {error}.");
            let remedy =
                "Name the file with --config FILE; migration.example.toml shows what it holds.";
            ConfigError::new(
                &name,
                vec![Problem::new(ConfigErrorKind::Unreadable, "", what, remedy)],
            )
        })?;
        let mut config = Self::parse(&text, &name)?;
        config.file = path.to_owned();
        Ok(config)
    }

    /// Checks a configuration that a program has changed, by the rules of [`Config::parse`].
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn check(&self) -> Result<(), ConfigError> {
        let problems = check::problems(self);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(self.file(), problems)) }
    }

    /// An example file with every key, its default and what it means. It parses, to the defaults.
    #[must_use]
    pub fn example() -> &'static str {
        include_str!("../../migration.example.toml")
    }

    /// Where a path of the configuration leads: relative ones begin at the folder of the file.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// SHA-256, in hex, of the configuration in effect: two files that mean the same have the same fingerprint,
    /// wherever they lie and however they are written. It covers no secret, since the configuration holds none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Only paths can fail to become JSON, and those of a file are UTF-8. The order of fields is that of the structs.
        let canonical =
            serde_json::to_vec(self).unwrap_or_else(|_| format!("{self:?}").into_bytes());
        let digest = Sha256::digest(&canonical);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn file(&self) -> &str {
        self.file.to_str().filter(|file| !file.is_empty()).unwrap_or("configuration")
    }
}

#[cfg(test)]
mod tests;
