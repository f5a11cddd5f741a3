//! Reading: each question of [`Ledger`](crate::Ledger) as SQL.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde_json::Value;

use super::code::{Columns as _, fate_code, parking_code};
use crate::ledger::{
    Entry, Parked, Parking, Part, PartState, Past, Proof, Scan, StageState, Written,
};
use crate::{Alias, Cursor, Fingerprint, Key, KeyDigest, Tally, TargetId};

pub(super) fn entries(db: &Connection, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
    let mut find = db.prepare_cached(
        "SELECT entry.*, stage.name AS stage_name
         FROM entry JOIN stage ON stage.id = entry.stage WHERE entry.key = ?1",
    )?;
    let mut find_parts =
        db.prepare_cached("SELECT * FROM part WHERE entry = ?1 ORDER BY ordinal")?;
    let mut entry_of = |key: &Key| {
        let found = find.query_row([key.as_str()], numbered_entry).optional()?;
        let Some((row, mut entry)) = found else { return Ok(None) };
        entry.parts =
            find_parts.query_map([number(row)], |row| part(key, row))?.collect::<Result<_>>()?;
        Ok(Some(entry))
    };
    keys.iter().map(&mut entry_of).collect()
}

pub(super) fn known_as(db: &Connection, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>> {
    let mut find = db.prepare_cached(
        "SELECT entry.*, stage.name AS stage_name
         FROM alias JOIN entry ON entry.id = alias.entry JOIN stage ON stage.id = entry.stage
         WHERE alias.alias = ?1 ORDER BY entry.id",
    )?;
    let mut known = |alias: &Alias| {
        find.query_map([alias.as_bytes()], |row| Ok(numbered_entry(row)?.1))?.collect()
    };
    aliases.iter().map(&mut known).collect()
}

pub(super) fn stage(db: &Connection, stage: &str) -> Result<StageState> {
    let state = db
        .prepare_cached("SELECT * FROM stage WHERE name = ?1")?
        .query_row([stage], |row| {
            Ok(StageState {
                pass: row.get("pass")?,
                cursor: row.get::<_, Option<String>>("cursor")?.map(Cursor::new),
                read: row.get("read")?,
                finished: row.get("finished")?,
                keys: row.count("keys")?,
                digest: KeyDigest::from_bytes(row.get("digest")?),
                partial: row.get("partial")?,
                mark: row.get::<_, Option<String>>("mark")?.map(Cursor::new),
            })
        })
        .optional()?;
    Ok(state.unwrap_or_default())
}

pub(super) fn stages(db: &Connection) -> Result<Vec<String>> {
    db.prepare_cached("SELECT name FROM stage ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(super) fn tally(db: &Connection, stage: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut find = db.prepare_cached(
        "SELECT fate, count(*) AS n FROM entry
         WHERE stage = (SELECT id FROM stage WHERE name = ?1) GROUP BY fate",
    )?;
    let mut rows = find.query([stage])?;
    while let Some(row) = rows.next()? {
        tally.add(row.fate("fate")?, row.count("n")?);
    }
    Ok(tally)
}

pub(super) fn proof(db: &Connection, stage: &str, pass: u32) -> Result<Proof> {
    let mut proof = Proof::default();
    let mut find = db.prepare_cached(
        "SELECT key, fate FROM entry
         WHERE stage = (SELECT id FROM stage WHERE name = ?1) AND seen = ?2",
    )?;
    let mut rows = find.query(params![stage, pass])?;
    while let Some(row) = rows.next()? {
        if row.fate("fate")?.is_final() {
            proof.add(&key(row, "key")?);
        }
    }
    Ok(proof)
}

pub(super) fn scan(db: &Connection, scan: &Scan) -> Result<Vec<(u64, Entry)>> {
    let mut sql = "SELECT entry.*, stage.name AS stage_name
         FROM entry JOIN stage ON stage.id = entry.stage
         WHERE entry.stage = (SELECT id FROM stage WHERE name = ?1)
           AND (?2 IS NULL OR fate = ?2) AND (?3 IS NULL OR seen <> ?3)"
        .to_owned();
    sql.push_str(match scan.newest_first {
        true => " AND (?4 IS NULL OR entry.id < ?4) ORDER BY entry.id DESC LIMIT ?5",
        false => " AND (?4 IS NULL OR entry.id > ?4) ORDER BY entry.id LIMIT ?5",
    });
    db.prepare_cached(&sql)?
        .query_map(
            params![
                scan.stage,
                scan.fate.map(fate_code),
                scan.unseen_in,
                scan.after.map(number),
                number(scan.limit)
            ],
            numbered_entry,
        )?
        .collect()
}

pub(super) fn parked(
    db: &Connection,
    stage: &str,
    why: Parking,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Parked)>> {
    db.prepare_cached(
        "SELECT parked.*, stage.name AS stage_name
         FROM parked JOIN stage ON stage.id = parked.stage
         WHERE parked.stage = (SELECT id FROM stage WHERE name = ?1)
           AND parked.why = ?2 AND parked.id > ?3
         ORDER BY parked.id LIMIT ?4",
    )?
    .query_map(params![stage, parking_code(why), number(after), number(limit)], numbered_parked)?
    .collect()
}

pub(super) fn parked_among(db: &Connection, keys: &[Key]) -> Result<Vec<Parked>> {
    let mut find = db.prepare_cached(
        "SELECT parked.*, stage.name AS stage_name
         FROM parked JOIN stage ON stage.id = parked.stage WHERE parked.key = ?1",
    )?;
    let mut parked = |key: &Key| {
        let found = find.query_row([key.as_str()], numbered_parked).optional();
        found.map(|found| found.map(|(_, parked)| parked)).transpose()
    };
    keys.iter().filter_map(&mut parked).collect()
}

pub(super) fn discovered(
    db: &Connection,
    list: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, String)>> {
    db.prepare_cached(
        "SELECT id, item FROM discovery WHERE list = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?
    .query_map(params![list, number(after), number(limit)], |row| {
        Ok((row.count("id")?, row.get("item")?))
    })?
    .collect()
}

pub(super) fn before(db: &Connection, key: &Key) -> Result<Option<Value>> {
    db.prepare_cached("SELECT image FROM before_image WHERE key = ?1")?
        .query_row([key.as_str()], |row| row.json_blob("image"))
        .optional()
}

pub(super) fn history(db: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, Past)>> {
    db.prepare_cached(
        "SELECT history.*, stage.name AS stage_name
         FROM history JOIN stage ON stage.id = history.stage
         WHERE history.id > ?1 ORDER BY history.id LIMIT ?2",
    )?
    .query_map(params![number(after), number(limit)], |row| {
        let past = Past {
            key: key(row, "key")?,
            stage: row.get("stage_name")?,
            written: written(row)?,
            undone_at: row.time("undone_at")?,
        };
        Ok((row.count("id")?, past))
    })?
    .collect()
}

pub(super) fn meta(db: &Connection, name: &str) -> Result<Option<Value>> {
    let value = db
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.json("value"))
        .optional()?;
    Ok(value.flatten())
}

fn numbered_entry(row: &Row<'_>) -> Result<(u64, Entry)> {
    let entry = Entry {
        key: key(row, "key")?,
        stage: row.get("stage_name")?,
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
    Ok((row.count("id")?, entry))
}

fn part(root: &Key, row: &Row<'_>) -> Result<Part> {
    let name: String = row.get("name")?;
    let known = match row.get::<_, Option<String>>("target")? {
        Some(_) => Some(written(row)?),
        None => None,
    };
    let state = match known {
        Some(known) if row.get::<_, Option<i64>>("intended_at")?.is_none() => {
            PartState::Done(known)
        }
        known => PartState::Intended { at: row.time("intended_at")?, known },
    };
    Ok(Part { key: Key::from(format!("{root}{name}")), state })
}

fn written(row: &Row<'_>) -> Result<Written> {
    Ok(Written {
        target: TargetId::new(row.get::<_, String>("target")?),
        fingerprint: Fingerprint::from_bytes(row.get("fingerprint")?),
        how: row.how("how")?,
        state: row.get::<_, Option<_>>("state")?.map(Fingerprint::from_bytes),
        at: row.time("done_at")?,
    })
}

fn numbered_parked(row: &Row<'_>) -> Result<(u64, Parked)> {
    let parked = Parked {
        key: key(row, "key")?,
        stage: row.get("stage_name")?,
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

fn key(row: &Row<'_>, column: &str) -> Result<Key> {
    row.get::<_, String>(column).map(Key::from)
}

/// A row or a limit as SQLite counts them; no file holds more rows than its largest number.
fn number(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}
