//! What every [`Mapper`] must do, as a test that the author of any mapper can run.

use std::collections::BTreeSet;

use crate::draft::{Draft, Name, fingerprint};
use crate::mapper::{Emit, Mapper, part_key};
use crate::{Key, Record};

/// Maps each record twice: a mapper is pure, and what it makes must be fit for the ledger, where
/// drafts wait as JSON and are known again by their fingerprint.
///
/// ```
/// # use migrate_core::testkit::{Piece, Uniqueness, mapper};
/// # use migrate_core::{Emit, Key, Record, map_fn};
/// let people = map_fn(|record: Record<&str>, out: &mut Emit<Piece>| {
///     out.push(Piece::object(Uniqueness::ById, record.body));
///     out.part("mark", Piece::Mark("imported".into()));
/// });
/// mapper::check(&people, [Record::new(Key::new("person", 1), "Anna")]);
/// ```
///
/// # Panics
///
/// When a record is not mapped alike twice; when a draft does not survive as JSON, or its
/// fingerprint does not; when two writes of a record have one name; when a record refers to
/// itself.
pub fn check<In, D>(
    mapper: &(impl Mapper<In, Out = D> + ?Sized),
    records: impl IntoIterator<Item = Record<In>>,
) where
    In: Clone,
    D: Draft,
{
    for record in records {
        let key = record.key.clone();
        let map = |record| {
            let mut out = Emit::default();
            mapper.map(record, &mut out);
            out
        };
        let (once, again) = (map(record.clone()), map(record));
        let prints = |out: &Emit<D>| -> Vec<_> {
            let print = |draft: &D| fingerprint(draft).ok();
            out.drafts.iter().map(|(part, draft)| (part.clone(), print(draft))).collect()
        };
        assert_eq!(prints(&once), prints(&again), "{key} is not mapped alike twice");
        assert_eq!(once.verdict, again.verdict, "{key} is not judged alike twice");
        assert_eq!(once.identities, again.identities, "{key} has other identities each time");
        assert_eq!(once.aliases, again.aliases, "{key} has other names each time");
        assert_eq!(once.notes, again.notes, "{key} has other notes each time");

        let mut names = BTreeSet::new();
        for (part, draft) in &once.drafts {
            let write = part_key(&key, part.as_deref());
            assert!(names.insert(write.clone()), "two writes are named {write}");
            assert_eq!(write.root(), key, "{write} is no part of {key}");
            survives(&write, draft);
            let referred = draft.references().into_iter().flat_map(|reference| reference.names);
            for name in referred {
                assert!(name != Name::Key(key.clone()), "{write} waits for its own record");
            }
        }
    }
}

fn survives<D: Draft>(write: &Key, draft: &D) {
    let stored = serde_json::to_value(draft).ok();
    let read: Option<D> = stored.and_then(|stored| serde_json::from_value(stored).ok());
    let read = read.and_then(|read| fingerprint(&read).ok());
    assert!(read.is_some(), "{write} cannot be kept as JSON and read back");
    assert_eq!(read, fingerprint(draft).ok(), "{write} is another draft when it is read back");
}
