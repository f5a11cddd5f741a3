//! What files beside the records say of them: time zones of offices, names of outcomes, and the blacklist.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use migrate_core::Alias;

use crate::source::{Documented, Outcomes, Sort, keys};

/// Headings under which `offices.csv` may have the time zone; LeadDesk documents none.
const TIME_ZONES: &[&str] = &["time_zone", "timezone", "time zone", "tz", "aikavyöhyke"];

/// Offices with their time zones, outcomes with their ids, and the numbers on the blacklist. `Debug` shows how many.
#[derive(Clone, Default)]
pub struct Beside {
    /// By the name in lower case.
    offices: Arc<BTreeMap<String, String>>,
    outcomes: Outcomes,
    /// `None` where nobody has a list.
    blacklist: Option<Arc<HashSet<Alias>>>,
}

impl Beside {
    /// What the offices and outcomes among these say, and a blacklist of numbers where there is one.
    pub fn new(documented: &[Documented], blacklist: Option<HashSet<Alias>>) -> Self {
        let offices = documented.iter().filter(|it| it.sort == Sort::Office);
        let zones = offices.filter_map(|it| Some((it.name()?.to_lowercase(), zone(it)?)));
        Self {
            offices: Arc::new(zones.collect()),
            outcomes: Outcomes::of(documented),
            blacklist: blacklist.map(Arc::new),
        }
    }

    /// The time zone of an office, as its table says it.
    pub(super) fn time_zone(&self, office: &str) -> &str {
        self.offices.get(&office.trim().to_lowercase()).map_or("", String::as_str)
    }

    /// The name of an outcome, where its table has the id.
    pub(super) fn outcome(&self, id: &str) -> Option<&str> {
        self.outcomes.name(id)
    }

    /// Is one of these numbers on the blacklist, in whatever notation it stands there? `None` where there is no list.
    pub(super) fn is_blacklisted(&self, numbers: &[String]) -> Option<bool> {
        let blacklist = self.blacklist.as_ref()?;
        Some(numbers.iter().any(|e164| blacklist.contains(&keys::phone(e164))))
    }
}

fn zone(office: &Documented) -> Option<String> {
    let fields = office.content.as_object()?;
    let is_zone = |name: &String| TIME_ZONES.contains(&name.trim().to_lowercase().as_str());
    let zone = fields.iter().find(|(name, _)| is_zone(name)).and_then(|(_, it)| it.as_str())?;
    Some(zone.trim().to_owned()).filter(|zone| !zone.is_empty())
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blacklist = self.blacklist.as_ref().map_or(0, |blacklist| blacklist.len());
        f.debug_struct("Beside")
            .field("offices", &self.offices.len())
            .field("outcomes", &self.outcomes)
            .field("blacklist", &blacklist)
            .finish()
    }
}
