//! Names of LeadDesk that are one tag in Intercom.

use std::collections::BTreeMap;

use migrate_core::Ledger;
use migrate_core::ledger::LedgerError;

use crate::config::{CallTag, Config};
use crate::map;
use crate::value::TagName;

use super::inventory::names;

/// Says which campaigns, dispositions and outcomes share a tag with others of their sort: Intercom compares
/// the names of tags without case, and takes them up to a length. `ledger` is that of a run or of a plan.
pub(super) async fn shared(
    ledger: &dyn Ledger,
    config: &Config,
) -> Result<Vec<String>, LedgerError> {
    let of = |kind| config.calls.tags.contains(&kind);
    let prefixes = &config.names;
    let mut notes = Vec::new();
    for (list, what, prefix, is_tagged) in [
        // Contacts are tagged with their campaigns, whatever calls are.
        (map::CAMPAIGNS, "campaigns", &prefixes.campaign_prefix, true),
        (map::DISPOSITIONS, "dispositions", &prefixes.disposition_prefix, of(CallTag::Disposition)),
        (map::OUTCOMES, "outcomes", &prefixes.outcome_prefix, of(CallTag::Outcome)),
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
    use super::*;

    #[test]
    fn names_that_fall_together_are_told() {
        let names = ["Kesä", "Kevät", "KEVÄT", "kevät"].map(str::to_owned);
        let told = together("campaigns", "ld_campaign_", &names);
        assert_eq!(told, ["the campaigns \"Kevät\", \"KEVÄT\", \"kevät\" are one tag in Intercom"]);
        let long = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(250)));
        assert_eq!(together("outcomes", "ld_outcome_", &long).len(), 1, "both are cut");
    }
}
