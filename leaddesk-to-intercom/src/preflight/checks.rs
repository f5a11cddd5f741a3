//! The checks, as functions of what was read. None of them writes.

use std::collections::HashSet;

use chrono::TimeDelta;
use intercom_client::{Error, IntercomClient, Model};
use leaddesk_client::chatbot::{FileInfo, FileKind, Shape};
use migrate_core::Reason;
use url::{Host, Url};

use crate::config::{Chatbot, Config, Names};
use crate::draft::SchemaDraft;
use crate::fields::{FieldMapping, MOST_ATTRIBUTES};
use crate::map::contact_attributes;
use crate::queue;
use crate::sink::{CLOCK_SKEW, OwnAttributes, schema_conflicts};
use crate::source;

use super::Finding;

/// Creating conversations may start what the live workspace has set up; no document says that it
/// does not. A server on this machine has no such thing.
pub fn live_automation(config: &Config) -> Option<Finding> {
    let destination = &config.destination;
    let live = !destination.base_url.as_ref().is_some_and(is_loopback);
    (live && !destination.acknowledge_live_automation).then(|| {
        Finding::stops(
            "live_automation",
            "Creating conversations may start workflows, Fin (which is billed), assignment rules and notifications in the live workspace; nothing in Intercom's documents says that it does not.",
            "Pause them or exclude imported conversations, then set destination.acknowledge_live_automation = true and begin with a pilot: run --sample 1.",
        )
    })
}

/// What conversations may cost and start in the live workspace, by how many there would be: `conversations`
/// are opened, with `replies` of customers in them. No price is named, since it is the workspace's own.
pub fn live_costs(config: &Config, conversations: u64, replies: u64) -> Vec<Finding> {
    let live = !config.destination.base_url.as_ref().is_some_and(is_loopback);
    if !live || conversations == 0 {
        return Vec::new();
    }
    let and_replies = match replies {
        0 => String::new(),
        replies => format!(", and {replies} replies of customers in them"),
    };
    let warn = |found: String, remedy: &str| Finding::warns("live_costs", found, remedy);
    vec![
        warn(
            format!(
                "{conversations} conversations would be created{and_replies}, and Fin, which is billed per resolution, may answer them; nothing in Intercom's documents says that it does not."
            ),
            "Keep Fin from imported conversations until the run has ended; what a resolution costs, the workspace's own contract says.",
        ),
        warn(
            format!(
                "Workflows and assignment rules may start for each of the {conversations} conversations, and workflows may write to customers; nothing in Intercom's documents says that they do not."
            ),
            "Pause them, or exclude imported conversations, until the run has ended.",
        ),
        warn(
            format!(
                "Teammates and connected apps may be notified of each of the {conversations} conversations: the call that creates one has no setting against it."
            ),
            "Tell the teammates beforehand, or have them mute notifications until the run has ended.",
        ),
    ]
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Attributes that are there and cannot be used, each with its key under `[names]`: whatever has a
/// value for one would be refused. `wanted` is what stage `schema` brings. Of this migration's `own`, those that a
/// rollback has archived are taken back into use, and lists are given the choices that they lack.
///
/// # Errors
/// When the workspace's attributes cannot be read.
pub async fn attributes(
    client: &IntercomClient,
    names: &Names,
    fields: &FieldMapping,
    wanted: &[SchemaDraft],
    own: &OwnAttributes,
) -> Result<Vec<Finding>, Error> {
    let conflicts = schema_conflicts(client, wanted, own).await?;
    Ok(conflicts.iter().map(|reason| conflict(names, fields, reason)).collect())
}

/// Where custom fields have their attributes.
const MAPPING: &str = "mapping.toml";

/// Where a program that adds attributes has them.
const PROGRAM: &str = "Parts::attributes";

fn conflict(names: &Names, fields: &FieldMapping, reason: &Reason) -> Finding {
    let name = reason.field.as_deref().unwrap_or_default();
    let remedy = reason.remedy.as_deref().unwrap_or_default();
    let is_custom = fields.attributes().iter().any(|attribute| attribute.name == name);
    let is_phone = contact_attributes(names).iter().any(|attribute| attribute.name == name);
    let key = match names.key_of(name) {
        Some(key) => format!("names.{key}"),
        None if is_custom => MAPPING.to_owned(),
        // Further phone numbers have names of their own, built on one setting.
        None if is_phone => "names.phone_prefix".to_owned(),
        None => PROGRAM.to_owned(),
    };
    let remedy = match reason.code.as_str() {
        "name_taken_by_company" | "attribute_type" if key == PROGRAM => {
            "have the program give it another name, then run again"
        }
        "name_taken_by_company" | "attribute_type" if key == MAPPING => {
            "give its field another attribute in mapping.toml, then run plan and run again"
        }
        "name_taken_by_company" | "attribute_type" => {
            "give it another name under [names], then run again"
        }
        _ => remedy,
    };
    let check = match reason.code.as_str() {
        "attribute_twins" => "conversation_attributes",
        _ => "attribute_types",
    };
    let found = format!("{} ({key}).", upper(&reason.message));
    Finding::stops(check, found, format!("{}.", upper(remedy)))
}

/// Has a person confirmed where the custom fields go? `shown` is the file, `accepted` that the program is told to take
/// it as it is.
pub fn field_mapping(mapping: &FieldMapping, shown: &str, accepted: bool) -> Option<Finding> {
    let fields = mapping.fields.len();
    (fields > 0 && !mapping.confirmed && !accepted).then(|| {
        Finding::stops(
            "field_mapping",
            format!("Nobody has confirmed where the {fields} custom fields go: see {shown}."),
            "Look at it, change what is not right and set confirmed = true in it; or have a run take it as it is with --accept-proposal.",
        )
    })
}

/// Is there room for the attributes of contacts that are missing? `wanted` is what stage `schema` brings.
///
/// # Errors
/// When the workspace's attributes cannot be read.
pub async fn attribute_limit(
    client: &IntercomClient,
    fields: &FieldMapping,
    wanted: &[SchemaDraft],
) -> Result<Option<Finding>, Error> {
    let active = active_attributes(client).await?;
    let wanted: HashSet<String> = wanted
        .iter()
        .filter_map(|draft| match draft {
            SchemaDraft::ContactAttribute(attribute) => Some(attribute.name.to_lowercase()),
            _ => None,
        })
        .collect();
    let missing = wanted.iter().filter(|name| !active.contains(*name)).count();
    Ok(over_limit(active.len(), missing, !fields.attributes().is_empty()))
}

/// The custom attributes of people and companies that are in use, which count for the limit, in lower
/// case.
pub(crate) async fn active_attributes(client: &IntercomClient) -> Result<HashSet<String>, Error> {
    let mut active = HashSet::new();
    for model in [Model::Contact, Model::Company] {
        let listed = client.data_attributes().list(model, false).await?.into_iter();
        let custom = listed.filter(|it| it.custom != Some(false) && it.archived != Some(true));
        active.extend(custom.map(|attribute| attribute.name.to_lowercase()));
    }
    Ok(active)
}

fn over_limit(active: usize, missing: usize, has_fields: bool) -> Option<Finding> {
    let over = (active + missing).checked_sub(MOST_ATTRIBUTES).filter(|over| *over > 0)?;
    let or_map = match has_fields {
        true => {
            "; or give custom fields another place in mapping.toml (as = \"note\", \"tags\" or \"skip\"), and run plan again"
        }
        false => "",
    };
    Some(Finding::stops(
        "attribute_limit",
        format!(
            "The workspace has {active} custom attributes of people and companies, {missing} more are to be made, and Intercom allows {MOST_ATTRIBUTES}."
        ),
        format!(
            "Archive {over} that nobody needs in Intercom's settings: that frees their places{or_map}."
        ),
    ))
}

/// Does this machine's clock agree with Intercom's? `ahead` is how far it is ahead. Which contacts were
/// there before, and when a negative answer of a search counts, is decided by both.
pub fn clock_skew(ahead: Option<TimeDelta>) -> Option<Finding> {
    let ahead = ahead.filter(|ahead| ahead.abs() > CLOCK_SKEW)?;
    let way = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
    Some(Finding::stops(
        "clock_skew",
        format!("This machine's clock is {} seconds {way} Intercom's.", ahead.num_seconds().abs()),
        "Set it, best by a time service, then run again.",
    ))
}

/// What the ledger of a migration and the dry run's beside it take at most for each record, in bytes,
/// parked drafts and queues included.
const BYTES_PER_RECORD: u64 = 4 * 1024;
/// What they take beside the records, in bytes.
const BYTES_AT_LEAST: u64 = 64 * 1024 * 1024;

/// Is there room for the ledger? `free` is what the disk has left, in bytes; `None` where the system
/// does not tell.
pub fn disk_space(free: Option<u64>, records: u64) -> Option<Finding> {
    let needed = records.saturating_mul(BYTES_PER_RECORD).saturating_add(BYTES_AT_LEAST);
    let free = free.filter(|free| *free < needed)?;
    let mib = |bytes: u64| bytes / (1024 * 1024);
    Some(Finding::stops(
        "disk_space",
        format!(
            "The disk of the state directory has {} MiB left, and {records} records can take {} MiB.",
            mib(free),
            mib(needed)
        ),
        "Make room, or name a state directory on another disk with --state DIR.",
    ))
}

/// While nobody stands in for them, agents whom no teammate matches hold back the calls; where no agents
/// are known, each call with a comment waits by itself. `unmatched` is how many agents there are, `calls`
/// how many calls wait so.
pub fn agents(unmatched: u64, calls: u64, has_fallback: bool) -> Option<Finding> {
    let found = match (unmatched, calls) {
        _ if has_fallback => return None,
        (0, 0) => return None,
        (0, calls) => format!(
            "{calls} calls have a comment by an agent of whom no teammate is known: they wait until one is."
        ),
        (agents, _) => format!(
            "{agents} agents are no teammates in Intercom: stage {} is held back until they are.",
            crate::stage::CALLS
        ),
    };
    Some(Finding::warns(
        "agents",
        found,
        format!(
            "Invite them as teammates, name others in [map.agents], or set destination.fallback_admin; queues/{}.jsonl names them after a run.",
            queue::agent_without_teammate().code
        ),
    ))
}

/// Projects and offices that no team has the name of. Nothing waits for them. `missing` is how many there
/// are.
pub fn teams(missing: u64) -> Option<Finding> {
    (missing > 0).then(|| {
        Finding::warns(
            "teams",
            format!("{missing} projects and offices have no team of their name in Intercom."),
            "Make the teams in Intercom's settings, which its API cannot, or name others in [map.teams]; inventory/teams_to_create.json names them after a run.",
        )
    })
}

/// Days by which the chatbot's export may begin later or end earlier than it was asked for.
const WEEK: TimeDelta = TimeDelta::days(7);

/// Has the chatbot's export all four files, and do they cover the days that were asked for? A file without rows, or
/// one whose times nobody can read, covers none. In a file of counts a gap at an end may mean that nothing happened,
/// since empty periods are left out, and people answer seldom: of those a gap is only told.
pub fn chatbot_period(asked: &Chatbot, export: &source::Chatbot) -> Vec<Finding> {
    const CHECK: &str = "chatbot_period";
    let zip = asked.zip.display();
    let again = |which: &str| {
        format!(
            "Export {which} again while the LeadDesk account is open: afterwards nobody can. If it is right as it is, say why under preflight.waive.{CHECK}."
        )
    };
    let missing: Vec<String> = export.missing().iter().map(ToString::to_string).collect();
    let mut found = Vec::new();
    if !missing.is_empty() {
        let what = format!(
            "The chatbot's export {zip} has no file of these: {}; four belong to it.",
            missing.join(", ")
        );
        found.push(Finding::stops(CHECK, what, again("all four files")));
    }
    for file in export.files() {
        let Some(gaps) = gaps(asked, file) else { continue };
        let what = format!("{} in the chatbot's export {gaps}.", file.name);
        let remedy = again("the whole period");
        let is_sparse = file.shape == Shape::Buckets || file.kind == FileKind::Agent;
        found.push(match is_sparse {
            true => Finding::warns(CHECK, what, remedy),
            false => Finding::stops(CHECK, what, remedy),
        });
    }
    found
}

/// What a file of the chatbot's export lacks of the days that were asked for.
fn gaps(asked: &Chatbot, file: &FileInfo) -> Option<String> {
    if file.rows == 0 {
        return Some("has no rows that can be read".to_owned());
    }
    // Outcomes and the like may have no times of their own: those of the conversations are theirs.
    let is_dated = file.columns.iter().any(|(column, _)| column.is_time());
    let Some((first, last)) = file.first.zip(file.last) else {
        return is_dated.then(|| {
            "has no time that can be read for sure: days and months in numbers say which is which where one is above 12".to_owned()
        });
    };
    let (first, last) = (first.naive().date(), last.naive().date());
    let late = asked.from.filter(|from| first - *from > WEEK);
    let early = asked.to.filter(|to| *to - last > WEEK);
    let late = late.map(|from| format!("begins on {first}, and {from} was asked for"));
    let early = early.map(|to| format!("ends on {last}, and {to} was asked for"));
    let gaps: Vec<String> = late.into_iter().chain(early).collect();
    (!gaps.is_empty()).then(|| gaps.join("; it "))
}

/// A sentence begins with a capital letter, except where a name in code comes first.
fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use leaddesk_client::chatbot::{Archive, Settings};

    use crate::fields::{FieldRule, Place};

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
            assert_eq!(live_automation(&config).is_none(), free, "{url}");
            config.destination.acknowledge_live_automation = true;
            assert_eq!(live_automation(&config), None);
        }
    }

    #[test]
    fn costs_are_told_of_a_live_workspace_with_how_many_conversations_there_are() {
        let config = |url: &str| {
            let text = format!(
                "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[destination]\nbase_url = '{url}'\nacknowledge_live_automation = true\n"
            );
            Config::parse(&text, "test.toml").unwrap()
        };
        let live = config("https://api.intercom.io");
        assert_eq!(live_costs(&live, 0, 0), []);
        assert_eq!(live_costs(&config("http://127.0.0.1:8080"), 9, 0), []);
        let told = live_costs(&live, 1234, 5);
        assert!(told.iter().all(|it| it.found.contains("1234") && !it.is_stopping()), "{told:?}");
        assert!(told[0].found.contains("5 replies of customers"), "{told:?}");
        for (found, word) in told.iter().zip(["Fin", "Workflows", "notified"]) {
            assert!(found.found.contains(word), "{found}");
            let price = found.to_string().contains(['$', '€']);
            assert!(!price, "{found}");
        }
    }

    #[test]
    fn a_conflict_names_attribute_setting_and_remedy() {
        let names = Names::default();
        let mut fields = FieldMapping::default();
        let rule = FieldRule::new(Place::Date).attribute("ld_renewal");
        fields.fields.insert("Renewal".into(), rule);
        let (rename, mapping) = ("another name under [names]", "another attribute in mapping.toml");
        for (name, key, remedy) in [
            ("ld_created_at", "names.created_at", rename),
            ("ld_phone_2", "names.phone_prefix", rename),
            ("ld_renewal", "mapping.toml", mapping),
            ("ld_ssn", "names.ssn", rename),
            ("ld_shop", "Parts::attributes", "the program give it another name"),
        ] {
            let reason = Reason::new("attribute_type", format!("the attribute `{name}` is odd"))
                .field(name)
                .remedy("Intercom admin", "do either");
            let found = conflict(&names, &fields, &reason);
            assert_eq!(found.found, format!("The attribute `{name}` is odd ({key})."));
            assert!(found.remedy.contains(remedy), "{}", found.remedy);
            assert_eq!(found.check, "attribute_types");
        }
        let archived = Reason::new("attribute_archived", "it is archived")
            .field("ld_renewal")
            .remedy("Intercom admin", "bring it back");
        assert_eq!(conflict(&names, &fields, &archived).remedy, "Bring it back.");
    }

    #[test]
    fn a_file_of_the_chatbot_that_tells_no_time_covers_nothing() {
        let text = "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[source.chatbot]\nzip = 'x.zip'\nfrom = '2024-05-01'\n\
                    [destination]\nregion = 'eu'\n";
        let asked = Config::parse(text, "test.toml").unwrap().source.chatbot.unwrap();
        for (rows, expected) in [
            ("", Some("has no rows")),
            ("7,03/04/2024 10:00,Hello\n", Some("has no time that can be read")),
            ("7,2024-07-31 10:00,Hello\n", Some("begins on 2024-07-31")),
            ("7,2024-05-02 10:00,Hello\n", None),
        ] {
            let text = format!("conversation_id,timestamp,user_text\n{rows}");
            let archive =
                Archive::from_bytes("conversations.csv", text.into_bytes(), Settings::default());
            let told = gaps(&asked, &archive.unwrap().files()[0]);
            let is_told = match (&told, expected) {
                (Some(told), Some(expected)) => told.contains(expected),
                (told, expected) => told.is_none() && expected.is_none(),
            };
            assert!(is_told, "{rows}: {told:?}");
        }
    }

    #[test]
    fn a_mapping_is_confirmed_by_a_person_or_taken_as_it_is() {
        let mut mapping = FieldMapping::default();
        assert_eq!(field_mapping(&mapping, "mapping.toml", false), None, "nothing is mapped");
        mapping.fields.insert("Renewal".into(), FieldRule::new(Place::Date));
        let found = field_mapping(&mapping, "mapping.toml", false).unwrap();
        assert!(found.is_stopping() && found.found.contains("mapping.toml"), "{found}");
        assert_eq!(field_mapping(&mapping, "mapping.toml", true), None);
        mapping.confirmed = true;
        assert_eq!(field_mapping(&mapping, "mapping.toml", false), None);
    }

    #[test]
    fn there_is_room_up_to_the_limit() {
        assert_eq!(over_limit(200, 50, true), None);
        let found = over_limit(230, 22, false).unwrap();
        assert!(found.found.contains("has 230") && found.found.contains("22 more"), "{found:?}");
        assert!(found.remedy.contains("Archive 2 "), "{found:?}");
        assert!(!found.remedy.contains("mapping.toml"), "{found:?}");
        let remedy = over_limit(230, 22, true).unwrap().remedy;
        assert!(remedy.contains("mapping.toml"), "{remedy}");
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        assert_eq!(clock_skew(None), None);
        for seconds in [-60, -1, 0, 60] {
            assert_eq!(clock_skew(Some(TimeDelta::seconds(seconds))), None, "{seconds}");
        }
        let ahead = clock_skew(Some(TimeDelta::seconds(61))).unwrap();
        assert!(ahead.found.contains("61 seconds ahead of"), "{ahead:?}");
        let behind = clock_skew(Some(TimeDelta::seconds(-3600))).unwrap();
        assert!(behind.found.contains("3600 seconds behind"), "{behind:?}");
    }

    #[test]
    fn a_full_disk_is_told_with_what_is_needed() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(disk_space(None, u64::MAX), None);
        assert_eq!(disk_space(Some(64 * MIB), 0), None);
        let found = disk_space(Some(64 * MIB), 1_000_000).unwrap();
        assert!(found.found.contains("64 MiB left"), "{found:?}");
        assert!(found.found.contains("1000000 records can take 3970 MiB"), "{found:?}");
    }
}
