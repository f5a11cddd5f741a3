//! Looking at everything in the file.

use std::fmt;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::code::fate_code;
use super::names::{self, Name};
use super::row::{Damage, Result, Table, Trouble, verify};
use super::tables::{
    Record, Stage, StageNames, State, number, read_image, read_meta, read_parked, read_past,
};
use crate::ledger::Proof;
use crate::{Alias, Fate, Key};

/// A file of so many bytes at most is looked at whole when it is opened: some ten thousand records,
/// which takes milliseconds.
pub(super) const SMALL: i64 = 2 << 20;

/// Problems that are told; behind the first few hundred nobody reads.
const TOLD: usize = 500;

/// What a look at a whole ledger has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The tables with the number of rows that were looked at, each with its checksum.
    pub tables: Vec<(String, u64)>,
    /// What is wrong; nothing in a sound ledger. The first few hundred are told.
    pub problems: Vec<Problem>,
}

impl CheckReport {
    /// Was nothing found wrong?
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, table: Table, place: impl fmt::Display, what: impl Into<String>) {
        if self.problems.len() < TOLD {
            let (table, place, what) = (table.name().into(), place.to_string(), what.into());
            self.problems.push(Problem { table, place, what });
        }
    }

    /// What a row was found to be, or the problem that it is; other troubles end the look.
    fn sort<T>(&mut self, found: Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Damaged(Damage { table, place, what })) => {
                self.problem(table, place, what);
                Ok(None)
            }
            Err(Trouble::Sqlite(error)) => Err(Trouble::Sqlite(error)),
        }
    }
}

/// Something that is wrong in a ledger. It says where, and never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The table.
    pub table: String,
    /// The key of the record, or the number of the row where the key cannot be told.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, {}: {}", self.table, self.place, self.what)
    }
}

/// Is the file so small that every opening looks at all of it?
pub(super) fn is_small(db: &Connection) -> Result<bool> {
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(pages.saturating_mul(size) <= SMALL)
}

/// Looks at everything, from one state of the file; where asked for, also whether the engine has
/// counted the keys that it says it has read.
pub(super) fn everything(db: &Connection, digests: bool) -> Result<CheckReport> {
    let state = db.unchecked_transaction()?;
    let mut look =
        Look { db, report: CheckReport::default(), counts: [0; Table::ALL.len()], digests };
    look.whole()?;
    state.finish()?;
    let counts = Table::ALL.into_iter().zip(look.counts);
    look.report.tables = counts.map(|(table, rows)| (table.name().to_owned(), rows)).collect();
    Ok(look.report)
}

struct Look<'a> {
    db: &'a Connection,
    report: CheckReport,
    counts: [u64; Table::ALL.len()],
    digests: bool,
}

/// What the stage's own row says must be found among its entries.
struct Counted {
    stage: Stage,
    tally: [u64; Fate::ALL.len()],
    seen: Proof,
}

/// How many names of each sort there must be.
#[derive(Default)]
struct Named {
    keys: u64,
    aliases: u64,
}

impl Look<'_> {
    fn whole(&mut self) -> Result<()> {
        self.pages()?;
        let (mut named, mut parked) = (Named::default(), 0);
        self.rows(Table::State, |look, _| look.one_state())?;
        self.rows(Table::Binding, |_, _| Ok(()))?;
        let mut stages = Vec::new();
        self.rows(Table::Stage, |look, row| {
            let stage = Stage::read(look.db, row.get(0)?)?;
            look.is_named(&Name::stage(&stage.name), stage.id, Table::Stage)?;
            stages.push(Counted { stage, tally: Default::default(), seen: Proof::default() });
            Ok(())
        })?;
        let mut stage_names = StageNames::default();
        self.rows(Table::Entry, |look, row| {
            let record = Record::decode(look.db, row, &mut stage_names)?;
            named.keys += 1;
            named.aliases += record.aliases.len() as u64;
            parked += u64::from(record.parked.is_some());
            look.entry(&record, &mut stages)
        })?;
        self.stages(&stages);
        self.rows(Table::Parked, |look, row| {
            let (id, waiting) = read_parked(look.db, row, &mut stage_names)?;
            look.is_parked(number(id), &waiting.key, &mut stage_names)
        })?;
        self.as_many(Table::Parked, parked, "records say that something is parked of them");
        self.rows(Table::Discovery, |look, row| {
            let (list, item): (String, String) = (row.get("list")?, row.get("item")?);
            look.is_named(&Name::discovery(&list, &item), row.get(0)?, Table::Discovery)
        })?;
        self.rows(Table::BeforeImage, |look, row| {
            let key = Key::from(row.get::<_, String>("key")?);
            read_image(look.db, row.get(0)?, &key)?;
            look.is_named(&Name::before(&key), row.get(0)?, Table::BeforeImage)
        })?;
        self.rows(Table::History, |look, row| read_past(look.db, row, &mut stage_names).map(drop))?;
        self.rows(Table::Meta, |look, row| {
            let name: String = row.get("name")?;
            read_meta(look.db, row.get(0)?, &name)?;
            look.is_named(&Name::meta(&name), row.get(0)?, Table::Meta)
        })?;
        self.chain(&named)
    }

    /// SQLite's own look, at pages and indices.
    fn pages(&mut self) -> Result<()> {
        let mut select = self.db.prepare("PRAGMA integrity_check(100)")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let what: String = row.get(0)?;
            if what != "ok" {
                let (table, place) = ("sqlite".to_owned(), "a page".to_owned());
                self.report.problems.push(Problem { table, place, what });
            }
        }
        Ok(())
    }

    /// Each row of a table, with its checksum and whatever else there is to say about it.
    fn rows(
        &mut self,
        table: Table,
        mut each: impl FnMut(&mut Self, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let db = self.db;
        let mut select = db.prepare(&format!("SELECT * FROM {} ORDER BY id", table.name()))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            self.counts[table as usize] += 1;
            let found = verify(table, row).and_then(|()| each(self, row)).map_err(|trouble| {
                match trouble {
                    // The row is what was written, and yet it cannot be read.
                    Trouble::Sqlite(error) if error.sqlite_error_code().is_none() => {
                        let id = row.get::<_, i64>(0).unwrap_or_default();
                        table.damaged(format_args!("row {id}"), "it cannot be read")
                    }
                    trouble => trouble,
                }
            });
            self.report.sort(found)?;
        }
        Ok(())
    }

    fn one_state(&mut self) -> Result<()> {
        let state = State::read(self.db)?;
        for (table, last) in [(Table::Entry, state.entries), (Table::Parked, state.others)] {
            let sql = format!("SELECT max(id) FROM {}", table.name());
            let newest: Option<i64> = self.db.query_row(&sql, [], |row| row.get(0))?;
            if newest.is_some_and(|newest| newest > last) {
                self.report.problem(table, "all rows", "there are more than were ever given out");
            }
        }
        Ok(())
    }

    fn entry(&mut self, record: &Record, stages: &mut [Counted]) -> Result<()> {
        let entry = &record.entry;
        if let Some(counted) = stages.iter_mut().find(|it| it.stage.id == record.stage) {
            if let Ok(slot) = usize::try_from(fate_code(entry.fate)) {
                counted.tally[slot] += 1;
            }
            if entry.fate.is_final() && entry.seen == counted.stage.progress.state.pass {
                counted.seen.add(&entry.key);
            }
        }
        self.is_named(&Name::key(&entry.key), record.id, Table::Entry)?;
        for alias in &record.aliases {
            let name = Name::alias(alias);
            if !names::find_all(self.db, &name)?.contains(&record.id) {
                let alias = Alias::from_bytes(*alias);
                let what = format!("{alias:?} does not lead to it");
                self.report.problem(Table::Entry, format_args!("key {}", entry.key), what);
            }
        }
        if let Some(row) = record.parked {
            let sql = "SELECT 1 FROM parked WHERE id = ?1";
            let there = self.db.prepare_cached(sql)?.query_row([row], |_| Ok(())).optional()?;
            if there.is_none() {
                let what = "what is parked of it is missing";
                self.report.problem(Table::Entry, format_args!("key {}", entry.key), what);
            }
        }
        Ok(())
    }

    fn stages(&mut self, stages: &[Counted]) {
        for Counted { stage, tally, seen } in stages {
            let place = format!("key {}", stage.name);
            if stage.tally != *tally {
                self.report.problem(Table::Stage, &place, "it has counted other entries");
            }
            let state = &stage.progress.state;
            // A pass may have brought keys that were forgotten since, but as many are the same.
            if self.digests
                && state.finished
                && seen.keys == state.keys
                && seen.digest != state.digest
            {
                let what = "the digest of the keys that were read is not that of its entries";
                self.report.problem(Table::Stage, &place, what);
            }
        }
    }

    fn is_named(&mut self, name: &Name, row: i64, table: Table) -> Result<()> {
        if names::find(self.db, name)? != Some(row) {
            self.report.problem(table, format_args!("row {row}"), "its name does not lead to it");
        }
        Ok(())
    }

    fn is_parked(&mut self, row: i64, key: &Key, stages: &mut StageNames) -> Result<()> {
        let record = match names::find(self.db, &Name::key(key))? {
            Some(id) => Some(Record::of_key(self.db, id, key, stages)?),
            None => None,
        };
        if record.and_then(|record| record.parked) != Some(row) {
            let what = "no record says that this is parked of it";
            self.report.problem(Table::Parked, format_args!("key {key}"), what);
        }
        Ok(())
    }

    fn as_many(&mut self, table: Table, expected: u64, what: &str) {
        let found = self.counts[table as usize];
        if found != expected {
            let what = format!("it has {found} rows, and {expected} {what}");
            self.report.problem(table, "all rows", what);
        }
    }

    /// The chain of names is whole, and has no more names than there are things.
    fn chain(&mut self, named: &Named) -> Result<()> {
        let (mut links, mut aliases, mut others, mut broken) = (0, 0, [0; Table::ALL.len()], 0);
        names::each(self.db, |link, whole| {
            links += 1;
            broken += u64::from(!whole);
            match link.name.table() {
                Some(_) if link.name.as_alias().is_some() => aliases += 1,
                Some(table) => others[table as usize] += 1,
                None => {}
            }
            Ok(())
        })?;
        self.counts[Table::Name as usize] = links;
        if broken > 0 {
            let what = format!("{broken} links do not lead to the next");
            self.report.problem(Table::Name, "all rows", what);
        }
        let expected = |table: Table| match table {
            Table::Entry => named.keys,
            table => self.counts[table as usize],
        };
        let tables =
            [Table::Entry, Table::Stage, Table::Discovery, Table::BeforeImage, Table::Meta];
        let mut wrong: Vec<_> = tables
            .into_iter()
            .filter(|table| others[*table as usize] != expected(*table))
            .map(Table::name)
            .collect();
        if aliases != named.aliases {
            wrong.push("alias");
        }
        for table in wrong {
            let what = format!("there are not as many names as things that are named: {table}");
            self.report.problem(Table::Name, "all rows", what);
        }
        Ok(())
    }
}
