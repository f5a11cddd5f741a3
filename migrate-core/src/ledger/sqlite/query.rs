//! Reading: each question of [`Ledger`](crate::Ledger) as SQL.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::code::{Columns as _, fate_code, parking_code};
use super::names::{self, Name};
use super::row::{Result, Table, verify};
use super::tables::{
    Record, Stage, StageNames, number, one, read_image, read_meta, read_parked, read_past,
};
use crate::ledger::{Entry, Parked, Parking, Past, Proof, Scan, StageState};
use crate::{Alias, Fate, Key, Tally};

pub(super) fn entries(db: &Connection, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
    let mut stages = StageNames::default();
    let mut entry = |key: &Key| Ok(record(db, key, &mut stages)?.map(|record| record.entry));
    keys.iter().map(&mut entry).collect()
}

pub(super) fn known_as(db: &Connection, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>> {
    let mut stages = StageNames::default();
    let mut known = |alias: &Alias| {
        let rows = names::find_all(db, &Name::alias(alias.as_bytes()))?;
        let entry = |row| {
            let record = Record::read(db, row, &mut stages)?;
            if !record.aliases.contains(alias.as_bytes()) {
                let what = "an alias leads to it which it does not have";
                return Err(Table::Entry.damaged(format_args!("row {row}"), what));
            }
            Ok(without_parts(record.entry))
        };
        rows.into_iter().map(entry).collect()
    };
    aliases.iter().map(&mut known).collect()
}

pub(super) fn aliases(db: &Connection, keys: &[Key]) -> Result<Vec<Vec<Alias>>> {
    let mut stages = StageNames::default();
    let mut of = |key: &Key| {
        let found = record(db, key, &mut stages)?.map(|record| record.aliases);
        Ok(found.unwrap_or_default().into_iter().map(Alias::from_bytes).collect())
    };
    keys.iter().map(&mut of).collect()
}

pub(super) fn stage(db: &Connection, stage: &str) -> Result<StageState> {
    let stage = find_stage(db, stage)?;
    Ok(stage.map(|stage| stage.progress.state).unwrap_or_default())
}

pub(super) fn stages(db: &Connection) -> Result<Vec<String>> {
    Ok(Stage::all(db)?.into_iter().map(|stage| stage.name).collect())
}

pub(super) fn tally(db: &Connection, stage: &str) -> Result<Tally> {
    let stage = find_stage(db, stage)?;
    Ok(stage.map(|stage| stage.tally()).unwrap_or_default())
}

pub(super) fn proof(db: &Connection, stage: &str, pass: u32) -> Result<Proof> {
    let mut proof = Proof::default();
    let Some(stage) = find_stage(db, stage)? else { return Ok(proof) };
    let mut select = db.prepare_cached("SELECT * FROM entry WHERE stage = ?1 AND fate = ?2")?;
    for fate in Fate::ALL.iter().copied().filter(|fate| fate.is_final()) {
        let mut rows = select.query([stage.id, fate_code(fate)])?;
        while let Some(row) = rows.next()? {
            verify(Table::Entry, row)?;
            if row.get::<_, u32>("seen")? == pass {
                let key = row.get_ref("key")?.as_str().map_err(rusqlite::Error::from)?;
                proof.add(&Key::from(key));
            }
        }
    }
    Ok(proof)
}

pub(super) fn scan(db: &Connection, scan: &Scan) -> Result<Vec<(u64, Entry)>> {
    let (mut found, mut stages) = (Vec::new(), StageNames::default());
    let Some(stage) = find_stage(db, &scan.stage)? else { return Ok(found) };
    let mut after = scan.after.map(number);
    // Rows of several fates are brought into one order by their numbers alone.
    while found.len() < scan.limit {
        let rows = rows(db, stage.id, scan, after)?;
        let Some(last) = rows.last() else { break };
        after = Some(*last);
        for row in rows {
            let record = Record::read(db, row, &mut stages)?;
            if record.stage == stage.id && scan.wants(&record.entry) {
                found.push((row.unsigned_abs(), without_parts(record.entry)));
            }
        }
    }
    found.truncate(scan.limit);
    Ok(found)
}

/// The next rows of a scan, whether or not they are wanted for when they were seen.
fn rows(db: &Connection, stage: i64, scan: &Scan, after: Option<i64>) -> Result<Vec<i64>> {
    const CHUNK: usize = 500;
    let mut select = db.prepare_cached(match scan.newest_first {
        true => {
            "SELECT id FROM entry WHERE stage = ?1 AND fate = ?2 AND id < ?3
             ORDER BY id DESC LIMIT ?4"
        }
        false => {
            "SELECT id FROM entry WHERE stage = ?1 AND fate = ?2 AND id > ?3
             ORDER BY id LIMIT ?4"
        }
    })?;
    let after = after.unwrap_or(if scan.newest_first { i64::MAX } else { 0 });
    let chunk = scan.limit.min(CHUNK);
    let mut all = Vec::new();
    for fate in Fate::ALL.iter().copied().filter(|fate| scan.fate.is_none_or(|it| it == *fate)) {
        let query = params![stage, fate_code(fate), after, number(chunk)];
        let rows = select.query_map(query, |row| row.get(0))?;
        rows.into_iter().try_for_each(|row| row.map(|row: i64| all.push(row)))?;
    }
    all.sort_unstable();
    if scan.newest_first {
        all.reverse();
    }
    all.truncate(chunk);
    Ok(all)
}

pub(super) fn parked(
    db: &Connection,
    stage: &str,
    why: Parking,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Parked)>> {
    let (mut found, mut stages) = (Vec::new(), StageNames::default());
    let Some(stage) = find_stage(db, stage)? else { return Ok(found) };
    let mut select = db.prepare_cached(
        "SELECT * FROM parked WHERE stage = ?1 AND why = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
    )?;
    let query = params![stage.id, parking_code(why), number(after), number(limit)];
    let mut rows = select.query(query)?;
    while let Some(row) = rows.next()? {
        verify(Table::Parked, row)?;
        found.push(read_parked(db, row, &mut stages)?);
    }
    Ok(found)
}

pub(super) fn parked_among(db: &Connection, keys: &[Key]) -> Result<Vec<Parked>> {
    let (mut found, mut stages) = (Vec::new(), StageNames::default());
    for key in keys {
        let record = record(db, key, &mut stages)?;
        let Some(row) = record.and_then(|record| record.parked) else { continue };
        let sql = "SELECT * FROM parked WHERE id = ?1";
        let parked = one(db, Table::Parked, sql, row, |row| read_parked(db, row, &mut stages));
        let (_, parked) = parked.map_err(|error| error.of_key(key))?;
        if parked.key != *key {
            let what = "another key stands there";
            return Err(Table::Parked.damaged(format_args!("key {key}"), what));
        }
        found.push(parked);
    }
    Ok(found)
}

pub(super) fn discovered(
    db: &Connection,
    list: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    let mut select = db.prepare_cached(
        "SELECT * FROM discovery WHERE list = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = select.query(params![list, number(after), number(limit)])?;
    while let Some(row) = rows.next()? {
        verify(Table::Discovery, row)?;
        found.push((row.count("id")?, row.get("item")?));
    }
    Ok(found)
}

pub(super) fn before(db: &Connection, key: &Key) -> Result<Option<Value>> {
    let row = names::find(db, &Name::before(key))?;
    row.map(|row| read_image(db, row, key)).transpose()
}

pub(super) fn history(db: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, Past)>> {
    let (mut found, mut stages) = (Vec::new(), StageNames::default());
    let mut select =
        db.prepare_cached("SELECT * FROM history WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = select.query(params![number(after), number(limit)])?;
    while let Some(row) = rows.next()? {
        verify(Table::History, row)?;
        found.push(read_past(db, row, &mut stages)?);
    }
    Ok(found)
}

pub(super) fn meta(db: &Connection, name: &str) -> Result<Option<Value>> {
    match names::find(db, &Name::meta(name))? {
        Some(row) => read_meta(db, row, name),
        None => Ok(None),
    }
}

fn record(db: &Connection, key: &Key, stages: &mut StageNames) -> Result<Option<Record>> {
    let row = names::find(db, &Name::key(key))?;
    row.map(|row| Record::of_key(db, row, key, stages)).transpose()
}

fn find_stage(db: &Connection, name: &str) -> Result<Option<Stage>> {
    let Some(row) = names::find(db, &Name::stage(name))? else { return Ok(None) };
    let stage = Stage::read(db, row).map_err(|error| error.of_key(name))?;
    if stage.name == name {
        Ok(Some(stage))
    } else {
        Err(Table::Stage.damaged(format_args!("key {name}"), "another name stands there"))
    }
}

fn without_parts(entry: Entry) -> Entry {
    Entry { parts: Vec::new(), ..entry }
}
