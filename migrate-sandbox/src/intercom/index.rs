//! What search sees: the state of some time ago, as search in Intercom lags behind.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::workspace::{Contact, Conversation};

/// An object that search can find by a term or by its time without looking at every object.
pub(super) trait Indexed {
    /// UNIX seconds of its creation.
    fn created_at(&self) -> i64;

    /// Field and value.
    fn terms(&self) -> Vec<(String, String)>;
}

#[derive(Debug)]
pub(crate) struct SearchIndex<K, T> {
    lag: Duration,
    /// Changes that search does not see yet, oldest first.
    pending: VecDeque<(Instant, K, Option<Arc<T>>)>,
    objects: BTreeMap<K, Arc<T>>,
    by_term: HashMap<(String, String), BTreeSet<K>>,
    by_time: BTreeSet<(i64, K)>,
}

/// What narrows a search down before each object is looked at.
#[derive(Debug, Default)]
pub(super) struct Narrow {
    /// Fields and values of which a result has at least one.
    pub(super) terms: Option<Vec<(String, String)>>,
    /// The least and the greatest `created_at` of a result.
    pub(super) created_at: Option<(i64, i64)>,
}

impl<K: Ord + Clone + Default, T: Indexed> SearchIndex<K, T> {
    pub(super) fn new(lag: Duration) -> Self {
        Self {
            lag,
            pending: VecDeque::new(),
            objects: BTreeMap::new(),
            by_term: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Notes a change (`None`: the object is gone), to be seen after the lag.
    pub(super) fn change(&mut self, key: K, object: Option<Arc<T>>) {
        self.pending.push_back((Instant::now(), key, object));
        // Without this, a server that is never searched would keep every state there ever was.
        self.catch_up();
    }

    /// Makes everything visible now.
    pub(super) fn settle(&mut self) {
        while let Some((_, key, object)) = self.pending.pop_front() {
            self.apply(key, object);
        }
    }

    /// The objects search sees now, as far as they can be narrowed down, by key.
    pub(super) fn candidates(&mut self, narrow: &Narrow) -> Vec<(K, Arc<T>)> {
        self.catch_up();
        let with = |key: &K| Some((key.clone(), Arc::clone(self.objects.get(key)?)));
        let keys: BTreeSet<&K> = match (&narrow.terms, narrow.created_at) {
            (Some(terms), _) => {
                terms.iter().filter_map(|term| self.by_term.get(term)).flatten().collect()
            }
            (None, Some((from, to))) => {
                // The least key there is stands before every other of the same second.
                let later = self.by_time.range((from, K::default())..);
                later.take_while(|(at, _)| *at <= to).map(|(_, key)| key).collect()
            }
            (None, None) => self.objects.keys().collect(),
        };
        keys.into_iter().filter_map(with).collect()
    }

    fn catch_up(&mut self) {
        let now = Instant::now();
        while self.pending.front().is_some_and(|(at, ..)| now.duration_since(*at) >= self.lag) {
            if let Some((_, key, object)) = self.pending.pop_front() {
                self.apply(key, object);
            }
        }
    }

    fn apply(&mut self, key: K, object: Option<Arc<T>>) {
        if let Some(old) = self.objects.remove(&key) {
            for term in old.terms() {
                if let Some(keys) = self.by_term.get_mut(&term) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.by_term.remove(&term);
                    }
                }
            }
            self.by_time.remove(&(old.created_at(), key.clone()));
        }
        if let Some(object) = object {
            for term in object.terms() {
                self.by_term.entry(term).or_default().insert(key.clone());
            }
            self.by_time.insert((object.created_at(), key.clone()));
            self.objects.insert(key, object);
        }
    }
}

impl Indexed for Contact {
    fn created_at(&self) -> i64 {
        self.created_at
    }

    fn terms(&self) -> Vec<(String, String)> {
        let fields =
            [("email", &self.email), ("phone", &self.phone), ("external_id", &self.external_id)];
        let mut terms: Vec<(String, String)> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_ref()?.to_lowercase())))
            .collect();
        terms.push(("id".into(), self.id.clone()));
        for (name, value) in &self.custom_attributes {
            if let Some(text) = value.as_str() {
                terms.push((format!("custom_attributes.{name}"), text.to_lowercase()));
            }
        }
        terms
    }
}

impl Indexed for Conversation {
    fn created_at(&self) -> i64 {
        self.created_at
    }

    fn terms(&self) -> Vec<(String, String)> {
        let mut terms = vec![
            ("id".to_owned(), self.id.clone()),
            ("source.author.id".to_owned(), self.source.author.id.clone()),
        ];
        terms.extend(self.contacts.iter().map(|id| ("contact_ids".to_owned(), id.clone())));
        terms
    }
}
