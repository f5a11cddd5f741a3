//! The chatbot's export as a source: its sessions, and those of them whose visitor nobody knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use leaddesk_client::Error;
use leaddesk_client::Personal;
use leaddesk_client::chatbot::{self, Archive, Column, Conversation, FileInfo, Settings, Shape};
use migrate_core::{Alias, Cursor, Estimate, Item, Page, Record, Source, SourceError, Unreadable};
use tokio::sync::mpsc;

use super::stamp::stamp;
use super::{PAGE, keys};
use crate::config::Config;
use crate::value::{Country, Email, Phone};

/// A session of the chatbot, and what its visitor has said about itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chat {
    /// The session.
    pub conversation: Conversation,
    /// The visitor's e-mail address, as written.
    pub email: Option<Personal<String>>,
    /// The visitor's number, as written.
    pub phone: Option<Personal<String>>,
    /// The visitor's name.
    pub name: Option<Personal<String>>,
}

/// Headings of columns about the visitor, folded, by what they hold. The reader knows no such columns:
/// nothing public says that an export has any.
const VISITOR: [(&str, Of); 16] = [
    ("visitoremail", Of::Email),
    ("customeremail", Of::Email),
    ("contactemail", Of::Email),
    ("useremail", Of::Email),
    ("asiakkaansahkoposti", Of::Email),
    ("visitorphone", Of::Phone),
    ("customerphone", Of::Phone),
    ("contactphone", Of::Phone),
    ("userphone", Of::Phone),
    ("phone", Of::Phone),
    ("phonenumber", Of::Phone),
    ("puhelin", Of::Phone),
    ("puhelinnumero", Of::Phone),
    ("visitorname", Of::Name),
    ("customername", Of::Name),
    ("contactname", Of::Name),
];

#[derive(Clone, Copy, PartialEq)]
enum Of {
    Email,
    Phone,
    Name,
}

/// Is this the heading of a column about the visitor? What such a column holds is the contact's.
pub(crate) fn is_about_visitor(heading: &str) -> bool {
    about(heading).is_some()
}

fn about(heading: &str) -> Option<Of> {
    let folded = folded(heading);
    VISITOR.iter().find(|(known, _)| *known == folded).map(|(_, of)| *of)
}

/// A heading as it is compared: letters and digits alone, in lower case.
pub(crate) fn folded(heading: &str) -> String {
    let letters = heading.chars().flat_map(char::to_lowercase).map(|letter| match letter {
        'ä' | 'å' => 'a',
        'ö' => 'o',
        other => other,
    });
    letters.filter(|letter| letter.is_alphanumeric()).collect()
}

impl Chat {
    /// A session, with what its columns say about the visitor.
    pub fn new(conversation: Conversation) -> Self {
        let said = |wanted: Of| {
            let turns = conversation.turns.iter().map(|turn| &turn.extra);
            let fields = turns.chain([&conversation.extra]).flat_map(Personal::reveal);
            let mut fields = fields.filter(|(heading, _)| about(heading) == Some(wanted));
            fields.next().map(|(_, text)| Personal::new(text.clone()))
        };
        let (email, phone, name) = (said(Of::Email), said(Of::Phone), said(Of::Name));
        Self { conversation, email, phone, name }
    }

    /// The names by which a contact may be known who is this visitor: address, then number. Without
    /// one the visitor is anonymous.
    pub fn contact(&self, country: Country) -> Vec<Alias> {
        let email = self.email.as_ref().and_then(|text| Email::parse(text.reveal()).ok());
        let phone = self.phone.as_ref().map(|text| Phone::parse(text.reveal(), country));
        let phone = phone.as_ref().and_then(Phone::e164).map(keys::phone);
        email.map(|email| keys::email(email.key())).into_iter().chain(phone).collect()
    }
}

/// The export of the chatbot, read once to its end.
#[derive(Clone, Debug)]
pub struct Chatbot {
    archive: Arc<Archive>,
    path: PathBuf,
    country: Country,
}

impl Chatbot {
    /// The export of a configuration, if it names one. It blocks while all of the file is read.
    ///
    /// # Errors
    /// Refused when the file or that of the aliases is not there or cannot be used.
    pub fn open(config: &Config) -> Result<Option<Self>, SourceError> {
        let Some(chatbot) = &config.source.chatbot else { return Ok(None) };
        let path = config.resolve(&chatbot.zip);
        let mut settings = Settings::default();
        if let Some(file) = &chatbot.aliases {
            settings.aliases = aliases(&config.resolve(file))?;
        }
        let opened = Archive::open(&path, settings);
        let archive = Arc::new(opened.map_err(|error| unusable(&path, error))?);
        Ok(Some(Self { archive, path, country: config.source.default_country }))
    }

    /// What each file of the export was found to be.
    pub fn files(&self) -> &[FileInfo] {
        self.archive.files()
    }

    /// The files of which there is none.
    pub fn missing(&self) -> Vec<chatbot::FileKind> {
        self.archive.missing()
    }

    /// The files whose rows are about no single sessions.
    pub fn without_sessions(&self) -> impl Iterator<Item = &FileInfo> {
        self.files().iter().filter(|file| !is_joined(file) && file.rows > 0)
    }

    /// What was found, a line for each file, for the report.
    pub fn notes(&self) -> Vec<String> {
        let of_file = |file: &FileInfo| {
            let what = match file.shape {
                _ if file.rows == 0 => "no rows",
                Shape::Turns => "a row for each message",
                Shape::Conversations => "a row for each session",
                Shape::Buckets => {
                    "counts per period, which become no conversations: see inventory/chatbot_analytics.json"
                }
                _ => {
                    "rows of an unknown shape, which become no conversations: see inventory/chatbot_analytics.json"
                }
            };
            let mut notes = vec![format!("chatbot: {} ({}) has {what}", file.name, file.kind)];
            notes.extend(file.notes.iter().map(|note| format!("chatbot: {}: {note}", file.name)));
            notes
        };
        let left_out = self.archive.notes().iter().map(|note| format!("chatbot: {note}"));
        self.files().iter().flat_map(of_file).chain(left_out).collect()
    }

    /// All sessions, in an order that is the same in every reading.
    pub fn chats(&self) -> Chats {
        Chats { chatbot: self.clone(), anonymous: false }
    }

    /// The sessions whose visitor is anonymous, by the keys of the visitors. What cannot be read is
    /// told with all [sessions](Self::chats).
    pub fn visitors(&self) -> Chats {
        Chats { chatbot: self.clone(), anonymous: true }
    }

    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// Sessions of the chatbot as a source. The cursor counts what was read, together with the state of the
/// file: of one that has changed since, all is read anew.
#[derive(Clone, Debug)]
pub struct Chats {
    chatbot: Chatbot,
    anonymous: bool,
}

/// Pages that are read ahead.
const AHEAD: usize = 2;

type Sender = mpsc::Sender<Result<Page<Chat>, SourceError>>;

impl Chats {
    /// Reads everything and sends it page by page, as long as somebody takes the pages.
    fn send(&self, from: Option<&Cursor>, pages: &Sender) -> Result<(), SourceError> {
        let Chatbot { archive, path, .. } = &self.chatbot;
        let failed = |error| unusable(path, error);
        let stamp = stamp(path);
        let done = from.and_then(|cursor| place(cursor, &stamp)).unwrap_or(0);
        let mut items = Vec::new();
        if archive.files().iter().any(is_joined) {
            let all = chatbot::conversations(archive).map_err(failed)?;
            for (read, n) in all.zip(1_u64..) {
                let read = read.map_err(failed)?;
                if n <= done {
                    continue;
                }
                items.extend(self.item(read));
                if n.is_multiple_of(PAGE as u64) {
                    let next = Cursor::new(format!("{n}@{stamp}"));
                    let page = Page::new(std::mem::take(&mut items), Some(next));
                    if pages.blocking_send(Ok(page)).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        // Nobody listens any more if this cannot be sent.
        let _ = pages.blocking_send(Ok(Page::new(items, None)));
        Ok(())
    }

    fn item(&self, read: Result<Conversation, leaddesk_client::Unreadable>) -> Option<Item<Chat>> {
        match read {
            Err(_) if self.anonymous => None,
            Err(bad) => {
                let key = migrate_core::Key::from(format!("{}:{}", bad.file, bad.record));
                Some(Err(Unreadable::new(key, bad.reason)))
            }
            Ok(conversation) => {
                let chat = Chat::new(conversation);
                let id = chat.conversation.id.clone();
                if !self.anonymous {
                    return Some(Ok(Record::new(keys::chat(&id), chat)));
                }
                let is_known = !chat.contact(self.chatbot.country).is_empty();
                (!is_known).then(|| Ok(Record::new(keys::chat_visitor(&id), chat)))
            }
        }
    }
}

impl Source for Chats {
    type Record = Chat;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Chat>, SourceError>> {
        let chats = self.clone();
        let begun = stream::once(async move {
            let (sender, receiver) = mpsc::channel(AHEAD);
            // It ends when the receiver is dropped.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = chats.send(from.as_ref(), &sender) {
                    let _ = sender.blocking_send(Err(error));
                }
            });
            stream::unfold(receiver, |mut receiver| async {
                let page = receiver.recv().await?;
                Some((page, receiver))
            })
        });
        begun.flatten().boxed()
    }

    /// How many sessions the rows are is known when all are read.
    fn estimate(&self) -> Estimate {
        let of_shape = |shape: Shape| {
            let files = self.chatbot.files().iter().filter(move |file| file.shape == shape);
            files.map(|file| file.rows).max()
        };
        of_shape(Shape::Conversations).map_or(Estimate::Unknown, Estimate::About)
    }
}

fn is_joined(file: &FileInfo) -> bool {
    matches!(file.shape, Shape::Turns | Shape::Conversations)
}

fn place(cursor: &Cursor, stamp: &str) -> Option<u64> {
    let (done, was) = cursor.as_str().split_once('@')?;
    done.parse().ok().filter(|_| was == stamp)
}

/// A file of lines such as `"Keskustelun tunnus" = "conversation_id"`: heading and column.
fn aliases(path: &Path) -> Result<Vec<(String, String)>, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what =
            format!("{} (source.chatbot.aliases) cannot be read: mend the setting", path.display());
        SourceError::refused(what).because(error)
    })?;
    let table: Result<BTreeMap<String, String>, _> = toml::from_str(&text);
    let table = table.map_err(|error| {
        let what = format!(
            "{} is not as source.chatbot.aliases needs it: one line for each heading, such as \
             \"Keskustelun tunnus\" = \"conversation_id\"",
            path.display()
        );
        SourceError::refused(what).because(error)
    })?;
    match table.iter().find(|(_, column)| Column::named(column).is_none()) {
        None => Ok(table.into_iter().collect()),
        Some((_, column)) => {
            let known: Vec<&str> = Column::all().map(Column::name).collect();
            Err(SourceError::refused(format!(
                "{} names a column `{column}`, which is none of {}",
                path.display(),
                known.join(", ")
            )))
        }
    }
}

fn unusable(path: &Path, error: Error) -> SourceError {
    let what = format!(
        "the chatbot's export {} (source.chatbot.zip) cannot be used; put the exported file there, \
         or leave [source.chatbot] out",
        path.display()
    );
    SourceError::refused(what).because(error)
}

#[cfg(test)]
mod tests;
