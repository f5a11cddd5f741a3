//! One record with all its writes, in order, and the decision which of them comes next.
//!
//! [`Unit::next`] is pure: it looks at what the ledger knows and says what to do. A
//! [`saga`](super::saga) goes from one to the next.

use chrono::{DateTime, Utc};

use crate::draft::{Draft, Repeat, fingerprint, is_lacking, knows_all, lacking};
use crate::fate::{Fate, Reason};
use crate::ledger::{Entry, Parked, Parking, Part, PartState, Written};
use crate::mapper::{Note, part_key};
use crate::sink::Resolved;
use crate::{Alias, Fingerprint, Key};

use super::RunError;

/// One record on its way, with all its writes.
#[derive(Clone, Debug)]
pub(super) struct Unit<D> {
    pub(super) root: Key,
    pub(super) lane: Option<String>,
    pub(super) steps: Vec<Step<D>>,
    /// Records that share its object.
    pub(super) merged: Vec<Key>,
    pub(super) notes: Vec<Note>,
    pub(super) aliases: Vec<Alias>,
    /// What it waited for before, if it was parked.
    pub(super) waited: Option<Waited>,
    /// Writes that were in doubt on the way, and were settled by looking.
    pub(super) doubted: Vec<Key>,
    /// What becomes of the record if none of its writes was made: the mapper lets it write nothing
    /// any more, and the unit only settles doubt.
    pub(super) verdict: Option<(Fate, Reason)>,
    /// How often a write that was in doubt turned out not to have been made.
    pub(super) tries: u32,
}

/// How long a unit has waited, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited {
    pub(super) why: Parking,
    pub(super) since: DateTime<Utc>,
    pub(super) looks: u32,
}

/// One write of a unit.
#[derive(Clone, Debug)]
pub(super) struct Step<D> {
    pub(super) key: Key,
    pub(super) draft: D,
    pub(super) fingerprint: Fingerprint,
}

/// What to do about the next step of a unit.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Write step `step`; `known` is what it became before. `correction` says that its correction
    /// is written instead, under that key.
    Write { step: usize, known: Option<Written>, correction: Option<Key> },
    /// This step was written without something that it refers to. If that is known now, it is
    /// completed: in place, or by something more under that key.
    Complete { step: usize, known: Written, more: Option<Key> },
    /// The correction or completion of this step is written already: it only has to be noted.
    Corrected { step: usize, known: Written },
    /// It is not known whether this write was made: look for it, unless it is too early.
    Doubt { key: Key, intended_at: DateTime<Utc> },
    /// Nothing is left to write.
    Nothing,
}

impl<D: Draft> Unit<D> {
    /// A unit of a record's drafts.
    pub(super) fn new(
        root: Key,
        lane: Option<String>,
        drafts: Vec<(Option<String>, D)>,
        aliases: Vec<Alias>,
        notes: Vec<Note>,
    ) -> Result<Self, RunError> {
        let mut steps = Vec::with_capacity(drafts.len());
        for (part, draft) in drafts {
            let key = part_key(&root, part.as_deref());
            if steps.iter().any(|step: &Step<D>| step.key == key) {
                return Err(RunError::Draft { key, message: WRITTEN_TWICE.to_owned() });
            }
            let fingerprint = fingerprint(&draft).map_err(|error| not_json(&key, &error))?;
            steps.push(Step { key, draft, fingerprint });
        }
        let (merged, doubted) = (Vec::new(), Vec::new());
        let (waited, verdict, tries) = (None, None, 0);
        Ok(Self { root, lane, steps, merged, notes, aliases, waited, doubted, verdict, tries })
    }

    /// The fingerprint of the whole record: of its writes and its other names.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut bytes = Vec::with_capacity(self.steps.len() * 32);
        for step in &self.steps {
            bytes.extend_from_slice(step.key.as_str().as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(step.fingerprint.as_bytes());
        }
        for alias in &self.aliases {
            bytes.extend_from_slice(alias.as_bytes());
        }
        Fingerprint::of(&bytes)
    }

    /// Is the record in the ledger just as it is here, with nothing left to do?
    ///
    /// What the destination refused counts too: trying it again, unchanged, would be a write call on
    /// unchanged data. What waits for somebody does not, nor what was given up: the fingerprint is
    /// then that of an earlier state, to which the record may have come back. Nor does what shares
    /// another's object or was left out: it may be to stand for itself now.
    pub(super) fn is_settled(&self, entry: &Entry) -> bool {
        if entry.fingerprint != Some(self.fingerprint()) {
            return false;
        }
        let code = entry.reason.as_ref().map_or("", |reason| reason.code.as_str());
        match entry.fate {
            Fate::Created | Fate::Updated | Fate::Unchanged => self.is_written(entry),
            Fate::Dead => !matches!(code, "gave_up" | "in_doubt_for_good"),
            _ => false,
        }
    }

    /// Is each write of the record done as it is here, and none in doubt? An update that a run was
    /// stopped in the middle of may have written a part of another state.
    fn is_written(&self, entry: &Entry) -> bool {
        let in_doubt = |part: &Part| matches!(part.state, PartState::Intended { .. });
        let is_done = |step: &Step<D>| {
            let state = entry.part(&step.key).map(|part| &part.state);
            matches!(state, Some(PartState::Done(it)) if it.fingerprint == step.fingerprint)
        };
        !entry.parts.iter().any(in_doubt) && self.steps.iter().all(is_done)
    }

    /// A write was in doubt, and a look has settled it.
    pub(super) fn doubted(&mut self, key: &Key) {
        if !self.doubted.contains(key) {
            self.doubted.push(key.clone());
        }
    }

    /// Something was left behind of the record, which is told once.
    pub(super) fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What to do next, given the ledger's entry. `wrote` says that this saga has written
    /// something, so that a close has to follow again.
    ///
    /// Doubt comes first, also about a write that the record, as it is now, would not make: it may
    /// have changed since.
    pub(super) fn next(&self, from: usize, entry: &Entry, wrote: bool) -> Next {
        for part in &entry.parts {
            if let PartState::Intended { at, .. } = part.state
                && self.intended(entry, &part.key).is_some()
            {
                return Next::Doubt { key: part.key.clone(), intended_at: at };
            }
        }
        for (index, step) in self.steps.iter().enumerate().skip(from) {
            let written = match entry.part(&step.key).map(|part| &part.state) {
                Some(PartState::Done(written)) => written,
                None | Some(PartState::Intended { .. }) => {
                    return Next::Write { step: index, known: None, correction: None };
                }
            };
            if written.fingerprint == step.fingerprint {
                let undone = step.draft.repeats_after_others()
                    && (wrote || later_than(entry, &step.key, written.at));
                if undone {
                    let known = Some(written.clone());
                    return Next::Write { step: index, known, correction: None };
                }
                continue;
            }
            let known = written.clone();
            let lacks = written.fingerprint == lacking(step.fingerprint);
            let completion = step.draft.completion().filter(|_| lacks);
            let adds = completion.as_ref().map_or_else(
                || step.draft.correction().is_some(),
                |completion| completion.repeat() == Repeat::Never,
            );
            let more = step.correction(entry).filter(|_| adds);
            return match (adds, more, completion) {
                (true, None, _) => Next::Corrected { step: index, known },
                (_, more, Some(_)) => Next::Complete { step: index, known, more },
                (true, correction, None) => Next::Write { step: index, known: None, correction },
                (false, ..) => Next::Write { step: index, known: Some(known), correction: None },
            };
        }
        Next::Nothing
    }

    /// What was about to be written under a key, and the fingerprint of the state it stands for:
    /// as the intent keeps it, else as the record has it now. `None` where neither is known.
    pub(super) fn intended(&self, entry: &Entry, key: &Key) -> Option<(D, Fingerprint)> {
        if let Some(PartState::Intended { draft: Some(draft), .. }) =
            entry.part(key).map(|part| &part.state)
            && let Ok(draft) = serde_json::from_value::<D>(draft.clone())
            && let Ok(fingerprint) = fingerprint(&draft)
        {
            return Some((draft, fingerprint));
        }
        let own = self.steps.iter().find(|step| step.key == *key);
        own.map(|step| (step.draft.clone(), step.fingerprint)).or_else(|| {
            let step = self.steps.iter().find(|step| step.is_corrected_by(key))?;
            Some((step.draft.correction()?, step.fingerprint))
        })
    }

    /// When the write of an intent was last being sent, as far as anybody knows.
    pub(super) fn doubt_since(
        &self,
        intended_at: DateTime<Utc>,
        run_begun: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        match self.waited {
            // The doubt that was parked, unless the intent is a later one, or the clock that told
            // the time was ahead: then it was parked before this run began.
            Some(Waited { why: Parking::Doubt, since, .. })
                if intended_at <= since && since <= now =>
            {
                since
            }
            // Its process is gone, and its clock was ahead.
            _ if intended_at > now => run_begun,
            // The process that sent it was gone before this run began.
            _ => run_begun.max(intended_at),
        }
    }

    /// How often it was looked at in vain, waiting for this.
    pub(super) fn looks(&self, why: Parking) -> u32 {
        self.waited.filter(|waited| waited.why == why).map_or(0, |waited| waited.looks)
    }
}

impl<D: Draft> Step<D> {
    /// The name of the write that corrects this one. It carries the fingerprint, so that each
    /// state of the record is corrected once.
    fn correction_name(&self) -> String {
        let hex: String =
            self.fingerprint.as_bytes()[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}+{hex}", self.key.part_name().unwrap_or_default())
    }

    /// Is this the key of a correction to the state that the record is in?
    fn is_corrected_by(&self, key: &Key) -> bool {
        let rest = key.part_name().and_then(|name| name.strip_prefix(&self.correction_name()));
        key.root() == self.key.root() && rest.is_some_and(|it| it.is_empty() || it.starts_with('.'))
    }

    /// The key of the correction that is to be written; `None` where the newest one stands for this
    /// state. A record may come back to a state that was corrected away: that takes another one.
    fn correction(&self, entry: &Entry) -> Option<Key> {
        let any = format!("{}+", self.key.part_name().unwrap_or_default());
        let corrects = |key: &Key| key.part_name().is_some_and(|name| name.starts_with(&any));
        let done = |part: &&Part| matches!(part.state, PartState::Done(_)) && corrects(&part.key);
        let newest = entry
            .parts
            .iter()
            .filter(done)
            .max_by_key(|part| part.state.written().map(|written| written.at));
        if newest.is_some_and(|part| self.is_corrected_by(&part.key)) {
            return None;
        }
        let before = entry.parts.iter().filter(|part| self.is_corrected_by(&part.key));
        let before = before.filter(|part| matches!(part.state, PartState::Done(_))).count();
        let name = self.correction_name();
        let name = if before == 0 { name } else { format!("{name}.{}", before + 1) };
        Some(self.key.root().part(name))
    }

    /// Was it written without something before, so that more follows when it is written again?
    pub(super) fn is_completed_after(&self, known: &Written) -> bool {
        let completion = self.draft.completion();
        is_lacking(known.fingerprint)
            && completion.is_some_and(|completion| completion.repeat() == Repeat::Never)
    }

    /// The fingerprint to note of what is written while these objects are known.
    pub(super) fn written_with(&self, resolved: &Resolved) -> Fingerprint {
        match self.draft.completion() {
            Some(_) if !knows_all(&self.draft, resolved) => lacking(self.fingerprint),
            _ => self.fingerprint,
        }
    }

    /// Its key and fingerprint.
    pub(super) fn named(&self) -> (Key, Fingerprint) {
        (self.key.clone(), self.fingerprint)
    }

    /// Must it not be written again before it is known what became of it?
    pub(super) fn is_guarded(&self) -> bool {
        self.draft.repeat() == Repeat::Never
    }
}

/// What is wrong with a record that makes two writes under one key: one would pass for the other.
pub(super) const WRITTEN_TWICE: &str = "two of its writes have one key";

/// Was another write of the record made after this moment?
fn later_than(entry: &Entry, key: &Key, at: DateTime<Utc>) -> bool {
    entry.parts.iter().any(|part| {
        part.key != *key && matches!(&part.state, PartState::Done(written) if written.at > at)
    })
}

/// A draft that cannot be written as JSON. The error's own words can quote a value.
fn not_json(key: &Key, error: &serde_json::Error) -> RunError {
    let message = format!("it cannot be written ({:?})", error.classify());
    RunError::Draft { key: key.clone(), message }
}

/// The drafts of a unit as they are parked.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored<D> {
    drafts: Vec<(Option<String>, D)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    merged: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Alias>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<(Fate, Reason)>,
    #[serde(default)]
    tries: u32,
}

impl<D: Draft> Unit<D> {
    /// The unit as it is parked.
    pub(super) fn park(
        &self,
        stage: &str,
        why: Parking,
        since: DateTime<Utc>,
        not_before: DateTime<Utc>,
        looks: u32,
    ) -> Result<Parked, RunError> {
        let drafts = self
            .steps
            .iter()
            .map(|step| (step.key.part_name().map(str::to_owned), step.draft.clone()))
            .collect();
        let stored = Stored {
            drafts,
            merged: self.merged.clone(),
            aliases: self.aliases.clone(),
            doubted: self.doubted.clone(),
            verdict: self.verdict.clone(),
            tries: self.tries,
        };
        let drafts = serde_json::to_value(&stored).map_err(|error| not_json(&self.root, &error))?;
        Ok(Parked {
            key: self.root.clone(),
            stage: stage.to_owned(),
            lane: self.lane.clone(),
            why,
            since,
            not_before,
            looks,
            drafts,
            notes: self.notes.clone(),
        })
    }

    /// The unit that was parked.
    pub(super) fn unpark(parked: Parked) -> Result<Self, RunError> {
        let Parked { key, lane, why, since, looks, drafts, notes, .. } = parked;
        // The message of a JSON error can quote a value, so only its place is told.
        let stored: Stored<D> =
            serde_json::from_value(drafts).map_err(|error| RunError::Draft {
                key: key.clone(),
                message: format!("the ledger's copy has another form ({:?})", error.classify()),
            })?;
        let mut unit = Self::new(key, lane, stored.drafts, stored.aliases, notes)?;
        (unit.merged, unit.doubted) = (stored.merged, stored.doubted);
        (unit.verdict, unit.tries) = (stored.verdict, stored.tries);
        unit.waited = Some(Waited { why, since, looks });
        Ok(unit)
    }
}

/// The writes of a parked record that were in doubt on the way.
pub(super) fn doubted(parked: &Parked) -> Vec<Key> {
    #[derive(serde::Deserialize)]
    struct Doubted {
        #[serde(default)]
        doubted: Vec<Key>,
    }
    let stored = serde_json::from_value::<Option<Doubted>>(parked.drafts.clone());
    stored.ok().flatten().map(|stored| stored.doubted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::TargetId;
    use crate::draft::Repeat;
    use crate::ledger::How;

    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    enum Item {
        Reply(String),
        Close,
    }

    impl Draft for Item {
        fn repeat(&self) -> Repeat {
            Repeat::Never
        }

        fn repeats_after_others(&self) -> bool {
            matches!(self, Self::Close)
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn unit() -> Unit<Item> {
        let drafts = vec![
            (None, Item::Reply("hello".into())),
            (Some("reply".into()), Item::Reply("more".into())),
            (Some("close".into()), Item::Close),
        ];
        Unit::new(Key::new("thread", 1), None, drafts, Vec::new(), Vec::new()).expect("a unit")
    }

    /// The entry of a unit whose writes were done at these seconds.
    fn done(unit: &Unit<Item>, seconds: &[i64]) -> Entry {
        let mut entry = Entry::pending(unit.root.clone(), "threads");
        entry.parts = unit
            .steps
            .iter()
            .zip(seconds)
            .map(|(step, second)| {
                let target = TargetId::new("x");
                let (fingerprint, how) = (step.fingerprint, How::Created);
                let (state, at) = (None, at(*second));
                let written = Written { target, fingerprint, how, state, at };
                Part { key: step.key.clone(), state: PartState::Done(written) }
            })
            .collect();
        entry
    }

    #[test]
    fn a_thread_that_was_cut_off_goes_on_at_the_next_message() {
        let unit = unit();
        let next = unit.next(0, &done(&unit, &[1]), false);
        assert_eq!(next, Next::Write { step: 1, known: None, correction: None });
    }

    #[test]
    fn the_close_follows_whatever_came_after_it_even_in_another_run() {
        let unit = unit();
        assert_eq!(unit.next(0, &done(&unit, &[1, 2, 3]), false), Next::Nothing);
        let reopened = unit.next(0, &done(&unit, &[1, 4, 3]), false);
        assert!(matches!(reopened, Next::Write { step: 2, known: Some(_), .. }), "{reopened:?}");
        let wrote = unit.next(0, &done(&unit, &[1, 2, 3]), true);
        assert!(matches!(wrote, Next::Write { step: 2, known: Some(_), .. }), "{wrote:?}");
    }

    #[test]
    fn doubt_begins_with_the_newest_intent() {
        let mut unit = unit();
        assert_eq!(unit.doubt_since(at(5), at(9), at(20)), at(9), "its process was gone by then");
        assert_eq!(unit.doubt_since(at(12), at(9), at(20)), at(12));
        unit.waited = Some(Waited { why: Parking::Doubt, since: at(7), looks: 3 });
        assert_eq!(
            unit.doubt_since(at(5), at(9), at(20)),
            at(7),
            "parked by the process that sent it"
        );
        assert_eq!(
            unit.doubt_since(at(8), at(9), at(20)),
            at(9),
            "sent after that, by a process now gone"
        );
        let ahead = unit.doubt_since(at(5), at(3), at(6));
        assert_eq!(ahead, at(5), "parked by a clock that was ahead: it was before this run");
        assert_eq!(unit.doubt_since(at(8), at(3), at(6)), at(3), "sent by such a clock");
        assert_eq!((unit.looks(Parking::Doubt), unit.looks(Parking::Retry)), (3, 0));
    }
}
