//! How far each route to calls reaches: what it brings, and of how many contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use leaddesk_client::Call;
use migrate_core::ledger::{Change, Entry, LedgerError};
use migrate_core::{Cursor, Estimate, Key, Ledger, Name, Page, Source, SourceError};

use super::NamesOf;

/// Counts what routes to calls bring. Whose calls they are, is kept in lists of the ledger, so that
/// memory does not grow with the account; so the ledger is one that is thrown away afterwards. Clones
/// share the counts.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<Mutex<BTreeMap<String, u64>>>);

/// What one route brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// The route.
    pub route: String,
    /// The calls that it brought, those included that an earlier route had brought already.
    pub calls: u64,
    /// How many objects of each stage have at least one of these, by the stage's name.
    pub owners: BTreeMap<String, u64>,
}

impl Reach {
    /// The same source, counted under the name of its route. `names` are those of a call's contact, the
    /// surest first, and `ledger` the one that knows contacts by them.
    pub fn of(
        &self,
        route: &str,
        source: Arc<dyn Source<Record = Call>>,
        names: NamesOf<Call>,
        ledger: Arc<dyn Ledger>,
    ) -> Arc<dyn Source<Record = Call>> {
        // One that brings nothing is told as well.
        self.add(route, 0);
        Arc::new(Counted { reach: self.clone(), route: route.to_owned(), source, names, ledger })
    }

    /// What each route brought, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn by_route(&self, ledger: &dyn Ledger) -> Result<Vec<Reached>, LedgerError> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reached = Vec::with_capacity(calls.len());
        for (route, calls) in calls {
            let owners = owners(ledger, &list_of(&route)).await?;
            reached.push(Reached { route, calls, owners });
        }
        Ok(reached)
    }

    /// How many objects of each stage have a call by any route.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn by_any(&self, ledger: &dyn Ledger) -> Result<BTreeMap<String, u64>, LedgerError> {
        owners(ledger, ANY).await
    }

    fn add(&self, route: &str, calls: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(route.to_owned()).or_default() += calls;
    }
}

/// The list of all owners of calls.
const ANY: &str = "owners of calls";

/// The list of the owners of a route's calls.
fn list_of(route: &str) -> String {
    format!("owners of calls by {route}")
}

/// The owners in a list, counted by stage.
async fn owners(ledger: &dyn Ledger, list: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
    /// Owners that are read at once.
    const PAGE: usize = 1_000;
    let (mut counts, mut after) = (BTreeMap::new(), 0);
    loop {
        let rows = ledger.discovered(list, after, PAGE).await?;
        let Some((last, _)) = rows.last() else { return Ok(counts) };
        after = *last;
        for (_, owner) in &rows {
            let stage = owner.split(' ').next().unwrap_or_default();
            *counts.entry(stage.to_owned()).or_default() += 1;
        }
    }
}

/// A route that is counted.
struct Counted {
    reach: Reach,
    route: String,
    source: Arc<dyn Source<Record = Call>>,
    names: NamesOf<Call>,
    ledger: Arc<dyn Ledger>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Source for Counted {
    type Record = Call;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Call>, SourceError>> {
        let (reach, names, ledger) = (self.reach.clone(), self.names.clone(), self.ledger.clone());
        let route = self.route.clone();
        let pages = self.source.read(from);
        pages
            .then(move |page| {
                let (reach, names, ledger) = (reach.clone(), names.clone(), ledger.clone());
                let route = route.clone();
                async move {
                    let page = page?;
                    let calls: Vec<Vec<Name>> =
                        page.items.iter().flatten().map(|record| names(&record.body)).collect();
                    reach.add(&route, calls.len() as u64);
                    let kept = keep(&*ledger, &route, &calls).await;
                    kept.map_err(|error| {
                        let failed = SourceError::unavailable("the ledger could not be used");
                        failed.because(error)
                    })?;
                    Ok(page)
                }
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        self.source.estimate()
    }
}

/// Keeps whose calls these are, each owner once.
async fn keep(ledger: &dyn Ledger, route: &str, calls: &[Vec<Name>]) -> Result<(), LedgerError> {
    let (mut keys, mut aliases) = (Vec::new(), Vec::new());
    for name in calls.iter().flatten() {
        match name {
            Name::Key(key) => keys.push(key.clone()),
            Name::Alias(alias) => aliases.push(*alias),
            _ => {}
        }
    }
    let entries = ledger.entries(&keys).await?.into_iter().flatten();
    let by_key: BTreeMap<Key, Entry> = entries.map(|it| (it.key.clone(), it)).collect();
    let known = ledger.known_as(&aliases).await?;
    let by_alias: BTreeMap<_, _> = aliases.into_iter().zip(known).collect();
    let mut met = BTreeSet::new();
    for names in calls {
        let owner = names.iter().find_map(|name| match name {
            Name::Key(key) => owner(std::slice::from_ref(by_key.get(key)?)),
            Name::Alias(alias) => owner(by_alias.get(alias)?),
            _ => None,
        });
        met.extend(owner);
    }
    let lists = [ANY.to_owned(), list_of(route)];
    let changes = met.iter().flat_map(|owner| {
        lists.iter().map(|list| Change::Discover { list: list.clone(), item: owner.clone() })
    });
    ledger.commit(changes.collect()).await
}

/// Stage and object of these entries, if they have one object alone: a number that several people share
/// is nobody's.
fn owner(entries: &[Entry]) -> Option<String> {
    let mut objects = entries.iter().filter_map(|it| Some((it.target.as_ref()?, &it.stage)));
    let (first, stage) = objects.next()?;
    objects.all(|(other, _)| other == first).then(|| format!("{stage} {first}"))
}

#[cfg(test)]
mod tests {
    use leaddesk_client::CallId;
    use migrate_core::ledger::How;
    use migrate_core::{Alias, Fingerprint, MemoryLedger, Record, TargetId};

    use super::*;
    use crate::source::testing::read_all;
    use crate::source::{Fixed, Routes};

    fn calls(ids: std::ops::RangeInclusive<u64>) -> Arc<dyn Source<Record = Call>> {
        let call = |id| Record::new(Key::new("call", id), Call::new(CallId::new(id)));
        Arc::new(Fixed::new(ids.map(call).collect(), 2))
    }

    /// Calls 1 and 2 are of contact 1, by its key and by its number; 3 is of a lead; 4 of a number that two
    /// people share; 5 of somebody who waits; 6 of nobody.
    fn names() -> NamesOf<Call> {
        Arc::new(|call: &Call| match call.id.as_str() {
            "1" => vec![Name::Key(Key::new("contact", 1)), Name::Alias(Alias::new("phone", "two"))],
            "2" => vec![Name::Key(Key::new("contact", 9)), Name::Alias(Alias::new("phone", "1"))],
            "3" => vec![Name::Key(Key::new("contact", 2))],
            "4" => vec![Name::Alias(Alias::new("phone", "two"))],
            "5" => vec![Name::Key(Key::new("contact", 3))],
            _ => Vec::new(),
        })
    }

    async fn ledger() -> Arc<dyn Ledger> {
        let ledger = Arc::new(MemoryLedger::new());
        let at = chrono::DateTime::UNIX_EPOCH;
        for (id, stage, has_object) in
            [(1, "contacts", true), (2, "leads", true), (3, "contacts", false)]
        {
            let (key, stage) = (Key::new("contact", id), stage.to_owned());
            let aliases = vec![Alias::new("phone", id.to_string()), Alias::new("phone", "two")];
            let named = Change::Aliases { key: key.clone(), stage: stage.clone(), aliases };
            ledger.commit(vec![named]).await.unwrap();
            if has_object {
                let (target, how) = (TargetId::new(key.as_str()), How::Created);
                let (fingerprint, state) = (Fingerprint::of(b"x"), None);
                let done = Change::Done { key, stage, target, fingerprint, how, state, at };
                ledger.commit(vec![done]).await.unwrap();
            }
        }
        ledger
    }

    #[tokio::test]
    async fn each_route_is_counted_with_those_whose_calls_it_brings() {
        let (reach, ledger) = (Reach::default(), ledger().await);
        let mut routes = Routes::new();
        for (route, source) in
            [("last_call", calls(1..=2)), ("csv", calls(2..=6)), ("ids_file", calls(6..=6))]
        {
            routes = routes.and(route, reach.of(route, source, names(), ledger.clone()));
        }
        let delivered: usize = read_all(&routes, None).await.iter().map(|it| it.items.len()).sum();
        assert_eq!(delivered, 8, "nothing is held back");
        let told = reach.by_route(&*ledger).await.unwrap();
        let told: Vec<String> =
            told.iter().map(|it| format!("{} {} {:?}", it.route, it.calls, it.owners)).collect();
        assert_eq!(
            told,
            [
                "csv 5 {\"contacts\": 1, \"leads\": 1}",
                "ids_file 1 {}",
                "last_call 2 {\"contacts\": 1}",
            ]
        );
        let any = reach.by_any(&*ledger).await.unwrap();
        assert_eq!(any, BTreeMap::from([("contacts".into(), 1), ("leads".into(), 1)]));
    }
}
