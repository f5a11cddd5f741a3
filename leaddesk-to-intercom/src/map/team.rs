//! Projects and offices, to be matched with teams.
//!
//! | LeadDesk | becomes |
//! |---|---|
//! | the name of a project or an office | the name by which a team is found, unless `[map.teams]` gives another name, or an id |

use std::collections::BTreeMap;

use migrate_core::{Emit, Mapper, Record};

use crate::config::Config;
use crate::draft::TeamDraft;

/// Maps names of projects and offices. An entry of `[map.teams]` goes before the name itself.
#[derive(Clone, Debug, Default)]
pub struct TeamMapper {
    teams: BTreeMap<String, String>,
}

impl TeamMapper {
    /// With the entries of `[map.teams]`: the name of a project or an office, and the team's name or id.
    pub fn new(config: &Config) -> Self {
        let teams = config.map.teams.iter();
        Self { teams: teams.map(|(name, team)| (fold(name), team.trim().to_owned())).collect() }
    }

    /// The team of a project or an office.
    pub(crate) fn team<'a>(&'a self, name: &'a str) -> &'a str {
        self.teams.get(&fold(name)).map_or(name.trim(), String::as_str)
    }
}

fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Mapper<String> for TeamMapper {
    type Out = TeamDraft;

    fn map(&self, record: Record<String>, out: &mut Emit<TeamDraft>) {
        out.push(TeamDraft::new(self.team(&record.body)));
    }
}
