//! The account as the files that a customer without API access would have.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::{Account, AccountIndex};
use crate::leaddesk::fields;

impl Account {
    /// Writes `contacts.csv`, `calls.csv`, `agents.csv`, `campaigns.csv` and `calling_lists/*.csv` into a folder,
    /// which is made if need be. Columns are named as the API names its fields, the values are the API's own,
    /// fields are separated by `;`. Since the files stand for people's data, only their owner can read them.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn export(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir.join("calling_lists"))?;
        let contacts = self.contacts.iter().map(fields::contact);
        table(&dir.join("contacts.csv"), "id", contacts)?;
        table(
            &dir.join("calls.csv"),
            "id",
            self.calls.iter().map(fields::call),
        )?;
        table(
            &dir.join("agents.csv"),
            "id",
            self.agents.iter().map(fields::agent),
        )?;
        table(
            &dir.join("campaigns.csv"),
            "id",
            self.campaigns.iter().map(fields::campaign),
        )?;
        let index = AccountIndex::of(self);
        for list in &self.lists {
            let path = dir.join("calling_lists").join(format!("{}.csv", list.id));
            let mut file = create(&path)?;
            io::Write::write_all(
                &mut file,
                fields::list_export(self, &index, list.id).as_bytes(),
            )?;
        }
        Ok(())
    }
}

/// A table whose header is that of its first row; a file without rows has only the key column.
fn table(path: &Path, key: &str, rows: impl Iterator<Item = fields::Fields>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .from_writer(create(path)?);
    let mut headed = false;
    for row in rows {
        if !headed {
            writer.write_record(row.iter().map(|(name, _)| name.as_ref()))?;
            headed = true;
        }
        writer.write_record(row.iter().map(|(_, value)| value.text()))?;
    }
    if !headed {
        writer.write_record([key])?;
    }
    writer.flush()
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
