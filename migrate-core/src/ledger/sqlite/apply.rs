//! Writing: each [`Change`] as SQL.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::code::{fate_code, how_code, json, json_list, micros, parking_code};
use crate::ledger::{Change, Parked, UNREADABLE};
use crate::{Alias, Cursor, Fate, Key, KeyDigest};

/// Makes one change, inside the transaction that the caller has begun.
pub(super) fn apply(db: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Settle { key, stage, fate, fingerprint, target, reason, notes, attempts, at } => {
            run(
                db,
                "INSERT INTO entry
               (key, stage, fate, fingerprint, target, reason, notes, attempts, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (key) DO UPDATE SET
               fate = excluded.fate,
               fingerprint = coalesce(excluded.fingerprint, fingerprint),
               target = coalesce(excluded.target, target),
               reason = excluded.reason, notes = excluded.notes,
               attempts = excluded.attempts, at = excluded.at",
                params![
                    key.as_str(),
                    stage_id(db, stage)?,
                    fate_code(*fate),
                    fingerprint.as_ref().map(|it| it.as_bytes()),
                    target.as_ref().map(|it| it.as_str()),
                    reason.as_ref().map(json).transpose()?,
                    json_list(notes)?,
                    attempts,
                    micros(*at),
                ],
            )
        }
        Change::Intent { key, stage, at } => {
            let root = key.root();
            run(
                db,
                "INSERT INTO part (entry, name, ordinal, intended_at)
                 VALUES (?1, ?2, (SELECT coalesce(max(ordinal), 0) + 1 FROM part
                                  WHERE entry = ?1), ?3)
                 ON CONFLICT (entry, name) DO UPDATE SET
                   intended_at = coalesce(intended_at, excluded.intended_at)",
                params![entry_id(db, &root, stage, *at)?, part_name(key, &root), micros(*at)],
            )
        }
        Change::Done { key, stage, target, fingerprint, how, state, at } => {
            let root = key.root();
            let entry = entry_id(db, &root, stage, *at)?;
            run(
                db,
                "INSERT INTO part (entry, name, ordinal, target, fingerprint, how, done_at, state)
                 VALUES (?1, ?2, (SELECT coalesce(max(ordinal), 0) + 1 FROM part
                                  WHERE entry = ?1), ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (entry, name) DO UPDATE SET
                   intended_at = NULL, target = excluded.target,
                   fingerprint = excluded.fingerprint, how = coalesce(how, excluded.how),
                   done_at = excluded.done_at, state = excluded.state",
                params![
                    entry,
                    part_name(key, &root),
                    target.as_str(),
                    fingerprint.as_bytes(),
                    how_code(*how),
                    micros(*at),
                    state.as_ref().map(|it| it.as_bytes()),
                ],
            )?;
            if *key == root {
                let own = "UPDATE entry SET target = ?2, at = ?3 WHERE id = ?1";
                run(db, own, params![entry, target.as_str(), micros(*at)])?;
            }
            Ok(())
        }
        Change::Void { key } => {
            let root = key.root();
            let Some(entry) = known_entry(db, &root)? else { return Ok(()) };
            let part = params![entry, part_name(key, &root)];
            run(
                db,
                "DELETE FROM part WHERE entry = ?1 AND name = ?2
                   AND intended_at IS NOT NULL AND target IS NULL",
                part,
            )?;
            run(db, "UPDATE part SET intended_at = NULL WHERE entry = ?1 AND name = ?2", part)
        }
        Change::Aliases { key, stage, aliases } => rename(db, key, stage, aliases),
        Change::Discover { list, item } => {
            let sql = "INSERT INTO discovery (list, item) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            run(db, sql, params![list, item])
        }
        Change::Park(parked) => park(db, parked),
        Change::Unpark { key } => {
            run(db, "DELETE FROM parked WHERE key = ?1", params![key.as_str()])
        }
        Change::Before { key, image } => {
            let sql =
                "INSERT INTO before_image (key, image) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            run(db, sql, params![key.as_str(), json(image)?.into_bytes()])
        }
        Change::Page { stage, pass, keys, next, mark } => {
            page(db, stage, *pass, keys, next.as_ref(), mark.as_ref())
        }
        Change::Begin { stage, pass, since, at } => run(
            db,
            "UPDATE stage SET pass = ?2, cursor = ?5, partial = ?5 IS NOT NULL, next_mark = NULL,
               read = 0, finished = 0, keys = 0, digest = ?3, begun_at = ?4, finished_at = NULL
             WHERE id = ?1",
            params![
                stage_id(db, stage)?,
                pass,
                KeyDigest::default().to_bytes(),
                micros(*at),
                since.as_ref().map(Cursor::as_str)
            ],
        ),
        Change::Read { stage } => {
            run(db, "UPDATE stage SET read = 1 WHERE id = ?1", params![stage_id(db, stage)?])
        }
        Change::Finish { stage, at } => {
            let stage = stage_id(db, stage)?;
            run(
                db,
                "DELETE FROM entry WHERE stage = ?1 AND reason ->> 'code' = ?2
                   AND seen < (SELECT pass FROM stage WHERE id = ?1 AND NOT partial)",
                params![stage, UNREADABLE],
            )?;
            run(
                db,
                "UPDATE stage SET finished = 1, finished_at = ?2,
                   mark = coalesce(next_mark, mark), next_mark = NULL WHERE id = ?1",
                params![stage, micros(*at)],
            )
        }
        Change::Undone { key, at } => undone(db, key, *at),
        Change::Forget { key, at } => forget(db, key, *at),
        Change::Meta { name, value: Some(value) } => run(
            db,
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, json(value)?],
        ),
        Change::Meta { name, value: None } => {
            run(db, "DELETE FROM meta WHERE name = ?1", params![name])
        }
    }
}

/// What follows the record's key in the key of a write: nothing for the record's own.
fn part_name<'a>(key: &'a Key, root: &Key) -> &'a str {
    &key.as_str()[root.as_str().len()..]
}

fn undone(db: &Connection, key: &Key, at: DateTime<Utc>) -> Result<()> {
    let root = key.root();
    let Some(entry) = known_entry(db, &root)? else { return Ok(()) };
    let name = part_name(key, &root);
    let moved = db
        .prepare_cached(
            "INSERT INTO history
               (key, stage, target, fingerprint, how, state, done_at, undone_at)
             SELECT ?3, entry.stage, part.target, part.fingerprint, how, state, done_at, ?4
             FROM part JOIN entry ON entry.id = part.entry
             WHERE part.entry = ?1 AND name = ?2 AND intended_at IS NULL",
        )?
        .execute(params![entry, name, key.as_str(), micros(at)])?;
    if moved == 0 {
        return Ok(());
    }
    run(db, "DELETE FROM part WHERE entry = ?1 AND name = ?2", params![entry, name])?;
    run(db, "DELETE FROM before_image WHERE key = ?1", params![key.as_str()])?;
    if *key == root {
        run(db, "UPDATE entry SET target = NULL WHERE id = ?1", params![entry])?;
    }
    Ok(())
}

fn forget(db: &Connection, key: &Key, at: DateTime<Utc>) -> Result<()> {
    let Some(entry) = known_entry(db, key)? else { return Ok(()) };
    let names: Vec<String> = db
        .prepare_cached("SELECT name FROM part WHERE entry = ?1 ORDER BY ordinal")?
        .query_map([entry], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for name in names {
        undone(db, &Key::from(format!("{key}{name}")), at)?;
    }
    run(db, "DELETE FROM part WHERE entry = ?1", params![entry])?;
    run(db, "DELETE FROM alias WHERE entry = ?1", params![entry])?;
    run(db, "DELETE FROM parked WHERE key = ?1", params![key.as_str()])?;
    run(db, "DELETE FROM entry WHERE id = ?1", params![entry])
}

fn rename(db: &Connection, key: &Key, stage: &str, aliases: &[Alias]) -> Result<()> {
    let entry = entry_id(db, key, stage, DateTime::UNIX_EPOCH)?;
    run(db, "DELETE FROM alias WHERE entry = ?1", params![entry])?;
    for alias in aliases {
        let sql = "INSERT INTO alias (alias, entry) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        run(db, sql, params![alias.as_bytes(), entry])?;
    }
    Ok(())
}

fn park(db: &Connection, parked: &Parked) -> Result<()> {
    entry_id(db, &parked.key, &parked.stage, DateTime::UNIX_EPOCH)?;
    run(
        db,
        "INSERT INTO parked (key, stage, lane, why, since, not_before, looks, notes, drafts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (key) DO UPDATE SET
           stage = excluded.stage, lane = excluded.lane, why = excluded.why,
           since = excluded.since, not_before = excluded.not_before, looks = excluded.looks,
           notes = excluded.notes, drafts = excluded.drafts",
        params![
            parked.key.as_str(),
            stage_id(db, &parked.stage)?,
            parked.lane,
            parking_code(parked.why),
            micros(parked.since),
            micros(parked.not_before),
            parked.looks,
            json_list(&parked.notes)?,
            json(&parked.drafts)?.into_bytes(),
        ],
    )
}

fn page(
    db: &Connection,
    stage: &str,
    pass: u32,
    keys: &[Key],
    next: Option<&Cursor>,
    mark: Option<&Cursor>,
) -> Result<()> {
    let stage = stage_id(db, stage)?;
    let mut digest = KeyDigest::from_bytes(
        db.prepare_cached("SELECT digest FROM stage WHERE id = ?1")?
            .query_row([stage], |row| row.get(0))?,
    );
    for key in keys {
        digest.add(key);
        run(db, "UPDATE entry SET seen = ?2 WHERE key = ?1", params![key.as_str(), pass])?;
    }
    run(
        db,
        "UPDATE stage SET keys = keys + ?2, digest = ?3, cursor = ?4,
           next_mark = coalesce(next_mark, ?5) WHERE id = ?1",
        params![
            stage,
            keys.len() as i64,
            digest.to_bytes(),
            next.map(Cursor::as_str),
            mark.map(Cursor::as_str)
        ],
    )
}

/// The row of a record's entry, which is made, as pending, if there is none.
fn entry_id(db: &Connection, key: &Key, stage: &str, at: DateTime<Utc>) -> Result<i64> {
    if let Some(id) = known_entry(db, key)? {
        return Ok(id);
    }
    let stage = stage_id(db, stage)?;
    let pending = fate_code(Fate::Pending);
    db.prepare_cached("INSERT INTO entry (key, stage, fate, at) VALUES (?1, ?2, ?3, ?4)")?
        .insert(params![key.as_str(), stage, pending, micros(at)])
}

fn known_entry(db: &Connection, key: &Key) -> Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM entry WHERE key = ?1")?
        .query_row([key.as_str()], |row| row.get(0))
        .optional()
}

/// The row of a stage, which is made if there is none.
fn stage_id(db: &Connection, stage: &str) -> Result<i64> {
    let known = db
        .prepare_cached("SELECT id FROM stage WHERE name = ?1")?
        .query_row([stage], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => db.prepare_cached("INSERT INTO stage (name) VALUES (?1)")?.insert([stage]),
    }
}

fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    db.prepare_cached(sql)?.execute(params).map(drop)
}
