//! Erasing people's data, and keeping the proof.

use std::mem;

use rusqlite::{Connection, TransactionBehavior};

use super::chain::Chain;
use super::code::parking_code;
use super::names::{self, Name};
use super::row::{Result, Table, run, verify};
use super::tables::{Record, Stage, StageNames, State, read_meta, write_meta};
use crate::ledger::Parking;
use crate::{Fate, Reason};

/// Records that may not be purged: pending, in doubt, or parked.
pub(super) fn open_records(db: &Connection) -> Result<u64> {
    let open = |stage: &Stage| stage.tally().of(Fate::Pending) + stage.tally().of(Fate::InDoubt);
    let unsettled: u64 = Stage::all(db)?.iter().map(open).sum();
    // One that is queued only keeps its place in its lane there.
    let waiting = "SELECT count(*) FROM parked WHERE why <> ?1";
    let parked: i64 = db.query_row(waiting, [parking_code(Parking::Queued)], |row| row.get(0))?;
    Ok(unsettled.max(parked.unsigned_abs()))
}

/// Erases everything but keys, stages, fates, codes of reasons, times, passes, counts and digests,
/// and the values of these names. Returns the number of the commit.
pub(super) fn purge(db: &mut Connection, keep: &[&str]) -> Result<i64> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut kept = Vec::new();
    for name in keep {
        if let Some(row) = names::find(&tx, &Name::meta(name))? {
            kept.push((row, *name, read_meta(&tx, row, name)?));
        }
    }
    for table in [
        Table::Name,
        Table::Parked,
        Table::Discovery,
        Table::BeforeImage,
        Table::History,
        Table::Meta,
    ] {
        run(&tx, &format!("DELETE FROM {}", table.name()), [])?;
    }
    names::begin(&tx)?;
    let mut chain = Chain::default();
    for mut stage in Stage::all(&tx)? {
        chain.add(&tx, &Name::stage(&stage.name), stage.id)?;
        // Where reading goes on may be a number or a name.
        stage.progress.next_mark = None;
        (stage.progress.state.cursor, stage.progress.state.mark) = (None, None);
        stage.write(&tx)?;
    }
    for (row, name, value) in kept {
        chain.add(&tx, &Name::meta(name), row)?;
        write_meta(&tx, row, name, &value.unwrap_or_default())?;
    }
    entries(&tx, &mut chain)?;
    let mut state = State::read(&tx)?;
    state.purged = true;
    state.commits += 1;
    state.write(&tx)?;
    tx.commit()?;
    shrink(db)?;
    Ok(state.commits)
}

/// Strips the entries, some thousands at a time, so that memory does not depend on their number.
fn entries(db: &Connection, chain: &mut Chain) -> Result<()> {
    let (mut after, mut stages) = (0, StageNames::default());
    loop {
        let mut some = Vec::new();
        let mut select =
            db.prepare_cached("SELECT * FROM entry WHERE id > ?1 ORDER BY id LIMIT 2000")?;
        let mut rows = select.query([after])?;
        while let Some(row) = rows.next()? {
            verify(Table::Entry, row)?;
            some.push(Record::decode(db, row, &mut stages)?);
        }
        chain.write(db)?;
        let Some(last) = some.last() else { return Ok(()) };
        after = last.id;
        for mut record in some {
            chain.add(db, &Name::key(&record.entry.key), record.id)?;
            let entry = &mut record.entry;
            entry.reason = mem::take(&mut entry.reason).map(|it| Reason::new(it.code, ""));
            (entry.fingerprint, entry.target) = (None, None);
            entry.notes.clear();
            entry.parts.clear();
            record.aliases.clear();
            record.parked = None;
            record.write(db, false)?;
        }
    }
}

/// Makes the file anew without what was erased, and leaves no log behind.
fn shrink(db: &Connection) -> Result<()> {
    // The copy that is made on the way may be large, and holds nothing that was erased.
    db.execute_batch("PRAGMA temp_store = file; VACUUM")?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    match db.query_row(sql, [], |row| row.get::<_, bool>(0))? {
        false => Ok(()),
        true => {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            Err(rusqlite::Error::SqliteFailure(busy, None).into())
        }
    }
}
