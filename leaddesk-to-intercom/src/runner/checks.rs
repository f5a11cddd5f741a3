//! What is looked at before the first write.

use migrate_core::Reason;
use url::{Host, Url};

use crate::config::{Config, Names};
use crate::connect::StartError;
use crate::sink::schema_conflicts;

use super::finish::Unfinished;
use super::session::Session;

/// Creating conversations may start what the live workspace has set up; no document says that it
/// does not. A server on this machine has no such thing.
pub(super) fn live_automation(config: &Config) -> Result<(), StartError> {
    let destination = &config.destination;
    let live = !destination.base_url.as_ref().is_some_and(is_loopback);
    if live && !destination.acknowledge_live_automation {
        return Err(StartError::new(
            "Creating conversations may start workflows, Fin (which is billed), assignment rules and notifications in the live workspace; nothing in Intercom's documents says that it does not.",
            "Pause them or exclude imported conversations, try a workspace with a single contact first, then set destination.acknowledge_live_automation = true.",
        ));
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Session {
    /// Attributes that are there and cannot be used, each as one sentence that names the
    /// attribute, the key under `[names]` and the remedy. Every contact would be refused.
    pub(super) async fn schema_conflicts(
        &self,
        config: &Config,
    ) -> Result<Vec<String>, Unfinished> {
        let wanted: Vec<_> =
            crate::map::schema(&config.names, []).into_iter().map(|record| record.body).collect();
        let found = schema_conflicts(&self.destination.client, &wanted).await;
        let found = found.map_err(|error| {
            Unfinished::start(StartError::new(
                format!("The workspace's attributes cannot be read: {error}."),
                "The token needs to read them: see its permissions in Intercom.",
            ))
        })?;
        Ok(found.iter().map(|reason| sentence(&config.names, reason)).collect())
    }

    /// Refuses to start where attributes cannot be used.
    pub(super) async fn check_schema(&self, config: &Config) -> Result<(), Unfinished> {
        let conflicts = self.schema_conflicts(config).await?;
        if conflicts.is_empty() {
            return Ok(());
        }
        Err(Unfinished::start(StartError::new(conflicts.join(" "), "Nothing was written.")))
    }
}

fn sentence(names: &Names, reason: &Reason) -> String {
    let name = reason.field.as_deref().unwrap_or_default();
    let remedy = reason.remedy.as_deref().unwrap_or_default();
    // Further phone numbers have names of their own, built on one setting.
    let key = names.key_of(name).unwrap_or("phone_prefix");
    format!("{} (names.{key}): {remedy}.", reason.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_on_this_machine_needs_no_acknowledgement() {
        for (url, free) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("https://api.intercom.io", false),
            ("https://localhost.example.com", false),
            ("https://10.0.0.1", false),
        ] {
            let text = format!(
                "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[destination]\nbase_url = '{url}'\n"
            );
            let mut config = Config::parse(&text, "test.toml").unwrap();
            assert_eq!(live_automation(&config).is_ok(), free, "{url}");
            config.destination.acknowledge_live_automation = true;
            assert!(live_automation(&config).is_ok());
        }
    }

    #[test]
    fn a_conflict_names_attribute_setting_and_remedy() {
        let names = Names::default();
        for (name, key) in [("ld_created_at", "created_at"), ("ld_phone_2", "phone_prefix")] {
            let reason = Reason::new("attribute_type", format!("the attribute `{name}` is odd"))
                .field(name)
                .remedy("Intercom admin", "rename it, then run again");
            let said = sentence(&names, &reason);
            let wanted =
                format!("the attribute `{name}` is odd (names.{key}): rename it, then run again.");
            assert_eq!(said, wanted);
        }
    }
}
