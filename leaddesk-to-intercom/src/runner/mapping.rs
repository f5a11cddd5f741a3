//! `mapping.toml` in the state directory: proposed by a plan, edited by a person, obeyed by a run.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Names;
use crate::connect::StartError;
use crate::fields::{FieldMapping, FieldProposer, Profile, propose};
use crate::preflight::{self, Finding};
use crate::source::{LeadFilter, ListedContact, Watch};
use crate::state::{StateDir, write_whole};

use super::Runner;
use super::finish::Unfinished;

/// The file of the mapping, and that of proposals for fields which it does not name.
const FILE: &str = "mapping.toml";
const PROPOSED: &str = "mapping.proposed.toml";

/// The mapping of a state directory, if there is one.
pub(super) fn load(state: &StateDir, names: &Names) -> Result<Option<FieldMapping>, Unfinished> {
    let path = state.file(FILE);
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Unfinished::start(StartError::new(
                format!("The field mapping {shown} cannot be read: {error}."),
                "It must be a text in UTF-8; remove it and run `plan` for a new proposal.",
            )));
        }
    };
    let mapping =
        FieldMapping::parse(text.trim_start_matches('\u{feff}'), &shown.to_string(), names);
    mapping.map(Some).map_err(|error| {
        Unfinished::start(StartError::new(
            format!("The field mapping cannot be used: {error}"),
            "Mend it, or remove it and run `plan` for a new proposal.",
        ))
    })
}

/// Whether a person has confirmed the mapping, as a check.
pub(super) fn confirmed(runner: &Runner, mapping: &FieldMapping) -> Option<Finding> {
    let shown = runner.state.file(FILE).display().to_string();
    preflight::field_mapping(mapping, &shown, runner.accept_proposal)
}

/// What a dry run finds out about contacts beside what it would write.
#[derive(Clone, Default)]
pub(super) struct Survey(Arc<Mutex<Surveyed>>);

#[derive(Default)]
struct Surveyed {
    profile: Profile,
    /// Records that each rule would make leads.
    leads: BTreeMap<&'static str, u64>,
    /// Contacts in all, and those that name a last call.
    called: (u64, u64),
}

impl Survey {
    /// Watches the contacts and leads of a dry run.
    pub(super) fn watch(&self, runner: &Runner) -> Watch {
        let (survey, zone) = (self.clone(), runner.config.source.time_zone);
        Arc::new(move |record: &ListedContact, filter: &LeadFilter| {
            let mut surveyed = survey.0.lock().unwrap_or_else(PoisonError::into_inner);
            surveyed.profile.observe(&record.contact, zone);
            surveyed.called.0 += 1;
            surveyed.called.1 += u64::from(record.contact.last_call_id.is_some());
            for rule in filter.rules_of(record) {
                *surveyed.leads.entry(rule).or_default() += 1;
            }
        })
    }

    pub(super) fn profile(&self) -> Profile {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).profile.clone()
    }

    /// How many records each rule would make leads, a line each.
    pub(super) fn notes(&self) -> Vec<String> {
        let surveyed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = surveyed.leads.iter().map(|(rule, count)| {
            format!("{count} records are leads by contacts.lead_rule = \"{rule}\"")
        });
        let (all, called) = surveyed.called;
        let share = called.saturating_mul(100).checked_div(all);
        said.chain(
            share.map(|share| format!("{called} of {all} contacts name a last call ({share} %)")),
        )
        .collect()
    }
}

/// The mapping of a plan: the one that is there, or a proposal, which is written. `there` are the custom
/// attributes that the workspace has. Says what a person should know of it.
pub(super) fn settle(
    state: &StateDir,
    known: Option<FieldMapping>,
    profile: &Profile,
    proposer: &dyn FieldProposer,
    names: &Names,
    there: &HashSet<String>,
) -> Result<(FieldMapping, Vec<String>), Unfinished> {
    let unwritten = |error| Unfinished::state("the field mapping cannot be written", &error);
    let write = |name: &str, text: String| {
        let path = state.file(name);
        write_whole(&path, |file| std::io::Write::write_all(file, text.as_bytes()))
            .map_err(unwritten)
    };
    let (proposal, reasons) = propose(profile, proposer, names, there);
    let Some(known) = known else {
        if proposal.fields.is_empty() {
            return Ok((proposal, Vec::new()));
        }
        write(FILE, proposal.to_toml(profile, &reasons))?;
        let said = format!(
            "{} custom fields: where they go is proposed in {}",
            proposal.fields.len(),
            state.file(FILE).display()
        );
        return Ok((proposal, vec![said]));
    };
    // What a person has written is never touched.
    let mut new = proposal;
    new.fields.retain(|field, _| !known.fields.contains_key(field));
    if new.fields.is_empty() {
        // What was proposed before has found its place.
        return match std::fs::remove_file(state.file(PROPOSED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritten(error)),
            _ => Ok((known, Vec::new())),
        };
    }
    write(PROPOSED, new.to_toml(profile, &reasons))?;
    let said = format!(
        "{} custom fields have no rule in {FILE} and stay in LeadDesk: {} has proposals for them",
        new.fields.len(),
        state.file(PROPOSED).display()
    );
    Ok((known, vec![said]))
}
