//! An audit of a finished migration: what is in the workspace against what was in the account.
//!
//! It shares no code with the program. The expectations are written anew from the rules of the
//! mapping's documentation, for the default settings, a fallback admin, and routes that reach every
//! call; the ledger is never asked. Whatever is missing, wrong or too much is a finding.

mod chats;
mod expect;
mod history;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use migrate_sandbox::workspace::{AppliedTag, Contact, Conversation, Part, Workspace};
use migrate_sandbox::{Account, ExistingContact};
use serde_json::Value;

use expect::{ExpectedCall, ExpectedContact};

/// Every difference between what the workspace should hold and what it holds; none if all is well.
/// Nobody has asked for the sessions of the chatbot.
#[allow(dead_code, reason = "not every program with an audit does without them")]
pub(crate) fn audit(account: &Account, workspace: &Workspace) -> Vec<String> {
    all(account, workspace, false, |people| expect::calls(account, people))
}

/// The same where the sessions of the chatbot were asked for.
#[allow(dead_code, reason = "not every program with an audit has them")]
pub(crate) fn audit_with_chats(account: &Account, workspace: &Workspace) -> Vec<String> {
    all(account, workspace, true, |people| expect::calls(account, people))
}

/// The same where these calls are reached by their ids, and others only as the histories by number tell them.
#[allow(dead_code, reason = "not every test that audits reads histories")]
pub(crate) fn audit_of_histories(
    account: &Account,
    workspace: &Workspace,
    by_id: &BTreeSet<u64>,
) -> Vec<String> {
    all(account, workspace, false, |people| {
        let mut calls = expect::calls(account, people);
        calls.retain(|id, _| id.parse().is_ok_and(|id| by_id.contains(&id)));
        calls.extend(history::calls(account, people, by_id));
        calls
    })
}

fn all(
    account: &Account,
    workspace: &Workspace,
    with_chats: bool,
    calls: impl Fn(&[ExpectedContact]) -> BTreeMap<String, ExpectedCall>,
) -> Vec<String> {
    let mut audit = Audit { workspace, with_chats, findings: Vec::new() };
    let people = expect::contacts(account);
    let ids = audit.contacts(account, &people);
    audit.conversations(account, &calls(&people), &ids);
    if with_chats {
        audit.chats(account, &people, &ids);
    }
    audit.surroundings(account);
    audit.findings
}

struct Audit<'a> {
    workspace: &'a Workspace,
    with_chats: bool,
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

    /// Compares all contacts. Returns the id in the workspace of each expected one, by its place.
    fn contacts(
        &mut self,
        account: &Account,
        people: &[ExpectedContact],
    ) -> HashMap<usize, String> {
        let (mut ids, mut seen) = (HashMap::new(), BTreeSet::new());
        for (at, expected) in people.iter().enumerate() {
            let known = account.existing.iter().find(|known| {
                expected.email.as_deref().is_some_and(|own| known.email.eq_ignore_ascii_case(own))
            });
            // An archived contact stays as it is, and who matches it waits.
            if known.is_some_and(|known| known.archived) {
                continue;
            }
            let found: Vec<&Contact> =
                self.workspace.contacts.iter().filter(|it| is_it(it, expected, known)).collect();
            let of = &expected.external_id;
            match found[..] {
                [] => self.say(format!("{of}: is missing")),
                [found] => {
                    ids.insert(at, found.id.clone());
                    seen.insert(&found.id);
                    self.contact(expected, known, found);
                }
                _ => self.say(format!("{of}: is there {} times", found.len())),
            }
        }
        for found in &self.workspace.contacts {
            let archived = |known: &&ExistingContact| {
                known.archived && found.email.as_deref() == Some(known.email.as_str())
            };
            match account.existing.iter().find(archived) {
                _ if seen.contains(&found.id) => {}
                // These are looked at with their chats.
                _ if self.with_chats && found.role == "lead" => {}
                Some(known) => self.untouched(known, found),
                None => self.say(format!(
                    "contact {:?} {:?} should not be there",
                    found.external_id, found.email
                )),
            }
        }
        ids
    }

    fn contact(
        &mut self,
        expected: &ExpectedContact,
        known: Option<&ExistingContact>,
        found: &Contact,
    ) {
        let of = &expected.external_id;
        let before =
            |value: fn(&ExistingContact) -> &Option<String>| known.and_then(|it| value(it).clone());
        let external_id = before(|known| &known.external_id).unwrap_or_else(|| of.clone());
        let name = before(|known| &known.name).or_else(|| expected.name.clone());
        let phone = before(|known| &known.phone).or_else(|| expected.phone.clone());
        let email = found.email.as_ref().map(|email| email.to_lowercase());
        self.same(of, "role", found.role.as_str(), "user");
        self.same(of, "external id", found.external_id.clone(), Some(external_id));
        self.same(of, "e-mail", email, expected.email.clone());
        self.same(of, "phone", found.phone.clone(), phone);
        self.same(of, "name", found.name.clone(), name);
        self.same(of, "signed_up_at", found.signed_up_at, expected.signed_up_at);
        self.same(of, "archived", found.archived, false);
        self.same(of, "unsubscribed", found.unsubscribed_from_emails, false);
        self.same(of, "owner", found.owner_id.clone(), None);
        self.attributes(of, &found.custom_attributes, &expected.attributes);
        self.tags(of, &found.tags, &expected.tags);
        let mut notes: Vec<String> =
            found.notes.iter().map(|note| text_of_html(&note.body)).collect();
        let mut wanted = expected.notes.clone();
        notes.sort();
        wanted.sort();
        self.same(of, "notes", notes, wanted);
    }

    fn untouched(&mut self, known: &ExistingContact, found: &Contact) {
        let of = format!("archived contact {}", known.email);
        self.same(&of, "archived", found.archived, true);
        self.same(&of, "external id", &found.external_id, &known.external_id);
        self.same(&of, "name", &found.name, &known.name);
        self.same(&of, "phone", &found.phone, &known.phone);
        self.same(&of, "attributes", found.custom_attributes.len(), 0);
        self.same(&of, "tags", found.tags.len(), 0);
        self.same(&of, "notes", found.notes.len(), 0);
    }

    fn conversations(
        &mut self,
        account: &Account,
        calls: &BTreeMap<String, ExpectedCall>,
        ids: &HashMap<usize, String>,
    ) {
        let mut found: BTreeMap<String, Vec<&Conversation>> = BTreeMap::new();
        for conversation in &self.workspace.conversations {
            match marker(&conversation.source.body) {
                Some(Marker::Call(id)) => found.entry(id).or_default().push(conversation),
                Some(Marker::Chat(_)) if self.with_chats => {}
                _ => self.say(format!("conversation {} names no call", conversation.id)),
            }
        }
        for (id, expected) in calls {
            // Whose contact waits, waits as well.
            let Some(contact) = ids.get(&expected.contact) else { continue };
            match found.remove(id).as_deref() {
                None => self.say(format!("call {id}: has no conversation")),
                Some([one]) => self.conversation(account, id, expected, contact, one),
                Some(more) => self.say(format!("call {id}: has {} conversations", more.len())),
            }
        }
        for id in found.keys() {
            self.say(format!("call {id}: should not be a conversation"));
        }
    }

    fn conversation(
        &mut self,
        account: &Account,
        id: &str,
        expected: &ExpectedCall,
        contact: &str,
        found: &Conversation,
    ) {
        let of = &format!("call {id}");
        self.same(of, "created_at", found.created_at, expected.created_at);
        self.same(of, "author's kind", found.source.author.kind.as_str(), "user");
        self.same(of, "author", found.source.author.id.as_str(), contact);
        self.same(of, "contacts", &found.contacts, &vec![contact.to_owned()]);
        for said in &expected.said {
            if !found.source.body.contains(said.as_str()) {
                self.say(format!("{of}: the opening does not say {said:?}"));
            }
        }
        self.same(of, "state", found.state.as_str(), "closed");
        self.same(of, "assignee", (found.admin_assignee_id, found.team_assignee_id), (0, 0));
        let mut attributes = expected.attributes.clone();
        let last = found.source.body.trim_end().lines().last().unwrap_or_default();
        let own = last.strip_prefix("LeadDesk call ").unwrap_or_default();
        let source_key = serde_json::json!(format!("leaddesk:call:{own}"));
        attributes.entry("ld_source_key__c".into()).or_insert(source_key);
        self.attributes(of, &found.custom_attributes, &attributes);
        self.tags(of, &found.tags, &expected.tags);

        let says = |part: &&Part| part.body.as_ref().is_some_and(|body| !body.is_empty());
        let said: Vec<&Part> = found.parts.iter().filter(says).collect();
        let admin = |email: &str| {
            let admin = self.workspace.admins.iter().find(|admin| admin.email == email);
            admin.map(|admin| admin.id.to_string()).unwrap_or_default()
        };
        let fallback = self.workspace.admins.first().map(|admin| admin.id.to_string());
        let speaker = match expect::teammate(account, expected.agent) {
            Some(email) => admin(&email),
            None => fallback.unwrap_or_default(),
        };
        match (&expected.remark, &said[..]) {
            (None, []) => {}
            (Some((at, text)), [part]) => {
                let said = part.body.as_deref().map(text_of_html);
                self.same(of, "remark", said.as_deref(), Some(text.as_str()));
                self.same(of, "remark's time", part.created_at, *at);
                self.same(of, "remark's kind", part.part_type.as_str(), "note");
                self.same(of, "remark's author", part.author.id.as_str(), speaker.as_str());
                self.same(of, "remark's silence", part.skip_notifications, true);
            }
            (wanted, said) => self.say(format!(
                "{of}: has {} remarks instead of {}",
                said.len(),
                usize::from(wanted.is_some())
            )),
        }
        let silent = found.parts.iter().filter(|part| !says(part));
        let others: Vec<&str> =
            silent.map(|part| part.part_type.as_str()).filter(|kind| *kind != "close").collect();
        self.same(of, "other parts", others, Vec::new());
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
        let names = self.workspace.tag_names(found);
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        let expected: Vec<String> = expected.iter().cloned().collect();
        self.same(of, "tags", names, expected);
    }

    /// What belongs to no single record: tags and attributes are there once, nothing was deleted,
    /// and nothing exists that the account has no name for.
    fn surroundings(&mut self, account: &Account) {
        let mut known = expect::all_tags(account);
        if self.with_chats {
            known.extend(account.chats.iter().flat_map(chats::tags));
        }
        let (mut tags, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        for tag in &self.workspace.tags {
            let name = tag.name.to_lowercase();
            if !known.contains(&name) {
                self.say(format!("tag {name:?} should not be there"));
            }
            if !tags.insert(name) {
                self.say(format!("tag {:?} is there twice", tag.name));
            }
        }
        let contact = self.workspace.data_attributes.iter().map(|it| (it.model.as_str(), &it.name));
        let conversation =
            self.workspace.conversation_attributes.iter().map(|it| ("conversation", &it.name));
        for (model, name) in contact.chain(conversation) {
            if !attributes.insert((model, name.to_lowercase())) {
                self.findings.push(format!("attribute {name:?} of {model} is there twice"));
            }
        }
        self.same("workspace", "deleted", self.workspace.deleted_conversations.len(), 0);
    }
}

fn is_it(found: &Contact, expected: &ExpectedContact, known: Option<&ExistingContact>) -> bool {
    let by_email = || {
        let (own, wanted) = (found.email.as_deref(), expected.email.as_deref());
        own.zip(wanted).is_some_and(|(own, wanted)| own.eq_ignore_ascii_case(wanted))
    };
    let by_id = found.external_id.as_deref() == Some(expected.external_id.as_str());
    by_id || by_email() || known.is_some_and(|known| found.email.as_ref() == Some(&known.email))
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
