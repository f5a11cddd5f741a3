//! What a plan is bound to, and whether that still holds.

use intercom_client::Model;
use serde_json::Value;

use crate::connect::StartError;
use crate::runner::Runner;
use crate::runner::checks::unread;
use crate::runner::finish::Unfinished;
use crate::runner::session::Session;

use super::file::{FILE, PlanFile};

/// Settings that change nothing about what is written.
const UNBOUND: [&str; 9] = [
    "/source/concurrency",
    "/source/requests_per_second",
    "/destination/acknowledge_live_automation",
    "/destination/acknowledge_region",
    "/destination/settle_after",
    "/destination/search_lag_horizon",
    "/destination/token_env",
    "/verify",
    "/preflight",
];

impl Session {
    /// The saved plan, if there is one. A stale one is refused, with what has changed.
    pub(in crate::runner) async fn saved_plan(
        &self,
        runner: &Runner,
    ) -> Result<Option<PlanFile>, Unfinished> {
        let unusable = |error| {
            let file = runner.state.file(FILE);
            Unfinished::start(StartError::new(
                format!("The saved plan {} cannot be read: {error}.", file.display()),
                "Run `plan` again and look at what it says, then run.",
            ))
        };
        let Some(plan) = runner.state.read_json::<PlanFile>(FILE).map_err(unusable)? else {
            return Ok(None);
        };
        let mut changes = differences(&plan.configuration, &self.bound(runner));
        let mut ours = self.our_attributes(runner);
        // A program may have added some, which the plan has met.
        let planned = plan.to_create.attributes.iter();
        ours.extend(planned.map(|attribute| format!("{}.{} ", attribute.model, attribute.name)));
        let now = self.attributes().await?;
        let is_ours = |attribute: &&String| is_ours(&ours, attribute);
        let added = now.iter().filter(|found| !plan.attributes.contains(found));
        changes.extend(
            added.filter(|found| !is_ours(found)).map(|found| format!("attribute {found} is new")),
        );
        let gone = plan.attributes.iter().filter(|known| !now.contains(known));
        changes.extend(
            gone.filter(|known| !is_ours(known)).map(|known| format!("attribute {known} is gone")),
        );
        if changes.is_empty() {
            return Ok(Some(plan));
        }
        Err(Unfinished::start(StartError::new(
            format!("The saved plan is stale: {}.", changes.join("; ")),
            "Run `plan` again and look at what it says, then run.",
        )))
    }

    /// The attributes of the destination: model, name, type, and whether they are active.
    pub(super) async fn attributes(&self) -> Result<Vec<String>, Unfinished> {
        let client = &self.destination.client;
        let state = |archived| if archived == Some(true) { "archived" } else { "active" };
        let mut found = Vec::new();
        for attribute in
            client.data_attributes().list(Model::Contact, true).await.map_err(unread)?
        {
            if attribute.custom != Some(false) {
                let data_type = attribute.data_type.as_ref().map_or("", |known| known.as_str());
                let archived = state(attribute.archived);
                found.push(format!("contact.{} {data_type} {archived}", attribute.name));
            }
        }
        for attribute in client.conversation_attributes().list(true).await.map_err(unread)? {
            let data_type = attribute.data_type.as_ref().map_or("", |known| known.as_str());
            let archived = state(attribute.archived);
            found.push(format!("conversation.{} {data_type} {archived}", attribute.name));
        }
        found.sort();
        Ok(found)
    }

    /// The attributes that the run makes itself: these do not make a plan stale.
    fn our_attributes(&self, runner: &Runner) -> Vec<String> {
        crate::map::schema(&runner.config, &self.fields, [])
            .into_iter()
            .filter_map(|record| {
                Some(format!("{} ", record.key.as_str().strip_prefix("attribute:")?))
            })
            .collect()
    }

    /// What decides how a contact is read and what becomes of it, in short: whoever was brought over
    /// under another is read again. `None` where a program has put in parts of its own, of which
    /// nobody knows whether they are what they were.
    pub(in crate::runner) fn print(&self, runner: &Runner) -> Option<String> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        runner.custom.is_none().then(|| hash_of(&self.bound(runner), &[version]))
    }

    /// What a plan is bound to, on this side: the configuration, and where custom fields go.
    pub(super) fn bound(&self, runner: &Runner) -> Value {
        let mut bound = bound_configuration(runner);
        if let Some(bound) = bound.as_object_mut() {
            let fields = serde_json::to_value(&self.fields.fields).unwrap_or_default();
            bound.insert("mapping".to_owned(), fields);
        }
        bound
    }
}

/// Is this one of the attributes that the migration makes? `ours` are names with a space after
/// them. Intercom compares names without case.
fn is_ours(ours: &[String], attribute: &str) -> bool {
    let attribute = attribute.to_lowercase();
    ours.iter().any(|name| attribute.starts_with(&name.to_lowercase()))
}

fn bound_configuration(runner: &Runner) -> Value {
    let mut configuration = serde_json::to_value(&runner.config).unwrap_or_default();
    for path in UNBOUND {
        let Some((parent, name)) = path.rsplit_once('/') else { continue };
        if let Some(Value::Object(section)) = configuration.pointer_mut(parent) {
            section.remove(name);
        }
    }
    configuration
}

pub(super) fn hash_of(configuration: &Value, attributes: &[String]) -> String {
    let text = format!("{configuration}\n{}", attributes.join("\n"));
    format!("{:?}", migrate_core::Fingerprint::of(text.as_bytes()))
}

/// May a setting hold what is of people? Then its name alone is told. Choices of custom fields are anybody's
/// data, and an address is somebody's, wherever it stands.
fn is_of_people(path: &str, value: &Value) -> bool {
    ["mapping", "map.agents", "destination.fallback_admin"]
        .iter()
        .any(|private| path.starts_with(private))
        || value.to_string().contains('@')
}

/// The settings that differ, by name.
fn differences(before: &Value, now: &Value) -> Vec<String> {
    fn walk(path: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
        match (before, now) {
            (Value::Object(a), Value::Object(b)) => {
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    let none = Value::Null;
                    let (a, b) = (a.get(name).unwrap_or(&none), b.get(name).unwrap_or(&none));
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, a, b, found);
                }
            }
            (a, b) if a == b => {}
            (a, b) if is_of_people(path, a) || is_of_people(path, b) => {
                found.push(format!("{path} has changed"));
            }
            (a, b) => found.push(format!("{path} was {a} and is {b}")),
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn what_differs_is_named_and_nobody_is() {
        let before = json!({
            "calls": { "assign": "none" },
            "map": { "agents": { "anna": "anna@example.com", "gone": "x@example.com" } },
            "destination": { "fallback_admin": "boss@example.com" },
            "source": { "chatbot": null },
            "mapping": { "Wish": { "choices": ["Anna"] } },
        });
        let now = json!({
            "calls": { "assign": "team" },
            "map": { "agents": { "anna": "anna.b@example.com" } },
            "destination": { "fallback_admin": null },
            "source": { "chatbot": { "bot_admin": "bot@example.com" } },
            "mapping": { "Wish": { "choices": ["Bertta"] } },
        });
        let expected = [
            "calls.assign was \"none\" and is \"team\"",
            "destination.fallback_admin has changed",
            "map.agents.anna has changed",
            "map.agents.gone has changed",
            "mapping.Wish.choices has changed",
            "source.chatbot has changed",
        ];
        assert_eq!(differences(&before, &now), expected);
        assert_eq!(differences(&now, &now), [""; 0]);
    }
}
