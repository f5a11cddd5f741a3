//! Rows of the file and the checksum that each of them carries.

use std::fmt;

use crc32fast::Hasher;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

/// What reading or writing the file ends with.
pub(super) type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Why the file could not be read or written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// What stands there is not what was written.
    Damaged(Damage),
}

/// Where the file is damaged. It names tables, rows and keys, and never what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) table: Table,
    /// A key, or the number of a row.
    pub(super) place: String,
    pub(super) what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, {}: {}", self.table.name(), self.place, self.what)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Trouble {
    /// The same, with the key that was asked for in place of the number of the row.
    pub(super) fn of_key(mut self, key: impl fmt::Display) -> Self {
        if let Self::Damaged(damage) = &mut self {
            damage.place = format!("key {key}");
        }
        self
    }
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    State,
    Binding,
    Name,
    Stage,
    Entry,
    Parked,
    Discovery,
    BeforeImage,
    History,
    Meta,
}

impl Table {
    pub(super) const ALL: [Table; 10] = [
        Table::State,
        Table::Binding,
        Table::Name,
        Table::Stage,
        Table::Entry,
        Table::Parked,
        Table::Discovery,
        Table::BeforeImage,
        Table::History,
        Table::Meta,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::State => "state",
            Table::Binding => "binding",
            Table::Name => "name",
            Table::Stage => "stage",
            Table::Entry => "entry",
            Table::Parked => "parked",
            Table::Discovery => "discovery",
            Table::BeforeImage => "before_image",
            Table::History => "history",
            Table::Meta => "meta",
        }
    }

    /// A row of this table is not what was written.
    pub(super) fn damaged(self, place: impl fmt::Display, what: &'static str) -> Trouble {
        Trouble::Damaged(Damage { table: self, place: place.to_string(), what })
    }
}

/// A checksum under way.
pub(super) struct Sum(Hasher);

impl Sum {
    pub(super) fn of(table: Table) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(table.name().as_bytes());
        Self(hasher)
    }

    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.update(&[0]),
            ValueRef::Integer(n) => {
                let mut bytes = [1; 9];
                bytes[1..].copy_from_slice(&n.to_le_bytes());
                self.0.update(&bytes);
            }
            ValueRef::Real(n) => self.0.update(&n.to_bits().to_le_bytes()),
            ValueRef::Text(bytes) => self.add_bytes(2, bytes),
            ValueRef::Blob(bytes) => self.add_bytes(3, bytes),
        }
    }

    fn add_bytes(&mut self, sort: u8, bytes: &[u8]) {
        let mut head = [sort; 9];
        head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.update(&head);
        self.0.update(bytes);
    }

    /// As the file keeps it: with a sign, it never takes more than four bytes there.
    pub(super) fn end(self) -> i32 {
        self.0.finalize() as i32
    }
}

/// Is the row as it was written? Its first column names it, its last holds its checksum, and it is
/// read whole.
pub(super) fn verify(table: Table, row: &Row<'_>) -> Result<()> {
    let last = row.as_ref().column_count() - 1;
    let mut sum = Sum::of(table);
    for column in 0..last {
        sum.add(row.get_ref(column)?);
    }
    match row.get_ref(last)? {
        ValueRef::Integer(known) if known == i64::from(sum.end()) => Ok(()),
        _ => {
            let row = row.get_ref(0).ok().and_then(|id| id.as_i64().ok()).unwrap_or_default();
            Err(table.damaged(format_args!("row {row}"), "its checksum does not fit"))
        }
    }
}

/// Writes a row with its checksum, which is the parameter after the last value. The values are those
/// of all its columns, also of those that the statement leaves as they are.
pub(super) fn write(
    db: &Connection,
    table: Table,
    sql: &str,
    values: &[ToSqlOutput<'_>],
) -> Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut sum = Sum::of(table);
    for (n, value) in (1..).zip(values) {
        match value {
            ToSqlOutput::Borrowed(value) => sum.add(*value),
            ToSqlOutput::Owned(value) => sum.add(value.into()),
            // Nothing else is written anywhere here, and it would not fit its checksum.
            _ => {}
        }
        statement.raw_bind_parameter(n, value)?;
    }
    statement.raw_bind_parameter(values.len() + 1, sum.end())?;
    statement.raw_execute()?;
    Ok(())
}

/// Runs a statement that writes no row.
pub(super) fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    db.prepare_cached(sql)?.execute(params)?;
    Ok(())
}
