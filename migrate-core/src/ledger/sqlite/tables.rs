//! Rows of each table, read with their checksum verified and decoded. What is looked for under a
//! name and stands there under another is damage too.

use std::collections::HashMap;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};
use serde_json::Value;

use super::code::{Columns as _, fate_code, json, json_list, micros, parking_code};
use super::parts::{how_code, pack, unpack};
use super::row::{Result, Table, verify, write};
use crate::ledger::rules::Progress;
use crate::ledger::{Entry, Parked, Past, StageState, Written};
use crate::{Cursor, Fate, Fingerprint, Key, KeyDigest, Tally, TargetId};

/// The one row of `state`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// How many transactions the file has seen.
    pub(super) commits: i64,
    /// The last row that was given to an entry.
    pub(super) entries: i64,
    /// The last row that was given to anything else.
    pub(super) others: i64,
    pub(super) purged: bool,
}

impl State {
    const SET: &str = "INSERT OR REPLACE INTO state (id, commits, entries, others, purged, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    pub(super) fn read(db: &Connection) -> Result<Self> {
        one(db, Table::State, "SELECT * FROM state WHERE id = ?1", 1, |row| {
            Ok(Self {
                commits: row.get("commits")?,
                entries: row.get("entries")?,
                others: row.get("others")?,
                purged: row.get("purged")?,
            })
        })
    }

    pub(super) fn write(&self, db: &Connection) -> Result<()> {
        let values = [1, self.commits, self.entries, self.others, self.purged.into()];
        write(db, Table::State, Self::SET, &values.map(ToSqlOutput::from))
    }
}

/// A row of `stage`.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) progress: Progress,
    pub(super) begun_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) tally: [u64; Fate::ALL.len()],
}

impl Stage {
    const SET: &str = "INSERT OR REPLACE INTO stage
          (id, name, pass, cursor, read, finished, keys, digest, partial, mark, next_mark, begun_at,
           finished_at, tally, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

    pub(super) fn read(db: &Connection, id: i64) -> Result<Self> {
        one(db, Table::Stage, "SELECT * FROM stage WHERE id = ?1", id, Self::decode)
    }

    /// All of them, in the order in which they were first heard of.
    pub(super) fn all(db: &Connection) -> Result<Vec<Self>> {
        let mut stages = Vec::new();
        each(db, Table::Stage, "SELECT * FROM stage ORDER BY id", |row| {
            stages.push(Self::decode(row)?);
            Ok(())
        })?;
        Ok(stages)
    }

    fn decode(row: &Row<'_>) -> Result<Self> {
        let cursor = |column| row.get::<_, Option<String>>(column).map(|it| it.map(Cursor::new));
        let mut state = StageState::default();
        (state.pass, state.cursor) = (row.get("pass")?, cursor("cursor")?);
        (state.read, state.finished) = (row.get("read")?, row.get("finished")?);
        state.keys = row.count("keys")?;
        state.digest = KeyDigest::from_bytes(row.get("digest")?);
        (state.partial, state.mark) = (row.get("partial")?, cursor("mark")?);
        let counts: [u8; 8 * Fate::ALL.len()] = row.get("tally")?;
        let mut tally = [0; Fate::ALL.len()];
        for (count, bytes) in tally.iter_mut().zip(counts.as_chunks().0) {
            *count = u64::from_le_bytes(*bytes);
        }
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            progress: Progress { state, next_mark: cursor("next_mark")? },
            begun_at: row.get("begun_at")?,
            finished_at: row.get("finished_at")?,
            tally,
        })
    }

    pub(super) fn write(&self, db: &Connection) -> Result<()> {
        let Progress { state, next_mark } = &self.progress;
        let cursor = |cursor: &'_ Option<Cursor>| cursor.as_ref().map(|it| it.as_str().to_owned());
        let (digest, tally) = (state.digest.to_bytes(), self.tally.map(u64::to_le_bytes));
        let (at, mark, next_mark) = (cursor(&state.cursor), cursor(&state.mark), cursor(next_mark));
        let values = [
            self.id.into(),
            self.name.as_str().into(),
            state.pass.into(),
            text(at.as_deref()),
            state.read.into(),
            state.finished.into(),
            number(state.keys).into(),
            digest.as_slice().into(),
            state.partial.into(),
            text(mark.as_deref()),
            text(next_mark.as_deref()),
            integer(self.begun_at),
            integer(self.finished_at),
            tally.as_flattened().into(),
        ];
        write(db, Table::Stage, Self::SET, &values)
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for &fate in Fate::ALL {
            tally.add(fate, self.tally[slot(fate)]);
        }
        tally
    }

    /// Counts one entry more or less.
    pub(super) fn count(&mut self, fate: Fate, more: bool) {
        let count = &mut self.tally[slot(fate)];
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
    }
}

/// Where the count of a fate stands: under its code, which is for ever.
fn slot(fate: Fate) -> usize {
    usize::try_from(fate_code(fate)).unwrap_or_default()
}

/// A row of `entry`.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: i64,
    pub(super) stage: i64,
    pub(super) entry: Entry,
    pub(super) aliases: Vec<[u8; 16]>,
    pub(super) parked: Option<i64>,
}

impl Record {
    const INSERT: &str = "INSERT INTO entry
          (id, key, stage, fate, seen, attempts, at, fingerprint, target, reason, notes, aliases,
           parked, parts, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    /// Key and stage stay; that they are not set spares the indices.
    const UPDATE: &str = "UPDATE entry SET
          fate = ?4, seen = ?5, attempts = ?6, at = ?7, fingerprint = ?8, target = ?9, reason = ?10,
          notes = ?11, aliases = ?12, parked = ?13, parts = ?14, sum = ?15
        WHERE id = ?1";

    pub(super) fn read(db: &Connection, id: i64, stages: &mut StageNames) -> Result<Self> {
        let sql = "SELECT * FROM entry WHERE id = ?1";
        one(db, Table::Entry, sql, id, |row| Self::decode(db, row, stages))
    }

    /// The record that a name has led to, which must have this key.
    pub(super) fn of_key(
        db: &Connection,
        id: i64,
        key: &Key,
        stages: &mut StageNames,
    ) -> Result<Self> {
        match Self::read(db, id, stages) {
            Ok(record) if record.entry.key == *key => Ok(record),
            Ok(_) => {
                Err(Table::Entry.damaged(format_args!("key {key}"), "another key stands there"))
            }
            Err(error) => Err(error.of_key(key)),
        }
    }

    pub(super) fn decode(db: &Connection, row: &Row<'_>, stages: &mut StageNames) -> Result<Self> {
        let stage = row.get("stage")?;
        let mut entry = Entry {
            key: key(row)?,
            stage: stages.name(db, stage)?,
            fate: row.fate("fate")?,
            fingerprint: row.get::<_, Option<_>>("fingerprint")?.map(Fingerprint::from_bytes),
            target: row.get::<_, Option<String>>("target")?.map(TargetId::new),
            reason: row.json("reason")?,
            notes: row.json("notes")?.unwrap_or_default(),
            attempts: row.get("attempts")?,
            seen: row.get("seen")?,
            at: row.time("at")?,
            parts: Vec::new(),
        };
        let id: i64 = row.get("id")?;
        if let Some(parts) =
            row.get_ref("parts")?.as_blob_or_null().map_err(rusqlite::Error::from)?
        {
            let what = "its writes cannot be read";
            unpack(parts, &mut entry)
                .ok_or_else(|| Table::Entry.damaged(format_args!("row {id}"), what))?;
        }
        let aliases = row.get_ref("aliases")?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let aliases = aliases.unwrap_or_default().as_chunks().0.to_vec();
        Ok(Self { id, stage, entry, aliases, parked: row.get("parked")? })
    }

    /// Writes the row, which is new or takes the place of what it was.
    pub(super) fn write(&self, db: &Connection, new: bool) -> Result<()> {
        let entry = &self.entry;
        let (parts, reason) = (pack(entry), entry.reason.as_ref().map(json).transpose()?);
        let notes = json_list(&entry.notes)?;
        let values = [
            self.id.into(),
            entry.key.as_str().into(),
            self.stage.into(),
            fate_code(entry.fate).into(),
            entry.seen.into(),
            entry.attempts.into(),
            micros(entry.at).into(),
            blob(entry.fingerprint.as_ref().map(|it| it.as_bytes().as_slice())),
            text(entry.target.as_ref().map(|it| it.as_str())),
            text(reason.as_deref()),
            text(notes.as_deref()),
            blob(Some(self.aliases.as_flattened()).filter(|it| !it.is_empty())),
            integer(self.parked),
            blob(parts.as_deref()),
        ];
        write(db, Table::Entry, if new { Self::INSERT } else { Self::UPDATE }, &values)
    }
}

/// Names of stages by their rows, each read once for a question.
#[derive(Default)]
pub(super) struct StageNames(HashMap<i64, String>);

impl StageNames {
    pub(super) fn name(&mut self, db: &Connection, id: i64) -> Result<String> {
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let name = Stage::read(db, id)?.name;
        self.0.insert(id, name.clone());
        Ok(name)
    }
}

pub(super) fn read_parked(
    db: &Connection,
    row: &Row<'_>,
    stages: &mut StageNames,
) -> Result<(u64, Parked)> {
    let parked = Parked {
        key: key(row)?,
        stage: stages.name(db, row.get("stage")?)?,
        lane: row.get("lane")?,
        why: row.parking("why")?,
        since: row.time("since")?,
        not_before: row.time("not_before")?,
        looks: row.get("looks")?,
        drafts: row.json_blob("drafts")?,
        notes: row.json("notes")?.unwrap_or_default(),
    };
    Ok((row.count("id")?, parked))
}

pub(super) fn write_parked(db: &Connection, id: i64, stage: i64, parked: &Parked) -> Result<()> {
    let (notes, drafts) = (json_list(&parked.notes)?, json(&parked.drafts)?);
    let sql = "INSERT OR REPLACE INTO parked
          (id, key, stage, lane, why, since, not_before, looks, notes, drafts, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = [
        id.into(),
        parked.key.as_str().into(),
        stage.into(),
        text(parked.lane.as_deref()),
        parking_code(parked.why).into(),
        micros(parked.since).into(),
        micros(parked.not_before).into(),
        parked.looks.into(),
        text(notes.as_deref()),
        drafts.as_bytes().into(),
    ];
    write(db, Table::Parked, sql, &values)
}

pub(super) fn read_past(
    db: &Connection,
    row: &Row<'_>,
    stages: &mut StageNames,
) -> Result<(u64, Past)> {
    let written = Written {
        target: TargetId::new(row.get::<_, String>("target")?),
        fingerprint: Fingerprint::from_bytes(row.get("fingerprint")?),
        how: row.how("how")?,
        state: row.get::<_, Option<_>>("state")?.map(Fingerprint::from_bytes),
        at: row.time("done_at")?,
    };
    let stage = stages.name(db, row.get("stage")?)?;
    let past = Past { key: key(row)?, stage, written, undone_at: row.time("undone_at")? };
    Ok((row.count("id")?, past))
}

pub(super) fn write_past(db: &Connection, id: i64, stage: i64, past: &Past) -> Result<()> {
    let Written { target, fingerprint, how, state, at } = &past.written;
    let sql = "INSERT INTO history
          (id, key, stage, target, fingerprint, how, state, done_at, undone_at, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let values = [
        id.into(),
        past.key.as_str().into(),
        stage.into(),
        target.as_str().into(),
        fingerprint.as_bytes().as_slice().into(),
        how_code(*how).into(),
        blob(state.as_ref().map(|it| it.as_bytes().as_slice())),
        micros(*at).into(),
        micros(past.undone_at).into(),
    ];
    write(db, Table::History, sql, &values)
}

pub(super) fn write_discovery(db: &Connection, id: i64, list: &str, item: &str) -> Result<()> {
    let sql = "INSERT INTO discovery (id, list, item, sum) VALUES (?1, ?2, ?3, ?4)";
    write(db, Table::Discovery, sql, &[id.into(), list.into(), item.into()])
}

pub(super) fn write_image(db: &Connection, id: i64, key: &Key, image: &Value) -> Result<()> {
    let sql = "INSERT INTO before_image (id, key, image, sum) VALUES (?1, ?2, ?3, ?4)";
    let image = json(image)?;
    let values = [id.into(), key.as_str().into(), image.as_bytes().into()];
    write(db, Table::BeforeImage, sql, &values)
}

pub(super) fn read_image(db: &Connection, id: i64, asked: &Key) -> Result<Value> {
    let sql = "SELECT * FROM before_image WHERE id = ?1";
    let image = one(db, Table::BeforeImage, sql, id, |row| {
        if key(row)? != *asked {
            return Err(Table::BeforeImage.damaged("", "another key stands there"));
        }
        Ok(row.json_blob("image")?)
    });
    image.map_err(|error| error.of_key(asked))
}

pub(super) fn write_meta(db: &Connection, id: i64, name: &str, value: &Value) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (id, name, value, sum) VALUES (?1, ?2, ?3, ?4)";
    write(db, Table::Meta, sql, &[id.into(), name.into(), json(value)?.as_str().into()])
}

pub(super) fn read_meta(db: &Connection, id: i64, asked: &str) -> Result<Option<Value>> {
    let value = one(db, Table::Meta, "SELECT * FROM meta WHERE id = ?1", id, |row| {
        if row.get_ref("name")? != ValueRef::Text(asked.as_bytes()) {
            return Err(Table::Meta.damaged("", "another name stands there"));
        }
        Ok(row.json("value")?)
    });
    value.map_err(|error| error.of_key(asked))
}

pub(super) fn write_binding(db: &Connection, id: i64, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO binding (id, name, value, sum) VALUES (?1, ?2, ?3, ?4)";
    write(db, Table::Binding, sql, &[id.into(), name.into(), value.into()])
}

/// The row that must be there.
pub(super) fn one<T>(
    db: &Connection,
    table: Table,
    sql: &str,
    id: i64,
    decode: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<T> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([id])?;
    let Some(row) = rows.next()? else {
        return Err(table.damaged(format_args!("row {id}"), "it is missing"));
    };
    verify(table, row)?;
    decode(row)
}

/// Each row of a query without parameters.
pub(super) fn each(
    db: &Connection,
    table: Table,
    sql: &str,
    mut each: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        verify(table, row)?;
        each(row)?;
    }
    Ok(())
}

/// A row or a limit as SQLite counts them; no file holds more rows than its largest number.
pub(super) fn number(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

fn key(row: &Row<'_>) -> Result<Key> {
    let text = row.get_ref("key")?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Key::from(text))
}

fn text(value: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, ValueRef::from))
}

fn blob(value: Option<&[u8]>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, ValueRef::Blob))
}

fn integer(value: Option<i64>) -> ToSqlOutput<'static> {
    ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, ValueRef::Integer))
}
