//! What is to be taken back of a record, and what comes next about one write. Pure.

use chrono::{DateTime, Utc};

use crate::Key;
use crate::engine::{Judgement, Look};
use crate::fate::{Fate, Reason};
use crate::ledger::{Entry, How, Parking, PartState, Written};
use crate::run::Patience;
use crate::sink::{Failure, FailureKind, Found, TargetId};

use super::{OwnWrite, Remains, Stands, TakenBack};

/// What is to be taken back of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Approach {
    /// Nothing: nothing was written, or nothing was changed by it.
    Nothing,
    /// Its object, which this migration created, with everything in it.
    Whole(Written),
    /// Its writes one by one, in this order: its object was there before.
    Steps(Vec<(Key, Written)>),
    /// Nothing yet: of these writes nobody knows whether they took effect.
    Doubt(Vec<Key>),
    /// What is found of it: the ledger holds no write of it, and one may have been sent.
    Lost,
}

/// What is to be taken back of a record, by its entry with all its parts, and by what it waits for.
pub(super) fn approach(entry: &Entry, parked: Option<Parking>) -> Approach {
    let root = entry.written(&entry.key);
    // Whatever is in doubt of it goes with the object.
    if let Some(root) = root.filter(|root| root.how == How::Created) {
        return Approach::Whole(root.clone());
    }
    let in_doubt = |state: &PartState| matches!(state, PartState::Intended { .. });
    let doubt: Vec<Key> = entry
        .parts
        .iter()
        .filter(|part| in_doubt(&part.state))
        .map(|part| part.key.clone())
        .collect();
    if !doubt.is_empty() {
        return Approach::Doubt(doubt);
    }
    match is_under_way(entry, parked) {
        true if entry.parts.is_empty() => return Approach::Lost,
        true => return Approach::Doubt(vec![entry.key.clone()]),
        false => {}
    }
    let changed = entry.parts.iter().rev().filter_map(|part| {
        let written = part.state.written().filter(|written| written.how != How::Unchanged)?;
        Some((part.key.clone(), written.clone()))
    });
    // The parts first, the last of them before the others, then the object they hang on.
    let (root, mut steps): (Vec<_>, Vec<_>) = changed.partition(|(key, _)| *key == entry.key);
    steps.extend(root);
    if steps.is_empty() { Approach::Nothing } else { Approach::Steps(steps) }
}

/// May a write of the record have been sent of which the ledger holds nothing? What may be
/// repeated is sent without an intent. A member of a group is written while it is parked as one:
/// of what was written before, an image says what has changed.
fn is_under_way(entry: &Entry, parked: Option<Parking>) -> bool {
    let gave_up = entry.reason.as_ref().is_some_and(|reason| reason.code == "gave_up");
    match entry.fate {
        Fate::Dead => gave_up,
        fate if fate.is_final() => false,
        _ if parked == Some(Parking::Group) => entry.parts.is_empty(),
        _ => !matches!(parked, Some(Parking::Parent | Parking::Lane)),
    }
}

/// What became of a record of which the ledger holds no write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Traced {
    /// It has this object, which this migration has created.
    Made(TargetId),
    /// It has none.
    Nothing,
    /// Nobody can tell.
    Doubt,
    /// It is to be looked for again, not before this.
    Again(DateTime<Utc>),
    /// The destination does not let the rollback go on.
    Stop(Failure),
}

/// What an answer means to a look for a record of which the ledger holds no write. It is judged as
/// the engine judges one about a write in doubt.
pub(super) fn traced(
    look: &mut Look,
    found: Result<Found, Failure>,
    now: DateTime<Utc>,
    patience: &Patience,
) -> Traced {
    if found == Ok(Found::CannotTell) {
        return Traced::Doubt;
    }
    match look.judge(found, now, patience) {
        Judgement::There { target, how: How::Created, twins, .. } if twins.is_empty() => {
            Traced::Made(target)
        }
        Judgement::There { .. } | Judgement::Never(_) => Traced::Doubt,
        Judgement::NotThere => Traced::Nothing,
        Judgement::Later { not_before, .. } => {
            look.looks += 1;
            match look.looks >= patience.max_looks {
                true => Traced::Doubt,
                false => Traced::Again(not_before),
            }
        }
        Judgement::Stop(failure) => Traced::Stop(failure),
    }
}

/// How taking back one write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was taken back; in a dry run, it would be.
    TakenBack,
    /// It was put out of use; more cannot be done.
    Archived(Remains),
    /// It was not there any more, or was as before.
    AlreadyGone,
    /// It is left as it is.
    Left(Reason, Vec<String>),
    /// It cannot be taken back.
    Impossible(Remains),
}

impl End {
    /// Is nothing of it left to be taken back?
    pub(super) fn is_undone(&self) -> bool {
        matches!(self, Self::TakenBack | Self::Archived(_) | Self::AlreadyGone)
    }

    /// What this means where the write is a record's own.
    pub(super) fn own(&self) -> OwnWrite {
        match self {
            Self::Left(..) => OwnWrite::Left,
            _ => OwnWrite::TakenBack,
        }
    }
}

/// What was heard about a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// How it stands.
    Stands(Stands),
    /// What became of taking it back.
    TakenBack(TakenBack),
    /// One of the two failed.
    Failed(Failure),
}

/// What to do next about a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Look how it stands, not before this.
    Look(DateTime<Utc>),
    /// Take it back.
    TakeBack,
    /// It is done with.
    End(End),
    /// The destination does not let the rollback go on.
    Stop(Failure),
}

/// Taking back one write: look, take back, look whether it is taken back. It ends after so many
/// looks and tries in vain as the run is patient.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    dry: bool,
    /// Was it asked to be taken back?
    asked: bool,
    /// Did the destination say that it did so, and nobody has looked since?
    unseen: bool,
    in_vain: u32,
}

impl Attempt {
    /// An attempt; a dry one only looks.
    pub(super) fn new(dry: bool) -> Self {
        Self { dry, ..Self::default() }
    }

    /// What to do next, having heard this at this time.
    pub(super) fn next(&mut self, heard: Heard, now: DateTime<Utc>, patience: &Patience) -> Act {
        match heard {
            Heard::Stands(stands) => self.seen(stands, now, patience),
            Heard::TakenBack(TakenBack::Impossible(remains)) => Act::End(End::Impossible(remains)),
            Heard::TakenBack(TakenBack::Done) => {
                self.unseen = true;
                Act::Look(now)
            }
            Heard::Failed(failure) => match failure.kind {
                FailureKind::Gone | FailureKind::Stop => Act::Stop(failure),
                // Taking back may be repeated, so doubt needs no more than another look.
                FailureKind::NotDone | FailureKind::InDoubt => {
                    let reason = Reason::new("gave_up", failure.message)
                        .remedy("operator", "see whether the destination is well, then undo again");
                    self.again(now, patience, reason)
                }
            },
        }
    }

    fn seen(&mut self, stands: Stands, now: DateTime<Utc>, patience: &Patience) -> Act {
        let unseen = std::mem::take(&mut self.unseen);
        Act::End(match stands {
            Stands::AsLeft if self.dry => End::TakenBack,
            Stands::Archivable(remains) if self.dry => End::Archived(remains),
            Stands::AsLeft | Stands::Archivable(_) if unseen => {
                let message = "the destination says that it was taken back, and shows it still";
                let reason =
                    Reason::new("not_confirmed", message).remedy("operator", "undo again later");
                return self.again(now, patience, reason);
            }
            Stands::AsLeft | Stands::Archivable(_) => {
                self.asked = true;
                return Act::TakeBack;
            }
            Stands::Gone | Stands::AsBefore if self.asked => End::TakenBack,
            Stands::Gone | Stands::AsBefore => End::AlreadyGone,
            Stands::Archived(remains) => End::Archived(remains),
            Stands::Permanent(remains) => End::Impossible(remains),
            Stands::Changed(reason, fields) => End::Left(reason, fields),
            Stands::Added(reason) => End::Left(reason, Vec::new()),
        })
    }

    /// Another look later, unless there have been enough.
    fn again(&mut self, now: DateTime<Utc>, patience: &Patience, reason: Reason) -> Act {
        self.in_vain += 1;
        if self.in_vain >= patience.max_looks {
            return Act::End(End::Left(reason, Vec::new()));
        }
        Act::Look(patience.next_look(now, self.in_vain))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::ledger::Part;
    use crate::sink::TargetId;
    use crate::{Fingerprint, Key};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn written_as(how: How) -> Written {
        Written {
            target: TargetId::new("x"),
            fingerprint: Fingerprint::of(b"draft"),
            how,
            state: None,
            at: at(1),
        }
    }

    /// An entry of a record with parts: `c`reated, `u`pdated, `=` unchanged, `?` in doubt, `C`
    /// and `U` in doubt after it was created or updated. The first is the record's own.
    fn entry(parts: &[(&str, char)]) -> Entry {
        let root = Key::new("person", 1);
        let mut entry = Entry::pending(root.clone(), "people");
        entry.fate = Fate::Created;
        for (name, state) in parts {
            let key = if name.is_empty() { root.clone() } else { root.part(name) };
            let known = match state {
                'c' | 'C' => Some(written_as(How::Created)),
                'u' | 'U' => Some(written_as(How::Updated)),
                '=' => Some(written_as(How::Unchanged)),
                _ => None,
            };
            let state = match (known, state) {
                (Some(written), 'c' | 'u' | '=') => PartState::Done(written),
                (known, _) => PartState::Intended { at: at(1), known, draft: None },
            };
            entry.parts.push(Part { key, state });
        }
        entry
    }

    #[test]
    fn what_is_taken_back_of_a_record() {
        let says = |parts: &[(&str, char)]| match approach(&entry(parts), None) {
            Approach::Nothing => "nothing".to_owned(),
            Approach::Whole(_) => "whole".to_owned(),
            Approach::Steps(steps) => {
                let names = steps.iter().map(|(key, _)| key.part_name().unwrap_or("."));
                names.collect::<Vec<_>>().join(" ")
            }
            Approach::Doubt(keys) => format!("doubt about {}", keys.len()),
            Approach::Lost => "lost".to_owned(),
        };
        let table: &[(&[(&str, char)], &str)] = &[
            (&[], "nothing"),
            (&[("", '=')], "nothing"),
            (&[("", '='), ("tag", '=')], "nothing"),
            (&[("", 'c'), ("note", 'c'), ("tag", 'u')], "whole"),
            (&[("speaker", '='), ("", 'c')], "whole"),
            // What the removed object covers is no longer in doubt.
            (&[("", 'c'), ("note", '?')], "whole"),
            (&[("", 'C'), ("note", 'c')], "whole"),
            (&[("", 'u')], "."),
            (&[("", 'u'), ("a", 'c'), ("b", 'c')], "b a ."),
            (&[("", '='), ("a", 'c'), ("b", '=')], "a"),
            (&[("a", 'c'), ("b", 'u')], "b a"),
            (&[("", '?')], "doubt about 1"),
            (&[("", 'U'), ("a", 'c')], "doubt about 1"),
            (&[("", 'u'), ("a", '?'), ("b", '?')], "doubt about 2"),
            (&[("", '='), ("a", '?')], "doubt about 1"),
        ];
        for (parts, expected) in table {
            assert_eq!(says(parts), *expected, "{parts:?}");
        }
    }

    #[test]
    fn what_was_under_way_may_have_been_written() {
        let gave_up = Some(Reason::new("gave_up", "no answer"));
        let refused = Some(Reason::new("refused", "no"));
        let table = [
            (Fate::Pending, None, None, true),
            (Fate::Pending, Some(Parking::Retry), None, true),
            (Fate::InDoubt, Some(Parking::Doubt), None, true),
            (Fate::Pending, Some(Parking::Parent), None, false),
            (Fate::Pending, Some(Parking::Group), None, true),
            (Fate::Pending, Some(Parking::Lane), None, false),
            (Fate::Dead, None, gave_up, true),
            (Fate::Dead, None, refused, false),
            (Fate::Queued, None, None, false),
            (Fate::Updated, None, None, false),
        ];
        for (fate, parked, reason, expected) in table {
            for parts in [&[][..], &[("", 'u')][..], &[("", 'c')][..]] {
                let mut entry = entry(parts);
                (entry.fate, entry.reason) = (fate, reason.clone());
                let approach = approach(&entry, parked);
                // Of what is known as written, an image says more than that it waits with others.
                let covered = parts == [("", 'c')] || parked == Some(Parking::Group);
                let in_doubt = matches!(approach, Approach::Doubt(_));
                let known = !parts.is_empty();
                assert_eq!(
                    in_doubt,
                    known && expected && !covered,
                    "{fate:?} {parked:?} {parts:?}"
                );
                let lost = approach == Approach::Lost;
                assert_eq!(lost, !known && expected, "{fate:?} {parked:?} {parts:?}");
            }
        }
    }

    #[test]
    fn what_is_found_of_a_record_that_was_under_way() {
        use crate::sink::Evidence;

        let patience = Patience::default();
        let settled = i64::try_from(patience.settle_after.as_secs()).unwrap();
        let one = || TargetId::new("x");
        let gone = Failure::new(FailureKind::Gone, "no");
        let table = [
            (Ok(Found::Yes(one())), 0, Traced::Made(one())),
            (Ok(Found::Twins(vec![one(), one()])), 0, Traced::Doubt),
            (Ok(Found::Updated(one())), 0, Traced::Doubt),
            (Ok(Found::CannotTell), settled, Traced::Doubt),
            (Ok(Found::No(Evidence::Read)), settled - 1, Traced::Again(at(settled))),
            (Ok(Found::No(Evidence::Read)), settled, Traced::Nothing),
            (Err(gone.clone()), settled, Traced::Stop(gone)),
        ];
        for (found, second, expected) in table {
            let mut look = Look { since: at(0), asked_at: at(second), looks: 0, gone: false };
            let name = format!("{found:?} at {second}");
            assert_eq!(traced(&mut look, found, at(second), &patience), expected, "{name}");
        }
        // What cannot be looked at is in doubt, after a time.
        let mut look = Look { since: at(0), asked_at: at(0), looks: 0, gone: false };
        let failed = || Err(Failure::new(FailureKind::NotDone, "no"));
        let mut course =
            (0..patience.max_looks).map(|_| traced(&mut look, failed(), at(0), &patience));
        assert!(matches!(course.next(), Some(Traced::Again(_))));
        assert_eq!(course.last(), Some(Traced::Doubt));
    }

    fn reason() -> Reason {
        Reason::new("attribute", "it can be archived only")
    }

    fn remains() -> Remains {
        Remains::new("ld_batch", reason())
    }

    /// What an attempt does on hearing these one after the other, a minute apart.
    fn course(dry: bool, heard: Vec<Heard>) -> Vec<Act> {
        let (mut attempt, patience) = (Attempt::new(dry), Patience::default());
        let heard = heard.into_iter().zip(0..);
        heard.map(|(heard, n)| attempt.next(heard, at(60 * n), &patience)).collect()
    }

    fn failed(kind: FailureKind) -> Heard {
        Heard::Failed(Failure::new(kind, "no"))
    }

    #[test]
    fn a_write_is_taken_back_when_it_is_seen_to_be() {
        use Stands::{AsBefore, AsLeft, Gone};
        let stands = Heard::Stands;
        let done = || Heard::TakenBack(TakenBack::Done);
        for end in [Gone, AsBefore] {
            assert_eq!(
                course(false, vec![stands(AsLeft), done(), stands(end.clone())]),
                [Act::TakeBack, Act::Look(at(60)), Act::End(End::TakenBack)]
            );
            assert_eq!(course(false, vec![stands(end)]), [Act::End(End::AlreadyGone)]);
        }
        // A lost reply, which took effect; and one that did not.
        let lost = || failed(FailureKind::InDoubt);
        assert_eq!(
            course(false, vec![stands(AsLeft), lost(), stands(Gone)]),
            [Act::TakeBack, Act::Look(at(62)), Act::End(End::TakenBack)]
        );
        assert_eq!(
            course(false, vec![stands(AsLeft), lost(), stands(AsLeft), done(), stands(Gone)])[2..],
            [Act::TakeBack, Act::Look(at(180)), Act::End(End::TakenBack)]
        );
        // A destination that lags is looked at again before it is asked again.
        assert_eq!(
            course(false, vec![stands(AsLeft), done(), stands(AsLeft), stands(AsLeft)])[2..],
            [Act::Look(at(122)), Act::TakeBack]
        );
    }

    #[test]
    fn what_somebody_has_touched_is_left_whenever_that_shows() {
        let done = || Heard::TakenBack(TakenBack::Done);
        for (touched, fields) in
            [(Stands::changed(["name"]), vec!["name".to_owned()]), (Stands::added("parts"), vec![])]
        {
            let heard = vec![Heard::Stands(touched.clone())];
            let Act::End(End::Left(_, named)) = &course(false, heard)[0] else { panic!() };
            assert_eq!(*named, fields);
            let heard = vec![Heard::Stands(Stands::AsLeft), done(), Heard::Stands(touched)];
            assert!(matches!(course(false, heard)[2], Act::End(End::Left(..))));
        }
    }

    #[test]
    fn what_cannot_be_taken_back_is_named() {
        let stands = Heard::Stands;
        let (archivable, archived) = (Stands::Archivable(remains()), Stands::Archived(remains()));
        let done = Heard::TakenBack(TakenBack::Done);
        let end = Act::End(End::Archived(remains()));
        assert_eq!(
            course(false, vec![stands(archivable.clone()), done, stands(archived.clone())]),
            [Act::TakeBack, Act::Look(at(60)), end.clone()]
        );
        assert_eq!(course(false, vec![stands(archived)])[0], end);
        assert_eq!(course(true, vec![stands(archivable)]), [end]);
        let impossible = Act::End(End::Impossible(remains()));
        assert_eq!(course(false, vec![stands(Stands::Permanent(remains()))])[0], impossible);
        let refused = Heard::TakenBack(TakenBack::Impossible(remains()));
        assert_eq!(course(false, vec![stands(Stands::AsLeft), refused])[1], impossible);
    }

    #[test]
    fn a_dry_attempt_only_looks() {
        assert_eq!(course(true, vec![Heard::Stands(Stands::AsLeft)]), [Act::End(End::TakenBack)]);
        assert_eq!(course(true, vec![Heard::Stands(Stands::Gone)]), [Act::End(End::AlreadyGone)]);
    }

    #[test]
    fn tries_are_bounded_and_a_destination_that_is_gone_ends_them() {
        for kind in [FailureKind::NotDone, FailureKind::InDoubt] {
            let acts = course(false, vec![failed(kind); 8]);
            assert!(acts[..7].iter().all(|act| matches!(act, Act::Look(_))));
            let Act::End(End::Left(reason, _)) = &acts[7] else { panic!("{:?}", acts[7]) };
            assert_eq!(reason.code, "gave_up");
        }
        let mut heard = vec![Heard::Stands(Stands::AsLeft)];
        for _ in 0..8 {
            let done = Heard::TakenBack(TakenBack::Done);
            heard.extend([done, Heard::Stands(Stands::AsLeft), Heard::Stands(Stands::AsLeft)]);
        }
        let acts = course(false, heard);
        let ended = acts.iter().find(|act| matches!(act, Act::End(_)));
        assert!(
            matches!(ended, Some(Act::End(End::Left(reason, _))) if reason.code == "not_confirmed")
        );
        for kind in [FailureKind::Gone, FailureKind::Stop] {
            assert!(matches!(course(false, vec![failed(kind)])[..], [Act::Stop(_)]));
        }
    }
}
