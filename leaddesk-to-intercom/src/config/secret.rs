//! Secrets: read from the environment when they are needed, never kept in the configuration.

use secrecy::SecretString;

use super::{Config, ConfigError, ConfigErrorKind, Problem};

/// A secret that the configuration names by an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// The key of LeadDesk's Original API: `source.original.key_env`.
    LeadDeskKey,
    /// The client id for LeadDesk's REST API: `source.rest.client_id_env`.
    LeadDeskClientId,
    /// The client secret for LeadDesk's REST API: `source.rest.client_secret_env`.
    LeadDeskClientSecret,
    /// The access token for Intercom: `destination.token_env`.
    IntercomToken,
}

impl Config {
    /// Reads a secret from the environment variable that the configuration names. Surrounding white space is not
    /// part of it.
    ///
    /// # Errors
    /// [`ConfigErrorKind::MissingSecret`], naming setting and variable, where the variable is missing or empty;
    /// [`ConfigErrorKind::MissingKey`] for a secret of the REST API without `[source.rest]`.
    pub fn secret(&self, secret: Secret) -> Result<SecretString, ConfigError> {
        self.secret_from(secret, |name| std::env::var(name).ok())
    }

    /// As [`Config::secret`], from anywhere: `lookup` is given the name of the variable.
    ///
    /// # Errors
    /// As [`Config::secret`].
    pub fn secret_from(
        &self,
        secret: Secret,
        lookup: impl FnOnce(&str) -> Option<String>,
    ) -> Result<SecretString, ConfigError> {
        let (key, variable) = self.variable(secret);
        let fail = |problem| Err(ConfigError::new(self.file(), vec![problem]));
        let Some(variable) = variable else {
            let what = format!("{key} is missing: there is no [source.rest].");
            return fail(Problem::new(
                ConfigErrorKind::MissingKey,
                key,
                what,
                "Add the section [source.rest].",
            ));
        };
        match lookup(variable) {
            Some(value) if !value.trim().is_empty() => Ok(SecretString::from(value.trim())),
            found => {
                let state = if found.is_some() { "empty" } else { "not set" };
                let what =
                    format!("{key} names the environment variable {variable}, which is {state}.");
                let remedy = format!("Put {} into {variable}.", secret.description());
                fail(Problem::new(ConfigErrorKind::MissingSecret, key, what, remedy))
            }
        }
    }

    fn variable(&self, secret: Secret) -> (&'static str, Option<&str>) {
        let rest = self.source.rest.as_ref();
        match secret {
            Secret::LeadDeskKey => ("source.original.key_env", Some(&self.source.original.key_env)),
            Secret::LeadDeskClientId => {
                ("source.rest.client_id_env", rest.map(|it| &*it.client_id_env))
            }
            Secret::LeadDeskClientSecret => {
                ("source.rest.client_secret_env", rest.map(|it| &*it.client_secret_env))
            }
            Secret::IntercomToken => ("destination.token_env", Some(&self.destination.token_env)),
        }
    }
}

impl Secret {
    fn description(self) -> &'static str {
        match self {
            Self::LeadDeskKey => "the key of LeadDesk's Original API",
            Self::LeadDeskClientId => "the client id for LeadDesk's REST API",
            Self::LeadDeskClientSecret => "the client secret for LeadDesk's REST API",
            Self::IntercomToken => "the access token for Intercom",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;
    use secrecy::ExposeSecret as _;

    const REST: &str =
        "[source.rest]\nbase_url = \"https://rest.example.com/stable\"\naccount_id = \"123\"\n";

    #[test]
    fn read_by_the_name_that_the_setting_gives() {
        let config = config(&format!("{REST}client_id_env = \"MY_ID\"\n"));
        let all = [
            Secret::LeadDeskKey,
            Secret::LeadDeskClientId,
            Secret::LeadDeskClientSecret,
            Secret::IntercomToken,
        ];
        let values = all.map(|secret| {
            let secret =
                config.secret_from(secret, |name| Some(format!(" value of {name}\n"))).unwrap();
            secret.expose_secret().to_owned()
        });
        let names = ["LEADDESK_API_KEY", "MY_ID", "LEADDESK_CLIENT_SECRET", "INTERCOM_TOKEN"];
        assert_eq!(values, names.map(|name| format!("value of {name}")));
    }

    #[test]
    fn missing_and_empty_name_setting_and_variable() {
        let config = config("");
        for (value, state) in [(None, "not set"), (Some(" \n".to_owned()), "empty")] {
            let error = config.secret_from(Secret::IntercomToken, |_| value).unwrap_err();
            assert_eq!(
                (error.kind(), error.key()),
                (ConfigErrorKind::MissingSecret, "destination.token_env")
            );
            let expected = format!(
                "test.toml: destination.token_env names the environment variable INTERCOM_TOKEN, which is {state}. \
                 Put the access token for Intercom into INTERCOM_TOKEN."
            );
            assert_eq!(error.to_string(), expected);
        }
        let error = config.secret_from(Secret::LeadDeskClientId, |_| None).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::MissingKey);
    }

    #[test]
    fn the_environment_is_asked() {
        let mut config = config("");
        config.destination.token_env = "CARGO_PKG_NAME".to_owned();
        let secret = config.secret(Secret::IntercomToken).unwrap();
        assert_eq!(secret.expose_secret(), "leaddesk-to-intercom");
        assert!(!format!("{secret:?}").contains("leaddesk"));
        config.destination.token_env = "LEADDESK_TO_INTERCOM_NO_SUCH_VARIABLE".to_owned();
        assert!(config.secret(Secret::IntercomToken).is_err());
    }
}
