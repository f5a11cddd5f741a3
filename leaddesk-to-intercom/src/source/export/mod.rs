//! A folder of LeadDesk's exports as a source.

mod blacklist;
mod file;
mod labels;
mod log;
mod people;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leaddesk_client::export::{self, ExportSettings};
use leaddesk_client::{Call, Error, Unreadable};
use migrate_core::{Record, SourceError};

use self::tables::{Table, Tables};
use super::{Agent, Findings, Fixed, PAGE, agent, api, keys};
use crate::config::{self, Config};

pub use self::file::File;
pub use self::log::CallLog;

/// The files of an export. Only `contacts.csv` has to be there.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    written: Written,
    findings: Findings,
    /// `source.calls.csv`, which may lie elsewhere.
    call_log: Option<(PathBuf, Written)>,
}

/// The optional files that are read, and what is missing without each.
const OPTIONAL: &[(&str, &str)] = &[
    ("leads.csv", "nobody is listed as a lead"),
    ("calls.csv", "no call history is taken from the folder"),
    ("agents.csv", "agents are matched only as far as [map.agents] names them"),
    ("blacklist.csv", "nobody is marked as blacklisted"),
    (
        "calling_lists",
        "contacts carry campaign tags only as call logs name them, nobody is known to be finalised, and whoever is in no table is not there",
    ),
    ("campaigns.csv", "the inventory has no campaigns"),
    ("projects.csv", "the inventory has no projects, and no teams for them"),
    ("offices.csv", "the inventory has no offices, and no teams for them"),
    ("outcomes.csv", "the inventory has no outcomes"),
    (
        "custom_fields.csv",
        "the inventory has no custom fields, and Other info without a label is known by its slot",
    ),
    ("dialer.json", "the inventory has no dialer configurations, but for those in dialer/"),
    ("leadapps.json", "the inventory has no LeadApps, but for those in leadapps/"),
];

impl Folder {
    /// The folder of a configuration.
    ///
    /// # Errors
    /// Refused when there is none, when it has no `contacts.csv`, or when that has no key column.
    pub fn open(config: &Config, findings: Findings) -> Result<Self, SourceError> {
        let Some(export) = &config.source.export else {
            return Err(SourceError::refused(
                "source.kind = \"export\" needs the folder in source.export.dir",
            ));
        };
        let dir = config.resolve(&export.dir);
        let (written, call_log) = (folder(config)?, call_log(config)?);
        let folder = Self { dir, written, findings, call_log };
        if !folder.dir.is_dir() {
            return Err(SourceError::refused(format!(
                "there is no export folder {}: export the account into it, or mend \
                 source.export.dir",
                folder.dir.display()
            )));
        }
        let contacts = folder.path("contacts.csv");
        if !contacts.is_file() {
            return Err(SourceError::refused(format!(
                "there is no contacts.csv in the export folder {}: export the contacts into it, or \
                 mend source.export.dir",
                folder.dir.display()
            )));
        }
        let settings = &folder.written.settings;
        export::contacts(&contacts, settings).map_err(|error| folder.unusable(&contacts, error))?;
        for (name, open) in [
            ("leads.csv", check(export::contacts(folder.path("leads.csv"), settings))),
            ("calls.csv", check(export::calls(folder.path("calls.csv"), settings))),
            ("agents.csv", check(export::agents(folder.path("agents.csv"), settings))),
        ] {
            let path = folder.path(name);
            if path.exists() {
                open.map_err(|error| folder.unusable(&path, error))?;
            }
        }
        Ok(folder)
    }

    /// The optional files that are not there, each with what that means.
    pub fn absent(&self) -> Vec<String> {
        let absent = OPTIONAL.iter().filter(|(name, _)| !self.path(name).exists());
        absent
            .map(|(name, effect)| format!("{name} is not in the export folder: {effect}"))
            .collect()
    }

    /// The calls of `calls.csv`, if it is there.
    pub fn calls(&self) -> Option<File<Call>> {
        let path = self.path("calls.csv");
        path.exists().then(|| calls_of(path, self.written.clone()))
    }

    /// The agents of `agents.csv`, and those whom `[map.agents]` names besides.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub fn agents(&self, config: &Config) -> Result<Fixed<Agent>, SourceError> {
        let path = self.path("agents.csv");
        let (mut agents, mut unread) = (Vec::new(), Vec::new());
        if path.exists() {
            let unusable = |error| self.unusable(&path, error);
            for row in export::agents(&path, self.settings()).map_err(unusable)? {
                match row.map_err(unusable)?.body {
                    Ok(user) => agents.push(api::from_user(&user)),
                    Err(bad) => unread.push(unread_row(bad)),
                }
            }
        }
        for name in agent::missing(&config.map.agents, &agents) {
            let is_id = name.bytes().all(|byte| byte.is_ascii_digit());
            let (id, username) = if is_id { (Some(name), None) } else { (None, Some(name)) };
            agents.push(Agent { id, username, ..Agent::default() });
        }
        Ok(Fixed::new(api::records(agents), PAGE).with_unread(unread))
    }

    /// The call log that may lie elsewhere.
    fn call_log(&self) -> Option<Table<Call>> {
        let (path, written) = self.call_log.as_ref()?;
        Some(Table::of_calls(path.clone(), written))
    }

    pub(in crate::source) fn settings(&self) -> &ExportSettings {
        &self.written.settings
    }

    pub(in crate::source) fn unusable(&self, path: &Path, error: Error) -> SourceError {
        self.written.unusable(path, error)
    }

    pub(in crate::source) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The calls of the call log of a configuration, `source.calls.csv`, if it names one.
///
/// # Errors
/// Refused when the file is not there or has no key column.
pub fn calls(config: &Config) -> Result<Option<File<Call>>, SourceError> {
    let Some((path, written)) = call_log(config)? else { return Ok(None) };
    export::calls(&path, &written.settings).map_err(|error| {
        let what = format!("the call log {} (source.calls.csv) cannot be used", path.display());
        SourceError::refused(format!("{what}; mend the file, or see {}", written.keys))
            .because(error)
    })?;
    Ok(Some(calls_of(path, written)))
}

fn calls_of(path: PathBuf, written: Written) -> File<Call> {
    let file = path.clone();
    let tables = move || Ok(Arc::new(Tables::new(vec![Table::of_calls(file.clone(), &written)])?));
    File::new(path, 0, tables, |call: Call| Record::new(keys::call(&call.id), call))
}

/// How files are written, and which keys of the configuration say so.
#[derive(Clone, Debug)]
pub(super) struct Written {
    settings: ExportSettings,
    keys: &'static str,
}

impl Written {
    fn unusable(&self, path: &Path, error: Error) -> SourceError {
        let what =
            format!("{} cannot be used; mend the file, or see {}", path.display(), self.keys);
        SourceError::refused(what).because(error)
    }
}

/// The files of the folder.
fn folder(config: &Config) -> Result<Written, SourceError> {
    let keys = "encoding, separator and columns of [source.export]";
    let mut settings = ExportSettings::default();
    if let Some(export) = &config.source.export {
        let columns = export.columns.as_deref();
        settings = written(config, export.encoding, export.separator, columns)?;
    }
    Ok(Written { settings, keys })
}

/// The call log of a configuration, which may be written otherwise than the folder.
fn call_log(config: &Config) -> Result<Option<(PathBuf, Written)>, SourceError> {
    let (calls, export) = (&config.source.calls, config.source.export.as_ref());
    let Some(csv) = &calls.csv else { return Ok(None) };
    let encoding = calls.encoding.or(export.map(|it| it.encoding)).unwrap_or_default();
    let separator = calls.separator.or(export.map(|it| it.separator)).unwrap_or_default();
    let columns = calls.columns.as_ref().or(export.and_then(|it| it.columns.as_ref()));
    let settings = written(config, encoding, separator, columns.map(PathBuf::as_path))?;
    let keys = "encoding, separator and columns of [source.calls]";
    Ok(Some((config.resolve(csv), Written { settings, keys })))
}

fn written(
    config: &Config,
    encoding: config::Encoding,
    separator: config::Separator,
    columns: Option<&Path>,
) -> Result<ExportSettings, SourceError> {
    let mut settings = ExportSettings::default();
    settings.encoding = match encoding {
        config::Encoding::Utf8 => export::Encoding::Utf8,
        config::Encoding::Windows1252 => export::Encoding::Windows1252,
    };
    settings.separator = match separator {
        config::Separator::Auto => None,
        config::Separator::Semicolon => Some(b';'),
        config::Separator::Comma => Some(b','),
        config::Separator::Tab => Some(b'\t'),
    };
    if let Some(columns) = columns {
        settings.aliases = aliases(&config.resolve(columns))?;
    }
    Ok(settings)
}

/// A file of lines such as `"Work phone" = "sec_phone"`: heading and field.
fn aliases(path: &Path) -> Result<Vec<(String, String)>, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path).because(error))?;
    let table: std::collections::BTreeMap<String, String> =
        toml::from_str(&text).map_err(|error| {
            SourceError::refused(format!(
                "{} is not as `columns` needs it: one line for each heading, such as \
             \"Work phone\" = \"sec_phone\"",
                path.display()
            ))
            .because(error)
        })?;
    Ok(table.into_iter().collect())
}

fn check<T>(opened: Result<T, Error>) -> Result<(), Error> {
    opened.map(drop)
}

fn unreadable(path: &Path) -> SourceError {
    SourceError::refused(format!("{} cannot be read", path.display()))
}

/// A row that cannot be read, which is dead under `<file>:<record number>`.
pub(in crate::source) fn unread_row(bad: Unreadable) -> migrate_core::Unreadable {
    migrate_core::Unreadable::new(format!("{}:{}", bad.file, bad.record).into(), bad.reason)
}

#[cfg(test)]
mod tests;
