//! Puts together what belongs to one conversation, in bounded memory.
//!
//! Rows of one conversation need not stand together, and the four files need not be in one order. So conversations are
//! divided by a hash of their id into as many parts as are needed for each to fit into memory, and all files are read
//! once for each part.

use std::collections::HashMap;
use std::fmt;

use super::archive::Archive;
use super::assemble::Group;
use super::columns::Column;
use super::conversation::{Conversation, is_mangled};
use super::kind::{FileKind, Shape};
use super::rows::{Record, Row};
use crate::error::{Error, ErrorKind};
use crate::unreadable::Unreadable;

/// All conversations of the archive, joined by their id from every file that has one.
///
/// They come in the order of a hash of their id: the same in every run, and whatever the order of rows, the number of
/// files or the limits. A row that cannot be read, has no id, or an id that a spreadsheet has rewritten (`1.23E+15`)
/// comes as an [`Unreadable`]; the conversation it belongs to, if any, comes without it.
///
/// Some 8 MiB are held at a time; of files so large that each would be read more than 64 times for that, a 64th, but
/// never more than about [`Limits::memory`](super::Limits::memory). Each file is read again for each part.
///
/// # Errors
/// `Settings` if no file has ids of conversations: the export may hold only counts per period, which
/// [`Archive::rows`] gives.
pub fn conversations(archive: &Archive) -> Result<Conversations<'_>, Error> {
    let joined: Vec<FileKind> = archive
        .files()
        .iter()
        .filter(|file| matches!(file.shape, Shape::Turns | Shape::Conversations))
        .map(|file| file.kind)
        .collect();
    if joined.is_empty() {
        return Err(no_ids(archive));
    }
    let weight = weight(archive, &joined);
    let memory = archive.limits().memory.max(1) as u64;
    let parts = weight / (weight / PASSES).max(PART).min(memory) + 1;
    Ok(Conversations { archive, joined, parts, part: 0, bad: Vec::new(), ready: Vec::new() })
}

/// Bytes of a part, as long as that does not take more than so many passes.
const PART: u64 = 8 << 20;
const PASSES: u64 = 64;

/// The conversations of an archive; see [`conversations`].
///
/// An `Err` on the outside means that a file can no longer be read, and nothing follows it.
#[must_use]
pub struct Conversations<'a> {
    archive: &'a Archive,
    joined: Vec<FileKind>,
    parts: u64,
    /// The part to read next.
    part: u64,
    bad: Vec<Unreadable>,
    /// The conversations of the last part that was read, the next one last.
    ready: Vec<(u64, String, Group)>,
}

impl Conversations<'_> {
    /// The files that are joined. The others have no ids of conversations.
    #[must_use]
    pub fn joined(&self) -> &[FileKind] {
        &self.joined
    }

    /// How often the files are read.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.parts
    }

    /// Reads the conversations of one part.
    fn read(&mut self) -> Result<(), Error> {
        let archive = self.archive;
        let part = self.part;
        self.part += 1;
        // The parts are not quite equal; what is far above the limit is one huge conversation.
        let most = archive.limits().memory.saturating_mul(2);
        let mut held = 0_usize;
        let mut groups: HashMap<String, Group> = HashMap::new();
        for kind in &self.joined {
            for record in archive.rows(*kind)? {
                let Record { number, body } = record?;
                match body.and_then(|row| placed(archive, *kind, row)) {
                    Ok(row) => {
                        let id = row.get(Column::ConversationId);
                        if part_of(hash(id), self.parts) != part {
                            continue;
                        }
                        held += row.weight() + id.len() + 64;
                        let id = id.to_owned();
                        groups.entry(id).or_default().rows.push((*kind, row));
                    }
                    // Every part meets the same bad rows; they are told once.
                    Err(bad) if part == 0 => {
                        held += size_of::<Unreadable>() + bad.file.len() + bad.reason.len();
                        self.bad.push(bad);
                    }
                    Err(_) => {}
                }
                if held > most {
                    return Err(too_large(archive, *kind, number));
                }
            }
        }
        self.ready = groups.into_iter().map(|(id, group)| (hash(&id), id, group)).collect();
        self.ready.sort_unstable_by(|left, right| (right.0, &right.1).cmp(&(left.0, &left.1)));
        self.bad.reverse();
        Ok(())
    }
}

impl Iterator for Conversations<'_> {
    type Item = Result<Result<Conversation, Unreadable>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(bad) = self.bad.pop() {
                return Some(Ok(Err(bad)));
            }
            if let Some((_, id, group)) = self.ready.pop() {
                return Some(Ok(Ok(group.assemble(&id))));
            }
            if self.part >= self.parts {
                return None;
            }
            if let Err(error) = self.read() {
                self.part = self.parts;
                self.bad.clear();
                return Some(Err(error));
            }
        }
    }
}

impl fmt::Debug for Conversations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations")
            .field("joined", &self.joined)
            .field("parts", &self.parts)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// A hash that is the same in every run and on every machine (FNV-1a, with its bits mixed).
pub(super) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The part of a hash: an equal share of all hashes, in their order.
fn part_of(hash: u64, parts: u64) -> u64 {
    ((u128::from(hash) * u128::from(parts)) >> 64) as u64
}

/// The row, if its conversation can be told.
fn placed(archive: &Archive, kind: FileKind, row: Row) -> Result<Row, Unreadable> {
    let Some(reason) = unusable(row.get(Column::ConversationId)) else { return Ok(row) };
    let file = archive.info(kind).map_or("", |file| file.name.as_str());
    Err(Unreadable::new(file, row.number(), reason))
}

/// Why no conversation can be found by this id.
fn unusable(id: &str) -> Option<&'static str> {
    match id {
        "" => Some("the row has no conversation id"),
        id if is_mangled(id) => Some(
            "a spreadsheet has rewritten the conversation id (as 1.23E+15); export again, and do not open the file in a spreadsheet",
        ),
        _ => None,
    }
}

/// Bytes that the rows of these files take in memory, roughly.
fn weight(archive: &Archive, kinds: &[FileKind]) -> u64 {
    let files = archive.files().iter().filter(|file| kinds.contains(&file.kind));
    files
        .map(|file| {
            let columns = (file.columns.len() + file.unrecognised.len()) as u64;
            file.bytes + file.rows * (columns * 8 + 256)
        })
        .sum()
}

fn no_ids(archive: &Archive) -> Error {
    let seen: Vec<String> = archive
        .files()
        .iter()
        .map(|file| {
            let known = file.columns.iter().map(|(_, heading)| heading.as_str());
            let headings: Vec<&str> =
                known.chain(file.unrecognised.iter().map(String::as_str)).take(20).collect();
            format!("{} ({}): {}", file.name, file.shape, headings.join(", "))
        })
        .collect();
    let what = format!(
        "{} has no column that is known as the conversation's id, so there are no single conversations in it. If one of these is, add an alias for `conversation_id`: {}",
        archive.name(),
        seen.join("; ")
    );
    Error::new(ErrorKind::Settings, what)
}

fn too_large(archive: &Archive, kind: FileKind, record: u64) -> Error {
    let file = archive.info(kind).map_or("", |file| file.name.as_str());
    let what = format!(
        "{file}:{record}: up to here, a part of the conversations and the rows that cannot be read take more than twice the memory allowed ({} bytes). If that is right, raise the limit in the settings",
        archive.limits().memory
    );
    Error::new(ErrorKind::TooLarge, what)
}
