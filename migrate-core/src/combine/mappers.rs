//! Mappers made of others.

use std::fmt;
use std::sync::Arc;

use crate::Record;
use crate::fate::Reason;
use crate::mapper::{Emit, Mapper, part_key};

/// What every mapper can do besides mapping.
pub trait MapperExt<In>: Mapper<In> + Sized {
    /// Hands every draft on to a second mapper, as a record under the draft's own key. What both
    /// say besides – notes, names, identities, discoveries – is kept. A verdict of the first is
    /// final; one of the second is about the whole record.
    ///
    /// ```
    /// use migrate_core::{Emit, Key, Mapper, MapperExt, Record, map_fn};
    ///
    /// let words = map_fn(|line: Record<String>, out: &mut Emit<String>| out.push(line.body));
    /// let shout = map_fn(|word: Record<String>, out: &mut Emit<String>| {
    ///     out.note("shouted", "text");
    ///     out.push(word.body.to_uppercase());
    /// });
    /// let mut out = Emit::default();
    /// words.then(shout).map(Record::new(Key::new("line", 1), "hello".to_owned()), &mut out);
    /// assert_eq!(out.drafts(), [(None, "HELLO".to_owned())]);
    /// assert_eq!(out.notes().len(), 1);
    /// ```
    fn then<M>(self, second: M) -> Then<Self, M>
    where
        M: Mapper<Self::Out>,
    {
        Then { first: self, second }
    }

    /// Maps only records that pass; the others are skipped by the rule of this name, and counted.
    ///
    /// ```
    /// use migrate_core::{Emit, Key, Mapper, MapperExt, Record, Verdict, map_fn};
    ///
    /// let words = map_fn(|word: Record<String>, out: &mut Emit<String>| out.push(word.body));
    /// let long = words.filter("too_short", |word: &Record<String>| word.body.len() > 3);
    /// let mut out = Emit::default();
    /// long.map(Record::new(Key::new("word", 1), "no".to_owned()), &mut out);
    /// assert!(matches!(out.verdict(), Some(Verdict::Skipped(reason)) if reason.code == "too_short"));
    /// ```
    fn filter<P>(self, rule: impl Into<String>, keep: P) -> Filtered<Self, P>
    where
        P: Fn(&Record<In>) -> bool + Send + Sync,
    {
        Filtered { inner: self, rule: rule.into(), keep }
    }

    /// Shows a closure what was made of each record.
    fn inspect<L>(self, look: L) -> InspectedMapper<Self, L>
    where
        L: Fn(&Emit<Self::Out>) + Send + Sync,
    {
        InspectedMapper { inner: self, look }
    }

    /// Changes every draft, keeping all else, as when two mappers have to make one kind of draft.
    fn map_drafts<C, Out>(self, change: C) -> MappedDrafts<Self, C>
    where
        C: Fn(Self::Out) -> Out + Send + Sync,
    {
        MappedDrafts { inner: self, change }
    }

    /// The same mapper behind a pointer, so that different ones have one type.
    fn boxed(self) -> Arc<dyn Mapper<In, Out = Self::Out>>
    where
        Self: 'static,
    {
        Arc::new(self)
    }
}

impl<In, M: Mapper<In>> MapperExt<In> for M {}

/// See [`MapperExt::then`].
#[derive(Clone, Debug)]
pub struct Then<A, B> {
    first: A,
    second: B,
}

#[deny(clippy::missing_trait_methods)]
impl<In, A, B> Mapper<In> for Then<A, B>
where
    A: Mapper<In>,
    B: Mapper<A::Out>,
{
    type Out = B::Out;

    fn map(&self, record: Record<In>, out: &mut Emit<B::Out>) {
        let (key, lane) = (record.key.clone(), record.lane.clone());
        let mut first = Emit::default();
        self.first.map(record, &mut first);
        let Emit { drafts, verdict, identities, aliases, same_as, discoveries, notes } = first;
        out.identities.extend(identities);
        out.aliases.extend(aliases);
        out.same_as.extend(same_as);
        out.discoveries.extend(discoveries);
        out.notes.extend(notes);
        if verdict.is_some() {
            out.verdict = verdict;
            return;
        }
        for (part, draft) in drafts {
            let key = part_key(&key, part.as_deref());
            // Each draft is a record of its own to the second mapper, which must not see, and
            // decide by, what it made of the one before.
            let mut second = Emit::default();
            self.second.map(Record { key, lane: lane.clone(), body: draft }, &mut second);
            if let Some(part) = &part {
                for (name, _) in &mut second.drafts {
                    *name = Some(match name.take() {
                        Some(name) => format!("{part}.{name}"),
                        None => part.clone(),
                    });
                }
            }
            out.take(second);
            if out.verdict.is_some() {
                return;
            }
        }
    }
}

/// See [`MapperExt::filter`].
#[derive(Clone)]
pub struct Filtered<M, P> {
    inner: M,
    rule: String,
    keep: P,
}

impl<M, P> fmt::Debug for Filtered<M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filtered").field("rule", &self.rule).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<In, M, P> Mapper<In> for Filtered<M, P>
where
    M: Mapper<In>,
    P: Fn(&Record<In>) -> bool + Send + Sync,
{
    type Out = M::Out;

    fn map(&self, record: Record<In>, out: &mut Emit<M::Out>) {
        if (self.keep)(&record) {
            return self.inner.map(record, out);
        }
        let message = format!("left out by the rule `{}`", self.rule);
        out.skip(Reason::new(self.rule.clone(), message));
    }
}

/// See [`MapperExt::inspect`].
#[derive(Clone)]
pub struct InspectedMapper<M, L> {
    inner: M,
    look: L,
}

impl<M, L> fmt::Debug for InspectedMapper<M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectedMapper").finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<In, M, L> Mapper<In> for InspectedMapper<M, L>
where
    M: Mapper<In>,
    L: Fn(&Emit<M::Out>) + Send + Sync,
{
    type Out = M::Out;

    fn map(&self, record: Record<In>, out: &mut Emit<M::Out>) {
        self.inner.map(record, out);
        (self.look)(out);
    }
}

/// See [`MapperExt::map_drafts`].
#[derive(Clone)]
pub struct MappedDrafts<M, C> {
    inner: M,
    change: C,
}

impl<M, C> fmt::Debug for MappedDrafts<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedDrafts").finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<In, M, C, Out> Mapper<In> for MappedDrafts<M, C>
where
    M: Mapper<In>,
    C: Fn(M::Out) -> Out + Send + Sync,
{
    type Out = Out;

    fn map(&self, record: Record<In>, out: &mut Emit<Out>) {
        let mut made = Emit::default();
        self.inner.map(record, &mut made);
        out.take(made.map_drafts(&self.change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alias, Key, Verdict, map_fn};

    fn lines() -> impl Mapper<String, Out = String> {
        map_fn(|record: Record<String>, out: &mut Emit<String>| {
            out.alias(Alias::new("first", &record.body));
            out.note("split", "text");
            out.discover("words", record.body.clone());
            for (n, word) in record.body.split(' ').enumerate() {
                if n == 0 {
                    out.push(word.to_owned())
                } else {
                    out.part(n.to_string(), word.to_owned())
                }
            }
        })
    }

    fn map<M: Mapper<String>>(mapper: M, text: &str) -> Emit<M::Out> {
        let mut out = Emit::default();
        mapper.map(Record::new(Key::new("line", 1), text.to_owned()), &mut out);
        out
    }

    #[test]
    fn the_second_mapper_gets_each_draft_under_its_key_and_all_that_was_said_is_kept() {
        let second = map_fn(|record: Record<String>, out: &mut Emit<(Key, String)>| {
            out.identity(Alias::new("second", &record.body));
            out.push((record.key.clone(), record.body.clone()));
            out.part("again", (record.key, record.body));
        });
        let out = map(lines().then(second), "a b");
        let names: Vec<_> = out.drafts().iter().map(|(part, _)| part.as_deref()).collect();
        assert_eq!(names, [None, Some("again"), Some("1"), Some("1.again")]);
        assert_eq!(out.drafts()[2].1.0, Key::new("line", 1).part("1"));
        assert_eq!((out.aliases.len(), out.identities.len()), (1, 2));
        assert_eq!((out.discoveries.len(), out.notes().len()), (1, 1));
    }

    #[test]
    fn a_verdict_of_either_is_about_the_whole_record() {
        let refuse =
            map_fn(|record: Record<String>, out: &mut Emit<String>| match record.body.as_str() {
                "bad" => out.refuse(Reason::new("bad", "a bad word")),
                _ => out.push(record.body),
            });
        let out = map(lines().then(refuse), "good bad worse");
        assert!(matches!(out.verdict(), Some(Verdict::Dead(_))));
        let never = map_fn(|_: Record<String>, _: &mut Emit<String>| panic!("not reached"));
        let short = lines().filter("short", |record: &Record<String>| record.body.len() > 9);
        let out = map(short.then(never), "good bad");
        assert!(matches!(out.verdict(), Some(Verdict::Skipped(reason)) if reason.code == "short"));
    }

    #[test]
    fn the_second_mapper_sees_nothing_of_the_drafts_before() {
        let seen = std::sync::Mutex::new(Vec::new());
        let words = map_fn(|word: Record<String>, out: &mut Emit<String>| out.push(word.body));
        let look = |out: &Emit<String>| seen.lock().unwrap().push(out.drafts().len());
        assert_eq!(map(lines().then(words.inspect(look)), "a b c").drafts().len(), 3);
        assert_eq!(*seen.lock().unwrap(), [1, 1, 1]);
    }

    #[test]
    fn drafts_are_changed_and_all_else_is_kept() {
        let out = map(lines().map_drafts(|word: String| word.len()), "one three");
        assert_eq!(out.drafts(), [(None, 3), (Some("1".to_owned()), 5)]);
        assert_eq!((out.aliases.len(), out.notes().len(), out.discoveries.len()), (1, 1, 1));
    }

    #[test]
    fn inspecting_changes_nothing() {
        let seen = std::sync::Mutex::new(0);
        let look = |out: &Emit<String>| *seen.lock().unwrap() += out.drafts().len();
        assert_eq!(map(lines().inspect(look), "a b c").drafts().len(), 3);
        assert_eq!(*seen.lock().unwrap(), 3);
        let dynamic = lines().boxed();
        assert_eq!(map(dynamic, "a b").drafts().len(), 2);
    }
}
