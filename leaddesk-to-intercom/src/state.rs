//! The state directory: ledger, plan, report, queues, log. Its files name records, so nobody but
//! their owner can read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use migrate_core::ledger::Entry;
use migrate_core::{Fate, QueueLine};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state directory.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens or makes the directory; only its owner may look into one that is made.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self { path })
    }

    /// A directory that is there already.
    pub fn existing(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The ledger.
    pub fn ledger(&self) -> PathBuf {
        self.file("ledger.sqlite")
    }

    /// Reads a JSON file, if it is there.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.file(name)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a JSON file, whole or not at all.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write_whole(&self.file(name), |file| {
            serde_json::to_writer_pretty(&mut *file, value)?;
            file.write_all(b"\n")
        })
    }

    /// Begins to write the files of all queues anew.
    pub fn queues(&self) -> io::Result<Queues> {
        let dir = Self::create(self.file("queues"))?.path;
        Ok(Queues { dir, files: Vec::new() })
    }

    /// Begins to write the file of losses anew.
    pub fn losses(&self) -> io::Result<Losses> {
        let file = private(&self.file("losses.jsonl.new"))?;
        Ok(Losses { state: self.clone(), file: BufWriter::new(file) })
    }
}

/// The name of the file of dead letters, beside those of the queues.
const DEAD: &str = "dead";

/// Files of queues that are being written: one JSON line for each record.
#[derive(Debug)]
pub struct Queues {
    dir: PathBuf,
    files: Vec<(String, BufWriter<File>)>,
}

impl Queues {
    /// Adds a record that is queued or dead.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let code = entry.reason.as_ref().map_or("", |reason| reason.code.as_str());
        let name = if entry.fate == Fate::Dead { DEAD } else { code };
        let index = match self.files.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None => {
                let file = private(&self.dir.join(format!("{name}.jsonl.new")))?;
                self.files.push((name.to_owned(), BufWriter::new(file)));
                self.files.len() - 1
            }
        };
        let file = &mut self.files[index].1;
        serde_json::to_writer(&mut *file, &QueueLine::new(entry))?;
        file.write_all(b"\n")
    }

    /// Puts the new files in the place of the old; those of queues that are empty now go.
    pub fn finish(self) -> io::Result<()> {
        let mut kept = Vec::new();
        for (name, file) in self.files {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            let file = self.dir.join(format!("{name}.jsonl"));
            fs::rename(self.dir.join(format!("{name}.jsonl.new")), &file)?;
            kept.push(file);
        }
        for found in fs::read_dir(&self.dir)? {
            let found = found?.path();
            let is_queue = found.to_string_lossy().contains(".jsonl");
            if is_queue && !kept.contains(&found) {
                fs::remove_file(found)?;
            }
        }
        Ok(())
    }
}

/// The file of what was left behind of records without being an error: one JSON line for each
/// record and field, `{key, kind, stage, code, field}`.
#[derive(Debug)]
pub struct Losses {
    state: StateDir,
    file: BufWriter<File>,
}

impl Losses {
    /// Adds what was left behind of a record.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        for note in &entry.notes {
            let line = serde_json::json!({
                "key": entry.key, "kind": entry.key.kind(), "stage": entry.stage,
                "code": note.code, "field": note.field,
            });
            serde_json::to_writer(&mut self.file, &line)?;
            self.file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Puts the new file in the place of the old.
    pub fn finish(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(self.state.file("losses.jsonl.new"), self.state.file("losses.jsonl"))
    }
}

/// Writes a file beside its place and moves it there when it is whole and on the disk.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = BufWriter::new(private(&beside)?);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&beside, path)
}

/// A file that grows and that only its owner can read.
pub fn appending(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// An empty file that only its owner can read, whatever stood there before.
pub fn private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
