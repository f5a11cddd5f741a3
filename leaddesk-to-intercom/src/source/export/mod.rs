//! A folder of LeadDesk's exports as a source.

mod blacklist;
mod file;
mod labels;
mod log;
mod without;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leaddesk_client::export::{self, ExportSettings, ListExport};
use leaddesk_client::{Call, Error, Unreadable};
use migrate_core::{Fingerprint, Record, SourceError, SourceExt as _};

use self::file::Rows;
use self::labels::Labels;
use super::lists::Lists;
use super::{Agent, Findings, Fixed, ListedContact, PAGE, Routes, agent, api, keys};
use crate::config::{self, Config};

use self::without::{Without, digest};

pub use self::file::File;
pub use self::log::CallLog;

/// The files of an export. Only `contacts.csv` has to be there.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    settings: ExportSettings,
    findings: Findings,
    /// `source.calls.csv`, which may lie elsewhere.
    call_log: Option<PathBuf>,
}

/// The optional files that are read, and what is missing without each.
const OPTIONAL: &[(&str, &str)] = &[
    ("leads.csv", "nobody is listed as a lead"),
    ("calls.csv", "no call history is taken from the folder"),
    ("agents.csv", "agents are matched only as far as [map.agents] names them"),
    ("blacklist.csv", "nobody is marked as blacklisted"),
    (
        "calling_lists",
        "contacts carry campaign tags only as call logs name them, and nobody is known to be finalised",
    ),
    ("campaigns.csv", "the inventory has no campaigns"),
    ("projects.csv", "the inventory has no projects, and no teams for them"),
    ("offices.csv", "the inventory has no offices, and no teams for them"),
    ("outcomes.csv", "the inventory has no outcomes"),
    (
        "custom_fields.csv",
        "the inventory has no custom fields, and Other info without a label is known by its slot",
    ),
    ("dialer.json", "the inventory has no dialer configurations, but for those in dialer/"),
    ("leadapps.json", "the inventory has no LeadApps, but for those in leadapps/"),
];

impl Folder {
    /// The folder of a configuration.
    ///
    /// # Errors
    /// Refused when there is none, when it has no `contacts.csv`, or when that has no key column.
    pub fn open(config: &Config, findings: Findings) -> Result<Self, SourceError> {
        let Some(export) = &config.source.export else {
            return Err(SourceError::refused(
                "source.kind = \"export\" needs the folder in source.export.dir",
            ));
        };
        let dir = config.resolve(&export.dir);
        let call_log = config.source.calls.csv.as_ref().map(|csv| config.resolve(csv));
        let folder = Self { dir, settings: settings(config)?, findings, call_log };
        if !folder.dir.is_dir() {
            return Err(SourceError::refused(format!(
                "there is no export folder {}: export the account into it, or mend \
                 source.export.dir",
                folder.dir.display()
            )));
        }
        let contacts = folder.path("contacts.csv");
        if !contacts.is_file() {
            return Err(SourceError::refused(format!(
                "there is no contacts.csv in the export folder {}: export the contacts into it, or \
                 mend source.export.dir",
                folder.dir.display()
            )));
        }
        export::contacts(&contacts, &folder.settings)
            .map_err(|error| unusable(&contacts, error))?;
        for (name, open) in [
            ("leads.csv", check(export::contacts(folder.path("leads.csv"), &folder.settings))),
            ("calls.csv", check(export::calls(folder.path("calls.csv"), &folder.settings))),
            ("agents.csv", check(export::agents(folder.path("agents.csv"), &folder.settings))),
        ] {
            let path = folder.path(name);
            if path.exists() {
                open.map_err(|error| unusable(&path, error))?;
            }
        }
        Ok(folder)
    }

    /// The optional files that are not there, each with what that means.
    pub fn absent(&self) -> Vec<String> {
        let absent = OPTIONAL.iter().filter(|(name, _)| !self.path(name).exists());
        absent
            .map(|(name, effect)| format!("{name} is not in the export folder: {effect}"))
            .collect()
    }

    /// The contacts of `contacts.csv` and the leads of `leads.csv`, with what `calling_lists/*.csv`
    /// and the call logs say of them. Who is in both files is a lead, and is read from `leads.csv`.
    ///
    /// # Errors
    /// When a calling list, a call log or `leads.csv` cannot be read.
    pub fn contacts(&self) -> Result<Routes<ListedContact>, SourceError> {
        let leads = self.lead_keys()?;
        let own = Some(self.path("calls.csv")).filter(|path| path.exists());
        let logs: Vec<PathBuf> = own.into_iter().chain(self.call_log.clone()).collect();
        let known = Arc::new(Known {
            lists: self.read_lists()?,
            log: CallLog::read(&logs, &self.settings)?,
            labels: Labels::read(self)?,
        });
        let contacts = self.people("contacts.csv", known.clone(), false);
        let Some(leads) = leads else {
            return Ok(Routes::new().and("contacts", contacts.boxed()));
        };
        let listed = self.people("leads.csv", known, true);
        let others = Without { source: contacts, keys: Arc::new(leads) };
        Ok(Routes::new().and("contacts", others.boxed()).and("leads", listed.boxed()))
    }

    fn people(&self, name: &str, known: Arc<Known>, leads: bool) -> File<ListedContact> {
        let (path, settings) = (self.path(name), self.settings.clone());
        File::new(
            path.clone(),
            move || Ok(Box::new(export::contacts(&path, &settings)?) as Box<dyn Rows<_>>),
            move |contact: leaddesk_client::Contact| {
                let (key, id) = (keys::contact(&contact.id), contact.id.as_str().parse().ok());
                let listed = known.lists.listed(id, known.labels.put(contact));
                let listed = known.log.complete(id, listed);
                Record::new(key, if leads { listed.listed_as_lead() } else { listed })
            },
        )
    }

    /// Who is in `leads.csv`, if that is there. Nobody may be in it of whom a row can be read, and it
    /// is read all the same: its rows have to be told.
    fn lead_keys(&self) -> Result<Option<HashSet<Fingerprint>>, SourceError> {
        let path = self.path("leads.csv");
        if !path.exists() {
            return Ok(None);
        }
        let unusable = |error| unusable(&path, error);
        let mut digests = HashSet::new();
        for row in export::contacts(&path, &self.settings).map_err(unusable)? {
            // What cannot be read is told when the leads are.
            let contact = row.map_err(unusable)?.body.ok();
            digests.extend(contact.map(|contact| digest(&keys::contact(&contact.id))));
        }
        Ok(Some(digests))
    }

    /// The calls of `calls.csv`, if it is there.
    pub fn calls(&self) -> Option<File<Call>> {
        let path = self.path("calls.csv");
        path.exists().then(|| calls_of(path, self.settings.clone()))
    }

    /// The agents of `agents.csv`, and those whom `[map.agents]` names besides.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub fn agents(&self, config: &Config) -> Result<Fixed<Agent>, SourceError> {
        let path = self.path("agents.csv");
        let mut agents = Vec::new();
        if path.exists() {
            let unusable = |error| unusable(&path, error);
            for row in export::agents(&path, &self.settings).map_err(unusable)? {
                match row.map_err(unusable)?.body {
                    Ok(user) => agents.push(api::from_user(&user)),
                    Err(_) => self.findings.add("rows of agents.csv could not be read", 1),
                }
            }
        }
        for name in agent::missing(&config.map.agents, &agents) {
            let is_id = name.bytes().all(|byte| byte.is_ascii_digit());
            let (id, username) = if is_id { (Some(name), None) } else { (None, Some(name)) };
            agents.push(Agent { id, username, ..Agent::default() });
        }
        Ok(Fixed::new(api::records(agents), PAGE))
    }

    fn read_lists(&self) -> Result<Lists, SourceError> {
        let mut lists = Lists::default();
        for path in self.list_files()? {
            let text = std::fs::read(&path).map_err(|error| unreadable(&path).because(error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            for row in ListExport::saved(name, text, &self.settings).rows() {
                let id = row.as_ref().map(|row| row.contact_id.as_str().parse());
                match (id, &row) {
                    (Ok(Ok(id)), Ok(row)) => lists.add(id, row),
                    (Ok(Err(_)), _) => self.findings.add(
                        "rows of calling list exports name a contact by an id that is no number",
                        1,
                    ),
                    _ => self.findings.add("rows of calling list exports could not be read", 1),
                }
            }
        }
        lists.settle();
        Ok(lists)
    }

    fn list_files(&self) -> Result<Vec<PathBuf>, SourceError> {
        let dir = self.path("calling_lists");
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(&dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| unreadable(&dir).because(error))?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|it| it == "csv")).collect();
        paths.sort();
        Ok(paths)
    }

    pub(in crate::source) fn settings(&self) -> &ExportSettings {
        &self.settings
    }

    pub(in crate::source) fn findings(&self) -> &Findings {
        &self.findings
    }

    pub(in crate::source) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// What other files say of contacts.
struct Known {
    lists: Lists,
    log: CallLog,
    labels: Labels,
}

/// The calls of a call log, wherever it lies.
///
/// # Errors
/// Refused when the file is not there or has no key column.
pub fn calls(config: &Config, path: &Path) -> Result<File<Call>, SourceError> {
    let (path, settings) = (config.resolve(path), settings(config)?);
    export::calls(&path, &settings).map_err(|error| {
        let what = format!("the call log {} (source.calls.csv) cannot be used", path.display());
        SourceError::refused(what).because(error)
    })?;
    Ok(calls_of(path, settings))
}

fn calls_of(path: PathBuf, settings: ExportSettings) -> File<Call> {
    let file = path.clone();
    File::new(
        path,
        move || Ok(Box::new(export::calls(&file, &settings)?) as Box<dyn Rows<_>>),
        |call: Call| Record::new(keys::call(&call.id), call),
    )
}

fn settings(config: &Config) -> Result<ExportSettings, SourceError> {
    let mut settings = ExportSettings::default();
    let Some(export) = &config.source.export else { return Ok(settings) };
    settings.encoding = match export.encoding {
        config::Encoding::Utf8 => export::Encoding::Utf8,
        config::Encoding::Windows1252 => export::Encoding::Windows1252,
    };
    settings.separator = match export.separator {
        config::Separator::Auto => None,
        config::Separator::Semicolon => Some(b';'),
        config::Separator::Comma => Some(b','),
        config::Separator::Tab => Some(b'\t'),
    };
    if let Some(columns) = &export.columns {
        settings.aliases = aliases(&config.resolve(columns))?;
    }
    Ok(settings)
}

/// A file of lines such as `"Work phone" = "sec_phone"`: heading and field.
fn aliases(path: &Path) -> Result<Vec<(String, String)>, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path).because(error))?;
    let table: std::collections::BTreeMap<String, String> =
        toml::from_str(&text).map_err(|error| {
            SourceError::refused(format!(
                "{} is not as source.export.columns needs it: one line for each heading, such as \
             \"Work phone\" = \"sec_phone\"",
                path.display()
            ))
            .because(error)
        })?;
    Ok(table.into_iter().collect())
}

fn check<T>(opened: Result<T, Error>) -> Result<(), Error> {
    opened.map(drop)
}

pub(in crate::source) fn unusable(path: &Path, error: Error) -> SourceError {
    SourceError::refused(format!(
        "{} cannot be used; mend the file, or see encoding, separator and columns of [source.export]",
        path.display()
    ))
    .because(error)
}

fn unreadable(path: &Path) -> SourceError {
    SourceError::refused(format!("{} cannot be read", path.display()))
}

fn key_of(bad: &Unreadable) -> migrate_core::Key {
    migrate_core::Key::from(format!("{}:{}", bad.file, bad.record))
}
