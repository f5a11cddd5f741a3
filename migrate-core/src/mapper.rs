//! [`Mapper`]: what a record becomes. Pure: no I/O, no clock, no look-ups.

use std::fmt;

use std::sync::Arc;

use crate::fate::Reason;
use crate::{Alias, Key, Record};

/// Turns a source record into drafts.
///
/// It may emit none, one or many, say that the record is to wait or to be left out, and note what
/// found no home. Closures are mappers, through [`map_fn`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not map `{In}`",
    note = "implement `migrate_core::Mapper` for it, or wrap a closure in `migrate_core::map_fn`"
)]
pub trait Mapper<In>: Send + Sync {
    /// The drafts it makes.
    type Out;

    /// Maps one record.
    fn map(&self, record: Record<In>, out: &mut Emit<Self::Out>);
}

impl<In, M: Mapper<In> + ?Sized> Mapper<In> for Arc<M> {
    type Out = M::Out;

    fn map(&self, record: Record<In>, out: &mut Emit<Self::Out>) {
        (**self).map(record, out);
    }
}

impl<In, M: Mapper<In> + ?Sized> Mapper<In> for Box<M> {
    type Out = M::Out;

    fn map(&self, record: Record<In>, out: &mut Emit<Self::Out>) {
        (**self).map(record, out);
    }
}

/// A mapper made of a closure.
///
/// ```
/// use migrate_core::{Emit, Key, Mapper, Record, map_fn};
///
/// let shout = map_fn(|record: Record<String>, out: &mut Emit<String>| {
///     out.push(record.body.to_uppercase());
/// });
/// let mut out = Emit::default();
/// shout.map(Record::new(Key::new("word", 1), "hello".to_owned()), &mut out);
/// assert_eq!(out.drafts(), [(None, "HELLO".to_owned())]);
/// ```
pub fn map_fn<In, Out, F>(map: F) -> MapFn<F, Out>
where
    F: Fn(Record<In>, &mut Emit<Out>) + Send + Sync,
{
    MapFn { map, out: std::marker::PhantomData }
}

/// See [`map_fn`].
pub struct MapFn<F, Out> {
    map: F,
    out: std::marker::PhantomData<fn() -> Out>,
}

impl<F, Out> std::fmt::Debug for MapFn<F, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapFn").finish_non_exhaustive()
    }
}

impl<In, Out, F> Mapper<In> for MapFn<F, Out>
where
    F: Fn(Record<In>, &mut Emit<Out>) + Send + Sync,
{
    type Out = Out;

    fn map(&self, record: Record<In>, out: &mut Emit<Out>) {
        (self.map)(record, out);
    }
}

/// What a mapper made of one record.
#[derive(Clone)]
pub struct Emit<D> {
    pub(crate) drafts: Vec<(Option<String>, D)>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) identities: Vec<Alias>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) same_as: Vec<Alias>,
    pub(crate) discoveries: Vec<Discovery>,
    pub(crate) notes: Vec<Note>,
}

/// Drafts are people's data, so they are counted and not shown.
impl<D> fmt::Debug for Emit<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit")
            .field("drafts", &self.drafts.len())
            .field("verdict", &self.verdict)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl<D> Default for Emit<D> {
    fn default() -> Self {
        Self {
            drafts: Vec::new(),
            verdict: None,
            identities: Vec::new(),
            aliases: Vec::new(),
            same_as: Vec::new(),
            discoveries: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl<D> Emit<D> {
    /// The write that brings the record's own object about. It comes before its parts.
    pub fn push(&mut self, draft: D) {
        self.drafts.push((None, draft));
    }

    /// A further write that belongs to the record, under the key `<record>/<name>`. Parts are
    /// written in the order they are pushed, each after the one before it succeeded.
    pub fn part(&mut self, name: impl Into<String>, draft: D) {
        self.drafts.push((Some(name.into()), draft));
    }

    /// Lets the whole record wait in the queue named by the reason's code.
    pub fn queue(&mut self, reason: Reason) {
        self.verdict = Some(Verdict::Queued(reason));
    }

    /// Leaves the record out, by the rule named by the reason's code.
    pub fn skip(&mut self, reason: Reason) {
        self.verdict = Some(Verdict::Skipped(reason));
    }

    /// Says that the record is documented and, by design, not migrated.
    pub fn inventory(&mut self, reason: Reason) {
        self.verdict = Some(Verdict::Inventoried(reason));
    }

    /// Refuses the record for good.
    pub fn refuse(&mut self, reason: Reason) {
        self.verdict = Some(Verdict::Dead(reason));
    }

    /// A name by which records are recognised as one object, such as an e-mail address: records
    /// that share one are brought together by the stage's [`Grouping`](crate::Grouping).
    pub fn identity(&mut self, identity: Alias) {
        self.identities.push(identity);
    }

    /// Another name under which other records may refer to this one.
    pub fn alias(&mut self, alias: Alias) {
        self.aliases.push(alias);
    }

    /// A name under which another record of this stage may be this very one, met by another way:
    /// if one is known by it, this record adds nothing and is `merged` into that. Where both ways
    /// name their records by [`alias`](Self::alias) and here by the same name, two records of one
    /// way that share it are one as well; where each way has a name of its own, they stay two.
    pub fn same_as(&mut self, alias: Alias) {
        self.same_as.push(alias);
    }

    /// Something met on the way that another stage's source should read, such as the id of a
    /// call. It is kept in the ledger's list of that name.
    pub fn discover(&mut self, list: impl Into<String>, item: impl Into<String>) {
        self.discoveries.push(Discovery { list: list.into(), item: item.into() });
    }

    /// A loss that is no error: a field without a home, a value that had to be left behind.
    pub fn note(&mut self, code: impl Into<String>, field: impl Into<String>) {
        self.notes.push(Note { code: code.into(), field: field.into() });
    }

    /// The drafts so far, each with its part's name.
    pub fn drafts(&self) -> &[(Option<String>, D)] {
        &self.drafts
    }

    /// What was decided about the record as a whole, if anything.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The names by which the record is one with others.
    pub fn identities(&self) -> &[Alias] {
        &self.identities
    }

    /// The other names of the record.
    pub fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// What another stage's source should read.
    pub fn discoveries(&self) -> &[Discovery] {
        &self.discoveries
    }

    /// What was left behind.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Takes over all that was made of a record elsewhere.
    pub(crate) fn take(&mut self, other: Self) {
        self.drafts.extend(other.drafts);
        self.verdict = other.verdict.or(self.verdict.take());
        self.identities.extend(other.identities);
        self.aliases.extend(other.aliases);
        self.same_as.extend(other.same_as);
        self.discoveries.extend(other.discoveries);
        self.notes.extend(other.notes);
    }

    /// Changes every draft, keeping all else.
    pub fn map_drafts<E>(self, mut change: impl FnMut(D) -> E) -> Emit<E> {
        Emit {
            drafts: self.drafts.into_iter().map(|(part, draft)| (part, change(draft))).collect(),
            verdict: self.verdict,
            identities: self.identities,
            aliases: self.aliases,
            same_as: self.same_as,
            discoveries: self.discoveries,
            notes: self.notes,
        }
    }
}

/// What a mapper decided about a record as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It waits in a queue.
    Queued(Reason),
    /// It is left out.
    Skipped(Reason),
    /// It is documented only.
    Inventoried(Reason),
    /// It is refused.
    Dead(Reason),
}

/// Something that another stage's source should read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Discovery {
    /// The list it stands in.
    pub list: String,
    /// The item.
    pub item: String,
}

/// A loss that is no error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// What happened, as a short stable word such as `invalid_email`.
    pub code: String,
    /// The field it happened to.
    pub field: String,
}

/// Makes the key of a draft from its record's key and its part's name.
pub(crate) fn part_key(root: &Key, part: Option<&str>) -> Key {
    part.map_or_else(|| root.clone(), |name| root.part(name))
}
