//! What search sees: the state of some time ago, as search in Intercom lags behind.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::workspace::{Contact, Conversation};

/// An object that search can find by equality of a term without looking at every object.
pub(super) trait Indexed {
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
}

impl<K: Ord + Clone, T: Indexed> SearchIndex<K, T> {
    pub(super) fn new(lag: Duration) -> Self {
        Self {
            lag,
            pending: VecDeque::new(),
            objects: BTreeMap::new(),
            by_term: HashMap::new(),
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

    /// The objects search sees now that have this term; all objects without one.
    pub(super) fn candidates(&mut self, term: Option<&(String, String)>) -> Vec<(K, Arc<T>)> {
        self.catch_up();
        match term {
            None => self
                .objects
                .iter()
                .map(|(key, object)| (key.clone(), Arc::clone(object)))
                .collect(),
            Some(term) => {
                let keys = self.by_term.get(term).into_iter().flatten();
                keys.filter_map(|key| Some((key.clone(), Arc::clone(self.objects.get(key)?))))
                    .collect()
            }
        }
    }

    fn catch_up(&mut self) {
        let now = Instant::now();
        while self
            .pending
            .front()
            .is_some_and(|(at, ..)| now.duration_since(*at) >= self.lag)
        {
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
        }
        if let Some(object) = object {
            for term in object.terms() {
                self.by_term.entry(term).or_default().insert(key.clone());
            }
            self.objects.insert(key, object);
        }
    }
}

impl Indexed for Contact {
    fn terms(&self) -> Vec<(String, String)> {
        let fields = [
            ("email", &self.email),
            ("phone", &self.phone),
            ("external_id", &self.external_id),
        ];
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
    fn terms(&self) -> Vec<(String, String)> {
        let mut terms = vec![
            ("id".to_owned(), self.id.clone()),
            ("source.author.id".to_owned(), self.source.author.id.clone()),
        ];
        terms.extend(
            self.contacts
                .iter()
                .map(|id| ("contact_ids".to_owned(), id.clone())),
        );
        terms
    }
}
