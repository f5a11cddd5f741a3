//! What is documented and, by design, not migrated: campaigns with their settings, projects, offices,
//! outcomes, custom fields, dialer configurations, LeadApps.

use std::fmt;
use std::path::Path;

use futures::TryStreamExt as _;
use leaddesk_client::export;
use leaddesk_client::{Campaign, RestClient};
use migrate_core::{Key, Record, SourceError, Unreadable};
use serde_json::{Map, Value, json};

use super::error::stop;
use super::export::{Folder, unread_row};
use super::{Chatbot, Findings};
use crate::config::Config;

/// Something to be documented, with all that the source said of it. `Debug` shows its key alone.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Documented {
    /// What it is.
    pub sort: Sort,
    /// Its id among those of its sort.
    pub id: String,
    /// All that the source delivered.
    pub content: Value,
}

/// A sort of thing to be documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sort {
    /// A campaign, with its configuration.
    Campaign,
    /// A project.
    Project,
    /// An office.
    Office,
    /// An outcome that agents can choose.
    Outcome,
    /// A custom field, as a project names it.
    CustomField,
    /// A configuration of the dialer.
    Dialer,
    /// A LeadApp.
    LeadApp,
    /// A file of the chatbot's export that holds no single sessions, but counts per period.
    Analytics,
}

impl Sort {
    /// All sorts that LeadDesk itself may deliver.
    pub const ALL: [Self; 7] = [
        Self::Campaign,
        Self::Project,
        Self::Office,
        Self::Outcome,
        Self::CustomField,
        Self::Dialer,
        Self::LeadApp,
    ];

    /// The kind of its keys.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Project => "project",
            Self::Office => "office",
            Self::Outcome => "outcome",
            Self::CustomField => "custom_field",
            Self::Dialer => "dialer",
            Self::LeadApp => "leadapp",
            Self::Analytics => "chatbot-file",
        }
    }

    /// Where an export has it: a table, or a file or folder of JSON.
    pub fn files(self) -> &'static str {
        match self {
            Self::Campaign => "campaigns.csv",
            Self::Project => "projects.csv",
            Self::Office => "offices.csv",
            Self::Outcome => "outcomes.csv",
            Self::CustomField => "custom_fields.csv",
            Self::Dialer => "dialer.json",
            Self::LeadApp => "leadapps.json",
            Self::Analytics => "chatbot_analytics.json",
        }
    }
}

impl Documented {
    /// Its key.
    pub fn key(&self) -> Key {
        Key::new(self.sort.kind(), &self.id)
    }

    /// Its name, where the source has one.
    pub fn name(&self) -> Option<&str> {
        self.content.get("name").and_then(Value::as_str).map(str::trim).filter(|it| !it.is_empty())
    }

    pub(crate) fn record(self) -> Record<Self> {
        Record::new(self.key(), self)
    }
}

impl fmt::Debug for Documented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documented").field("key", &self.key()).finish_non_exhaustive()
    }
}

/// What the REST API tells: its campaigns. No other of these is known to be had from an API.
///
/// # Errors
/// When LeadDesk refuses or cannot be reached.
pub(crate) async fn by_api(
    rest: Option<&RestClient>,
    findings: &Findings,
) -> Result<Vec<Documented>, SourceError> {
    let mut found = Vec::new();
    let Some(rest) = rest else { return Ok(found) };
    let mut pages = rest.campaigns();
    while let Some(campaigns) = pages.try_next().await.map_err(stop)? {
        for campaign in campaigns {
            match campaign {
                Ok(campaign) => found.push(of_campaign(campaign)),
                Err(_) => findings.add("campaigns could not be read", 1),
            }
        }
    }
    Ok(found)
}

/// The files of the chatbot's export that become no conversations, without their rows.
pub(crate) fn by_chatbot(chatbot: &Chatbot) -> Vec<Documented> {
    let files = chatbot.without_sessions();
    let found = files.map(|file| Documented {
        sort: Sort::Analytics,
        id: file.kind.to_string(),
        content: json!({ "name": file.name, "shape": file.shape.to_string(), "rows": file.rows }),
    });
    found.collect()
}

fn of_campaign(campaign: Campaign) -> Documented {
    let mut content: Map<String, Value> = campaign.extra.reveal().clone().into_iter().collect();
    content.insert("id".into(), json!(campaign.id.as_str()));
    content.extend(campaign.name.map(|name| ("name".into(), json!(name))));
    content.extend(campaign.kind.map(|kind| ("type".into(), json!(kind))));
    content.extend(campaign.disabled.map(|disabled| ("disabled".into(), json!(disabled))));
    let id = campaign.id.to_string();
    Documented { sort: Sort::Campaign, id, content: Value::Object(content) }
}

/// The names of projects and offices, and those that `[map.teams]` gives teams to, each once.
pub(crate) fn teams(documented: &[Documented], config: &Config) -> Vec<Record<String>> {
    let places = documented.iter().filter(|it| matches!(it.sort, Sort::Project | Sort::Office));
    let named =
        places.filter_map(Documented::name).chain(config.map.teams.keys().map(|it| it.trim()));
    let mut teams: Vec<Record<String>> = Vec::new();
    for name in named.filter(|name| !name.is_empty()) {
        let key = super::keys::team(name);
        if teams.iter().all(|team| team.key != key) {
            teams.push(Record::new(key, name.to_owned()));
        }
    }
    teams
}

/// A larger file of configuration is none, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What an export folder has: tables, files of JSON, and folders of such; and the rows that cannot be read.
///
/// # Errors
/// When a file is there and cannot be used; the error names it.
pub(crate) fn by_folder(
    folder: &Folder,
) -> Result<(Vec<Documented>, Vec<Unreadable>), SourceError> {
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for sort in Sort::ALL {
        let path = folder.path(sort.files());
        match sort {
            Sort::Dialer | Sort::LeadApp => {
                let dir = path.with_extension("");
                for file in files_of_json(&path, &dir)? {
                    read_json(&file, sort, &mut found)?;
                }
            }
            Sort::Analytics => {}
            _ if path.exists() => {
                unread.extend(read_table(folder, &path, sort, &mut found)?);
            }
            _ => {}
        }
    }
    Ok((found, unread))
}

fn read_table(
    folder: &Folder,
    path: &Path,
    sort: Sort,
    found: &mut Vec<Documented>,
) -> Result<Vec<Unreadable>, SourceError> {
    let mut unread = Vec::new();
    let unusable = |error| folder.unusable(path, error);
    for row in export::table(path, folder.settings()).map_err(unusable)? {
        match row.map_err(unusable)?.body {
            Ok(row) => {
                let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                // A slot has a row for each project, and each is a thing of its own.
                let same = |it: &&Documented| it.sort == sort && it.content["id"] == id.as_str();
                let id = match found.iter().filter(same).count() {
                    0 => id,
                    n => format!("{id} ({})", n + 1),
                };
                found.push(Documented { sort, id, content: Value::Object(row) });
            }
            Err(bad) => unread.push(unread_row(bad)),
        }
    }
    Ok(unread)
}

/// The file itself, and the `*.json` of the folder of its name, in their order.
fn files_of_json(file: &Path, dir: &Path) -> Result<Vec<std::path::PathBuf>, SourceError> {
    let mut files = Vec::from_iter(file.is_file().then(|| file.to_owned()));
    if dir.is_dir() {
        let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| unreadable(dir, "cannot be read").because(error))?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
        paths.sort();
        files.extend(paths);
    }
    Ok(files)
}

/// A file with one object, or with a list of such.
fn read_json(path: &Path, sort: Sort, found: &mut Vec<Documented>) -> Result<(), SourceError> {
    let size = std::fs::metadata(path).map(|about| about.len());
    let size = size.map_err(|error| unreadable(path, "cannot be read").because(error))?;
    if size > LARGEST {
        return Err(unreadable(path, "is larger than 16 MiB, which no configuration is"));
    }
    let text =
        std::fs::read(path).map_err(|error| unreadable(path, "cannot be read").because(error))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let whole: Value = serde_json::from_slice(text).map_err(|error| {
        let place = format!("is no JSON at line {}, column {}", error.line(), error.column());
        unreadable(path, &place)
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (many, items) = match whole {
        Value::Array(items) => (true, items),
        one => (false, vec![one]),
    };
    for (content, n) in items.into_iter().zip(1..) {
        let named = ["id", "name"].iter().find_map(|name| match content.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        });
        let id = named.unwrap_or_else(|| if many { format!("{stem}-{n}") } else { stem.clone() });
        // Two of one id are two things all the same.
        let taken = |id: &str| found.iter().any(|it: &Documented| it.sort == sort && it.id == id);
        let id = if taken(&id) { format!("{id} ({stem}-{n})") } else { id };
        found.push(Documented { sort, id, content });
    }
    Ok(())
}

fn unreadable(path: &Path, what: &str) -> SourceError {
    SourceError::refused(format!(
        "{} {what}: mend it, or take it out of the export folder",
        path.display()
    ))
}
