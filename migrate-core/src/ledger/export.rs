//! The whole ledger as lines of JSON, which can be read when nothing else of this is left.

use std::io::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{
    Entry, Ledger, LedgerError, LedgerErrorKind, Parked, Parking, Part, PartState, Scan,
    StageState, Written,
};
use crate::{Cursor, Fate, Fingerprint, Key, Note, Reason, TargetId};

/// Entries, parked records or writes that are asked for at a time.
const CHUNK: usize = 500;

/// What an export holds besides what it always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The drafts of parked records, which hold people's data.
    pub drafts: bool,
    /// What stood in the destination before a change, which holds people's data.
    pub before_images: bool,
}

impl ExportOptions {
    /// With the drafts of parked records, which hold people's data.
    #[must_use]
    pub fn drafts(mut self) -> Self {
        self.drafts = true;
        self
    }

    /// With what stood in the destination before a change, which holds people's data.
    #[must_use]
    pub fn before_images(mut self) -> Self {
        self.before_images = true;
        self
    }
}

/// Writes a whole ledger as lines of JSON, one object a line, without people's data: the same bytes
/// for the same content, whatever ledger it stands in. See [`export_with`].
///
/// # Errors
///
/// Those of reading the ledger, and [`Storage`](LedgerErrorKind::Storage) where `out` cannot be
/// written.
pub async fn export(ledger: &dyn Ledger, out: &mut (dyn Write + Send)) -> Result<(), LedgerError> {
    export_with(ledger, ExportOptions::default(), out).await
}

/// As [`export`], with what is asked for besides.
///
/// The first line is `{"export":"ledger","version":1}`; fields and kinds of lines may be added to
/// it, and none is taken away. Every other line says under `"kind"` what it is, in this order:
///
/// | `kind` | one for each | fields |
/// |---|---|---|
/// | `stage` | stage, in the order they were heard of | `name`, `pass`, `cursor`, `read`, `finished`, `keys`, `digest`, `partial`, `mark`, `tally` by fate |
/// | `entry` | source record, stage by stage, in the order of first sight | `key`, `stage`, `fate`, `fingerprint`, `target`, `reason`, `notes`, `attempts`, `seen`, `at`, `parts` |
/// | `before` | change of what was there before, behind its entry, where asked for | `key`, `image` |
/// | `parked` | record that waits | `key`, `stage`, `lane`, `why`, `since`, `not_before`, `looks`, `notes`; `drafts` where asked for |
/// | `undone` | write that was undone, in that order | `key`, `stage`, `written`, `undone_at` |
///
/// A part has its `key`, `written` (`target`, `fingerprint`, `how`, `state`, `at`) where it is or was
/// done, and `intended_at` while nobody knows whether it took effect. Times are RFC 3339 in UTC,
/// digests hexadecimal, and what is not known is left out.
///
/// Memory does not depend on the size of the ledger. While a run goes on, the lines may be of
/// different moments.
///
/// # Errors
///
/// As for [`export`].
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use migrate_core::MemoryLedger;
/// use migrate_core::ledger::{Change, ExportOptions, export_with};
///
/// let ledger = MemoryLedger::new();
/// # use migrate_core::{Key, Ledger};
/// # let (key, stage, at) = (Key::new("contact", 1), "contacts".into(), chrono::DateTime::UNIX_EPOCH);
/// ledger.commit(vec![Change::Intent { key, stage, draft: None, at }]).await?;
/// let mut lines = Vec::new();
/// export_with(&ledger, ExportOptions::default().drafts(), &mut lines).await?;
/// assert!(String::from_utf8(lines)?.contains(r#""kind":"entry","key":"contact:1""#));
/// # Ok(())
/// # }
/// ```
pub async fn export_with(
    ledger: &dyn Ledger,
    options: ExportOptions,
    out: &mut (dyn Write + Send),
) -> Result<(), LedgerError> {
    write(out, &serde_json::json!({ "export": "ledger", "version": 1 }))?;
    let stages = ledger.stages().await?;
    for name in &stages {
        let (state, tally) = (ledger.stage(name).await?, ledger.tally(name).await?);
        let tally = Fate::ALL.iter().copied().map(|fate| (fate.name().to_owned(), tally.of(fate)));
        let tally = tally.map(|(fate, count)| (fate, Value::from(count))).collect();
        write(out, &Line::stage(name, &state, Value::Object(tally)))?;
    }
    for name in &stages {
        entries(ledger, name, options, out).await?;
    }
    for name in &stages {
        for &why in Parking::ALL {
            parked(ledger, name, why, options, out).await?;
        }
    }
    let mut after = 0;
    loop {
        let rows = ledger.history(after, CHUNK).await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for (_, past) in &rows {
            let (written, undone_at) = (WrittenLine::of(&past.written), past.undone_at);
            write(out, &Line::Undone { key: &past.key, stage: &past.stage, written, undone_at })?;
        }
    }
    out.flush().map_err(unwritten)
}

async fn entries(
    ledger: &dyn Ledger,
    stage: &str,
    options: ExportOptions,
    out: &mut (dyn Write + Send),
) -> Result<(), LedgerError> {
    let mut scan = Scan::of(stage).limit(CHUNK);
    loop {
        let rows = ledger.scan(&scan).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        scan = scan.after(*last);
        let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
        // One that was forgotten meanwhile is left out.
        for entry in ledger.entries(&keys).await?.into_iter().flatten() {
            write(out, &Line::entry(&entry))?;
            if options.before_images {
                let parts = entry.parts.iter().map(|part| &part.key);
                let own = (!parts.clone().any(|key| *key == entry.key)).then_some(&entry.key);
                for key in own.into_iter().chain(parts) {
                    if let Some(image) = ledger.before(key).await? {
                        write(out, &Line::Before { key, image })?;
                    }
                }
            }
        }
    }
}

async fn parked(
    ledger: &dyn Ledger,
    stage: &str,
    why: Parking,
    options: ExportOptions,
    out: &mut (dyn Write + Send),
) -> Result<(), LedgerError> {
    let mut after = 0;
    loop {
        let rows = ledger.parked(stage, why, after, CHUNK).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = *last;
        for (_, parked) in &rows {
            write(out, &Line::parked(parked, options.drafts))?;
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Stage {
        name: &'a str,
        pass: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a Cursor>,
        read: bool,
        finished: bool,
        keys: u64,
        digest: String,
        partial: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        mark: Option<&'a Cursor>,
        tally: Value,
    },
    Entry {
        key: &'a Key,
        stage: &'a str,
        fate: Fate,
        #[serde(skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a TargetId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a Reason>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        notes: &'a [Note],
        attempts: u32,
        seen: u32,
        at: DateTime<Utc>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parts: Vec<PartLine<'a>>,
    },
    Before {
        key: &'a Key,
        image: Value,
    },
    Parked {
        key: &'a Key,
        stage: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        lane: Option<&'a str>,
        why: Parking,
        since: DateTime<Utc>,
        not_before: DateTime<Utc>,
        looks: u32,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        notes: &'a [Note],
        #[serde(skip_serializing_if = "Option::is_none")]
        drafts: Option<&'a Value>,
    },
    Undone {
        key: &'a Key,
        stage: &'a str,
        written: WrittenLine<'a>,
        undone_at: DateTime<Utc>,
    },
}

#[derive(Serialize)]
struct PartLine<'a> {
    key: &'a Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<WrittenLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intended_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    target: &'a TargetId,
    fingerprint: String,
    how: super::How,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    at: DateTime<Utc>,
}

impl<'a> Line<'a> {
    fn stage(name: &'a str, state: &'a StageState, tally: Value) -> Self {
        Self::Stage {
            name,
            pass: state.pass,
            cursor: state.cursor.as_ref(),
            read: state.read,
            finished: state.finished,
            keys: state.keys,
            digest: format!("{:?}", state.digest),
            partial: state.partial,
            mark: state.mark.as_ref(),
            tally,
        }
    }

    fn entry(entry: &'a Entry) -> Self {
        Self::Entry {
            key: &entry.key,
            stage: &entry.stage,
            fate: entry.fate,
            fingerprint: entry.fingerprint.map(hexadecimal),
            target: entry.target.as_ref(),
            reason: entry.reason.as_ref(),
            notes: &entry.notes,
            attempts: entry.attempts,
            seen: entry.seen,
            at: entry.at,
            parts: entry.parts.iter().map(PartLine::of).collect(),
        }
    }

    fn parked(parked: &'a Parked, drafts: bool) -> Self {
        Self::Parked {
            key: &parked.key,
            stage: &parked.stage,
            lane: parked.lane.as_deref(),
            why: parked.why,
            since: parked.since,
            not_before: parked.not_before,
            looks: parked.looks,
            notes: &parked.notes,
            drafts: drafts.then_some(&parked.drafts),
        }
    }
}

impl<'a> PartLine<'a> {
    fn of(part: &'a Part) -> Self {
        let (written, intended_at) = match &part.state {
            PartState::Done(written) => (Some(written), None),
            PartState::Intended { at, known, .. } => (known.as_ref(), Some(*at)),
        };
        Self { key: &part.key, written: written.map(WrittenLine::of), intended_at }
    }
}

impl<'a> WrittenLine<'a> {
    fn of(written: &'a Written) -> Self {
        Self {
            target: &written.target,
            fingerprint: hexadecimal(written.fingerprint),
            how: written.how,
            state: written.state.map(hexadecimal),
            at: written.at,
        }
    }
}

fn hexadecimal(fingerprint: Fingerprint) -> String {
    format!("{fingerprint:?}")
}

fn write(out: &mut (dyn Write + Send), line: &impl Serialize) -> Result<(), LedgerError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from).map_err(unwritten)?;
    out.write_all(b"\n").map_err(unwritten)
}

fn unwritten(error: std::io::Error) -> LedgerError {
    let message = "the export of the ledger could not be written: see to its disk, then try again";
    LedgerError::new(LedgerErrorKind::Storage, message).because(error)
}
