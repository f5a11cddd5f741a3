//! Names of LeadDesk that are one tag in Intercom.

use std::collections::BTreeMap;

use migrate_core::Ledger;
use migrate_core::ledger::LedgerError;

use crate::config::{CallTag, Config};
use crate::map;
use crate::value::TagName;

use super::inventory::names;

/// Says which campaigns, dispositions, outcomes and tags of custom fields share a tag with others of their
/// sort: Intercom compares the names of tags without case, and takes them up to a length. `ledger` is that
/// of a run or of a plan.
pub(super) async fn shared(
    ledger: &dyn Ledger,
    config: &Config,
) -> Result<Vec<String>, LedgerError> {
    let of = |kind| config.calls.tags.contains(&kind);
    let prefixes = &config.names;
    // Chats are tagged with their outcomes, whatever calls are; and tags of fields have their prefix already.
    let (has_chats, whole) = (config.source.chatbot.is_some(), String::new());
    let mut notes = Vec::new();
    for (list, what, prefix, is_tagged) in [
        // Contacts are tagged with their campaigns, whatever calls are.
        (map::CAMPAIGNS, "campaigns", &prefixes.campaign_prefix, true),
        (map::DISPOSITIONS, "dispositions", &prefixes.disposition_prefix, of(CallTag::Disposition)),
        (map::OUTCOMES, "outcomes", &prefixes.outcome_prefix, of(CallTag::Outcome) || has_chats),
        (map::FIELD_TAGS, "tags of custom fields", &whole, true),
    ] {
        if is_tagged {
            notes.extend(together(what, prefix, &names(ledger, list).await?));
        }
    }
    Ok(notes)
}

fn together(what: &str, prefix: &str, names: &[String]) -> Vec<String> {
    let mut tags: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        if let Some(tag) = TagName::new(prefix, name) {
            tags.entry(tag.key().to_owned()).or_default().push(name);
        }
    }
    let shared = tags.into_values().filter(|names| names.len() > 1);
    let told = shared.map(|names| {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        format!("the {what} {} are one tag in Intercom", quoted.join(", "))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use migrate_core::MemoryLedger;
    use migrate_core::ledger::Change;

    use super::*;
    use crate::map::testing::config;

    #[tokio::test]
    async fn what_chats_and_custom_fields_are_tagged_with_is_told_as_well() {
        let ledger = MemoryLedger::default();
        let met = [
            (map::CAMPAIGNS, ["Kevät", "KEVÄT"]),
            (map::OUTCOMES, ["Deal", "deal"]),
            (map::FIELD_TAGS, ["ld_club_VIP", "ld_club_vip"]),
        ];
        let met = met.into_iter().flat_map(|(list, names)| names.map(|name| (list, name)));
        let changes =
            met.map(|(list, name)| Change::Discover { list: list.into(), item: name.into() });
        ledger.commit(changes.collect()).await.unwrap();
        for (chatbot, expected) in [("", 2), ("[source.chatbot]\nzip = 'c.zip'\n", 3)] {
            let config = config(&format!("{chatbot}[calls]\ntags = []\n"));
            let told = shared(&ledger, &config).await.unwrap();
            assert_eq!(told.len(), expected, "{told:?}");
            let of_fields =
                "the tags of custom fields \"ld_club_VIP\", \"ld_club_vip\" are one tag";
            assert!(told.iter().any(|note| note.starts_with(of_fields)), "{told:?}");
        }
    }

    #[test]
    fn names_that_fall_together_are_told() {
        let names = ["Kesä", "Kevät", "KEVÄT", "kevät"].map(str::to_owned);
        let told = together("campaigns", "ld_campaign_", &names);
        assert_eq!(told, ["the campaigns \"Kevät\", \"KEVÄT\", \"kevät\" are one tag in Intercom"]);
        let long = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(250)));
        assert_eq!(together("outcomes", "ld_outcome_", &long).len(), 1, "both are cut");
    }
}
