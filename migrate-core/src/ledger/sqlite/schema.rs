//! The tables of the file, of each version, and bringing an older file up to date.

use std::path::Path;

use rusqlite::{Connection, Row, TransactionBehavior};

use super::code::Columns as _;
use super::file::trouble;
use super::names;
use super::parts::how_of;
use super::row::Result;
use super::store::{Store, Tx};
use super::tables::{State, write_binding};
use crate::ledger::{
    Binding, Change, LedgerError, LedgerErrorKind, Parked, Part, PartState, Written,
};
use crate::{Alias, Cursor, Fingerprint, Key, KeyDigest, TargetId};

/// "MigL", by which the file is known for a ledger.
const APPLICATION_ID: i32 = 0x4D69_674C;

/// The newest version.
pub(super) const NEWEST: usize = SCHEMAS.len();
const ABOVE: usize = NEWEST + 1;

const SCHEMAS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema2.sql")];

/// The version of a file that is ours, with exactly the tables of that version; 0 for one that is
/// new.
pub(super) fn version(db: &Connection, path: &Path) -> Result<usize, LedgerError> {
    let opening = |error| trouble(path, "open", error);
    let read = || -> Result<_> {
        let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((application, version, tables(db)?))
    };
    let (application, version, tables) = read().map_err(opening)?;
    if (application, version, tables.is_empty()) == (0, 0, true) {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        let message = format!(
            "{} is the database of another program: name another file for the ledger",
            path.display()
        );
        return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
    }
    match usize::try_from(version) {
        Ok(version @ 1..=NEWEST) if tables == tables_of(version).map_err(opening)? => Ok(version),
        Ok(version @ ABOVE..) => {
            let message = format!(
                "the ledger {} is of version {version}, and this program knows none above \
                 {NEWEST}: use the newer program that wrote it",
                path.display()
            );
            Err(LedgerError::new(LedgerErrorKind::Newer, message))
        }
        _ => {
            let message = format!(
                "the ledger {} is damaged (its tables are not those of its version): put back a \
                 copy of it, all of its files together",
                path.display()
            );
            Err(LedgerError::new(LedgerErrorKind::Corrupt, message))
        }
    }
}

/// The text of all tables and indices, in the order of their names.
fn tables(db: &Connection) -> Result<Vec<(String, Option<String>)>> {
    let sql = "SELECT type || ' ' || name || ' ' || tbl_name, sql FROM sqlite_schema
               WHERE name <> 'sqlite_sequence' ORDER BY 1";
    let mut select = db.prepare(sql)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn tables_of(version: usize) -> Result<Vec<(String, Option<String>)>> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(SCHEMAS[version - 1])?;
    tables(&db)
}

/// Makes the tables of a new file and binds it, or brings an older one up to date: whole or not at
/// all.
pub(super) fn update(db: &mut Connection, version: usize, binding: &Binding) -> Result<()> {
    if version == NEWEST {
        return Ok(());
    }
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version == 0 {
        begin(&step)?;
        for (id, (name, value)) in (1..).zip(binding.named()) {
            write_binding(&step, id, name, value)?;
        }
    } else {
        from_version_1(&step)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID)?;
    step.pragma_update(None, "user_version", NEWEST as i64)?;
    Ok(step.commit()?)
}

fn begin(db: &Connection) -> Result<()> {
    db.execute_batch(SCHEMAS[NEWEST - 1])?;
    names::begin(db)?;
    State::default().write(db)
}

const OLD: [&str; 9] =
    ["part", "alias", "parked", "discovery", "before_image", "meta", "binding", "entry", "stage"];

/// Moves everything from the tables of version 1, which had neither checksums nor names, into new
/// ones, in the order in which it was first made.
fn from_version_1(db: &Connection) -> Result<()> {
    // References would hold the old tables together, and indices keep their names.
    db.execute_batch("PRAGMA legacy_alter_table = ON")?;
    let mut indices =
        db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?;
    let indices: Vec<String> =
        indices.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for index in indices {
        db.execute_batch(&format!("DROP INDEX {index}"))?;
    }
    for table in OLD {
        db.execute_batch(&format!("ALTER TABLE {table} RENAME TO old_{table}"))?;
    }
    begin(db)?;
    for (id, sql) in [(1, "source"), (2, "destination"), (3, "key_prefix")] {
        let select = "SELECT value FROM old_binding WHERE name = ?1";
        let value: String = db.query_row(select, [sql], |row| row.get(0))?;
        write_binding(db, id, sql, &value)?;
    }
    let mut store = Store::default();
    let mut tx = Tx { db, store: &mut store };
    move_stages(&mut tx)?;
    move_entries(&mut tx)?;
    move_parked(&mut tx)?;
    move_others(&mut tx)?;
    tx.write()?;
    for table in OLD {
        db.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    db.execute_batch("PRAGMA legacy_alter_table = OFF")?;
    Ok(())
}

fn move_stages(tx: &mut Tx<'_>) -> Result<()> {
    old(tx, "SELECT * FROM old_stage ORDER BY id", |tx, row| {
        let stage = tx.stage(&row.get::<_, String>("name")?)?;
        let state = &mut stage.progress.state;
        state.pass = row.get("pass")?;
        state.cursor = row.get::<_, Option<String>>("cursor")?.map(Cursor::new);
        (state.read, state.finished) = (row.get("read")?, row.get("finished")?);
        state.keys = row.count("keys")?;
        state.digest = KeyDigest::from_bytes(row.get("digest")?);
        stage.begun_at = row.get("begun_at")?;
        stage.finished_at = row.get("finished_at")?;
        Ok(())
    })
}

fn move_entries(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "SELECT old_entry.*, old_stage.name AS stage_name FROM old_entry
               JOIN old_stage ON old_stage.id = old_entry.stage ORDER BY old_entry.id";
    old(tx, sql, |tx, row| {
        let key = Key::from(row.get::<_, String>("key")?);
        let stage: String = row.get("stage_name")?;
        let (id, at) = (row.get::<_, i64>("id")?, row.time("at")?);
        tx.apply(&Change::Settle {
            key: key.clone(),
            stage: stage.clone(),
            fate: row.fate("fate")?,
            fingerprint: row.get::<_, Option<_>>("fingerprint")?.map(Fingerprint::from_bytes),
            target: row.get::<_, Option<String>>("target")?.map(TargetId::new),
            reason: row.json("reason")?,
            notes: row.json("notes")?.unwrap_or_default(),
            attempts: row.get("attempts")?,
            at,
        })?;
        let parts = old_parts(tx.db, id, &key)?;
        let aliases = old_aliases(tx.db, id)?;
        if let Some(record) = tx.change(&key)? {
            record.entry.seen = row.get("seen")?;
            record.entry.parts = parts;
        }
        if !aliases.is_empty() {
            tx.rename(&key, &stage, &aliases)?;
        }
        tx.write_some()
    })
}

fn old_parts(db: &Connection, entry: i64, root: &Key) -> Result<Vec<Part>> {
    let sql = "SELECT * FROM old_part WHERE entry = ?1 ORDER BY ordinal";
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([entry])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let key = Key::from(format!("{root}{}", row.get::<_, String>("name")?));
        let known = match row.get::<_, Option<String>>("target")? {
            Some(target) => Some(Written {
                target: TargetId::new(target),
                fingerprint: Fingerprint::from_bytes(row.get("fingerprint")?),
                how: row.get("how").map(how_of)?.ok_or(rusqlite::Error::InvalidQuery)?,
                state: None,
                at: row.time("done_at")?,
            }),
            None => None,
        };
        let state = match (known, row.get::<_, Option<i64>>("intended_at")?) {
            (Some(known), None) => PartState::Done(known),
            (known, _) => PartState::Intended { at: row.time("intended_at")?, known, draft: None },
        };
        parts.push(Part { key, state });
    }
    Ok(parts)
}

fn old_aliases(db: &Connection, entry: i64) -> Result<Vec<Alias>> {
    let mut select = db.prepare_cached("SELECT alias FROM old_alias WHERE entry = ?1")?;
    let aliases = select.query_map([entry], |row| row.get(0).map(Alias::from_bytes))?;
    Ok(aliases.collect::<rusqlite::Result<_>>()?)
}

fn move_parked(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "SELECT old_parked.*, old_stage.name AS stage_name FROM old_parked
               JOIN old_stage ON old_stage.id = old_parked.stage ORDER BY old_parked.id";
    old(tx, sql, |tx, row| {
        tx.apply(&Change::Park(Box::new(Parked {
            key: Key::from(row.get::<_, String>("key")?),
            stage: row.get("stage_name")?,
            lane: row.get("lane")?,
            why: row.parking("why")?,
            since: row.time("since")?,
            not_before: row.time("not_before")?,
            looks: row.get("looks")?,
            drafts: row.json_blob("drafts")?,
            notes: row.json("notes")?.unwrap_or_default(),
        })))?;
        tx.write_some()
    })
}

fn move_others(tx: &mut Tx<'_>) -> Result<()> {
    old(tx, "SELECT * FROM old_discovery ORDER BY id", |tx, row| {
        tx.apply(&Change::Discover { list: row.get("list")?, item: row.get("item")? })
    })?;
    old(tx, "SELECT * FROM old_before_image ORDER BY rowid", |tx, row| {
        let (key, image) = (row.get::<_, String>("key")?, row.json_blob("image")?);
        tx.apply(&Change::Before { key: Key::from(key), image })
    })?;
    old(tx, "SELECT * FROM old_meta ORDER BY name", |tx, row| {
        tx.apply(&Change::Meta { name: row.get("name")?, value: row.json("value")? })
    })
}

fn old(
    tx: &mut Tx<'_>,
    sql: &str,
    mut each: impl FnMut(&mut Tx<'_>, &Row<'_>) -> Result<()>,
) -> Result<()> {
    let db = tx.db;
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        each(tx, row)?;
    }
    Ok(())
}
