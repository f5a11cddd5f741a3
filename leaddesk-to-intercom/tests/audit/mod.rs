//! An audit of a finished migration: what is in the workspace, and in the state directory, against what was in the
//! account, object by object and field by field.
//!
//! It shares no code with the program. The expectations are written anew from the rules of the
//! mapping's documentation, for the default settings, a fallback admin, and routes that reach every
//! call; the ledger is never asked. Whatever is missing, wrong or too much is a finding.
//!
//! | file | looks at |
//! |---|---|
//! | `people.rs` | contacts, leads, and whom the workspace knew before |
//! | `calls.rs` | the conversations of calls |
//! | `chats.rs` | those of the chatbot's sessions, and the leads of anonymous visitors |
//! | `surroundings.rs` | tags, attributes, teammates, teams, what was deleted |
//! | `state.rs` | queues, counts of the report, inventory |

#![allow(dead_code, unused_imports, reason = "not every program with an audit looks at everything")]

mod calls;
mod chats;
mod expect;
mod expect_calls;
mod history;
mod people;
mod state;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};

use migrate_sandbox::Account;
use migrate_sandbox::workspace::{AppliedTag, Part, Workspace};
use serde_json::Value;

pub(crate) use expect::e164;
use expect::{People, Waits};
use expect_calls::ExpectedCall;

/// What a migration was asked for beside the default settings.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    /// The sessions of the chatbot.
    pub(crate) chats: bool,
    /// The contacts that are leads, by id, with what their list says of them.
    pub(crate) leads: BTreeMap<u64, Lead>,
    /// These calls are reached by their ids, and others only as the histories by number tell them; all by their ids if
    /// there are none.
    pub(crate) by_id: Option<BTreeSet<u64>>,
    /// Were the histories by number read, whatever else was?
    pub(crate) histories: bool,
    /// Was there a call log, which tells all campaigns that have called a contact, and how its last call ended?
    pub(crate) call_log: bool,
}

/// What only a list of leads says.
#[derive(Clone, Default)]
pub(crate) struct Lead {
    pub(crate) status: String,
    pub(crate) office: String,
    pub(crate) sponsor: String,
}

/// Every difference between what the workspace should hold and what it holds; none if all is well.
pub(crate) fn audit(account: &Account, workspace: &Workspace) -> Vec<String> {
    audit_by(&Terms::default(), account, workspace)
}

/// The same where the sessions of the chatbot were asked for.
pub(crate) fn audit_with_chats(account: &Account, workspace: &Workspace) -> Vec<String> {
    audit_by(&Terms { chats: true, ..Terms::default() }, account, workspace)
}

/// The same where these calls are reached by their ids, and others only as the histories by number tell them.
pub(crate) fn audit_of_histories(
    account: &Account,
    workspace: &Workspace,
    by_id: &BTreeSet<u64>,
) -> Vec<String> {
    audit_by(&Terms { by_id: Some(by_id.clone()), ..Terms::default() }, account, workspace)
}

/// The same on these terms.
pub(crate) fn audit_by(terms: &Terms, account: &Account, workspace: &Workspace) -> Vec<String> {
    let mut audit = Audit { account, workspace, terms, findings: Vec::new() };
    let people = People::of(account, terms);
    let ids = audit.people(&people);
    audit.calls(&expected_calls(account, terms, &people), &ids);
    if terms.chats {
        audit.chats(&people, &ids);
    }
    audit.surroundings();
    audit.findings
}

/// Every difference between what the state directory should say and what it says.
pub(crate) use state::audit_of_state;

/// The calls by the names in their openings: those that are to be conversations, and why others wait.
fn expected_calls(
    account: &Account,
    terms: &Terms,
    people: &People<'_>,
) -> BTreeMap<String, Result<ExpectedCall, Waits>> {
    let mut calls = expect_calls::calls(account, people);
    if let Some(by_id) = &terms.by_id {
        calls.retain(|id, _| id.parse().is_ok_and(|id| by_id.contains(&id)));
        calls.extend(history::calls(account, people, by_id));
    }
    calls
}

struct Audit<'a> {
    account: &'a Account,
    workspace: &'a Workspace,
    terms: &'a Terms,
    findings: Vec<String>,
}

impl Audit<'_> {
    fn say(&mut self, what: String) {
        self.findings.push(what);
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, of: &str, what: &str, is: T, should: T) {
        if is != should {
            self.say(format!("{of}: {what} is {is:?} instead of {should:?}"));
        }
    }

    fn attributes(
        &mut self,
        of: &str,
        found: &serde_json::Map<String, Value>,
        expected: &BTreeMap<String, Value>,
    ) {
        for (name, value) in expected {
            self.same(of, name, found.get(name).unwrap_or(&Value::Null), value);
        }
        let extra = found
            .iter()
            .filter(|(name, value)| !value.is_null() && !expected.contains_key(name.as_str()));
        let extra: Vec<String> = extra.map(|(name, _)| name.clone()).collect();
        self.same(of, "further attributes", extra, Vec::new());
    }

    fn tags(&mut self, of: &str, found: &[AppliedTag], expected: &BTreeSet<String>) {
        let name = |id: &str| {
            let tag = self.workspace.tags.iter().find(|tag| tag.id == id);
            tag.map_or_else(|| "?".to_owned(), |tag| tag.name.to_lowercase())
        };
        let mut names: Vec<String> = found.iter().map(|tag| name(&tag.id)).collect();
        names.sort();
        let expected: Vec<String> = expected.iter().cloned().collect();
        self.same(of, "tags", names, expected);
        let ours = self.fallback();
        let others = found.iter().filter(|tag| tag.applied_by != ours).count();
        self.same(of, "tags by somebody else", others, 0);
    }

    /// Who speaks and acts where nobody else can.
    fn fallback(&self) -> String {
        self.workspace.admins.first().map(|admin| admin.id.to_string()).unwrap_or_default()
    }

    /// Who speaks for an agent.
    fn speaker(&self, agent: Option<u64>) -> String {
        let email = expect::teammate(self.account, agent);
        let admin = self.workspace.admins.iter().find(|admin| Some(&admin.email) == email.as_ref());
        admin.map_or_else(|| self.fallback(), |admin| admin.id.to_string())
    }

    /// Behind everything that is said there is nothing but the end.
    fn ends_closed(&mut self, of: &str, parts: &[Part]) {
        let behind = parts.iter().rposition(says).map_or(0, |last| last + 1);
        let silent = |parts: &[Part]| -> Vec<String> {
            let silent = parts.iter().filter(|part| !says(part));
            silent.map(|part| part.part_type.clone()).collect()
        };
        self.same(of, "silent parts", silent(&parts[..behind]), Vec::new());
        // Where a reply was lost, it was closed twice, which changes nothing.
        let mut kinds = silent(&parts[behind..]);
        kinds.dedup();
        self.same(of, "its end", kinds, vec!["close".to_owned()]);
        let ours = self.fallback();
        let by = parts[behind..].iter().filter(|part| part.author.id != ours).count();
        self.same(of, "closes by somebody else", by, 0);
    }
}

/// Does somebody say something in it?
fn says(part: &Part) -> bool {
    part.body.as_ref().is_some_and(|body| !body.is_empty())
}

/// What the last line of an opening names.
enum Marker {
    Call(String),
    Chat(String),
}

/// The id in the last line, `LeadDesk call <id>` or `LeadDesk chat <id>`. Where a digest and a second stand instead of
/// a call's id, `<number>@<second>`.
fn marker(body: &str) -> Option<Marker> {
    let line = body.trim_end().lines().last()?;
    if let Some(id) = line.strip_prefix("LeadDesk chat ") {
        return Some(Marker::Chat(id.to_owned()));
    }
    let marker = line.strip_prefix("LeadDesk call ")?;
    let Some((digest, at)) = marker.split_once('@') else {
        return Some(Marker::Call(marker.to_owned()));
    };
    let number = body.lines().next()?.split(' ').next_back()?;
    let is_digest = digest.len() == 16 && digest.bytes().all(|it| it.is_ascii_hexdigit());
    (is_digest && number.starts_with('+')).then(|| Marker::Call(format!("{number}@{at}")))
}

/// Notes and remarks are sent as HTML, of which only these forms should occur.
fn text_of_html(html: &str) -> String {
    let html = html.strip_prefix("<p>").and_then(|it| it.strip_suffix("</p>")).unwrap_or(html);
    let forms = [("<br>", "\n"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    forms.iter().fold(html.to_owned(), |text, (form, plain)| text.replace(form, plain))
}
