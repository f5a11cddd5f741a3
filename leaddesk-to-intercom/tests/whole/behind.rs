//! What a verification finds when somebody has changed things behind the migration's back: each damage
//! by its name, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use leaddesk_to_intercom::runner::Exit;
use migrate_core::Fate;
use migrate_core::ledger::{Ledger, Scan};
use migrate_sandbox::workspace::{Author, Contact, Conversation, Part};
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, Workspace};
use serde_json::json;

use crate::bench::Bench;

/// A mismatch that a verification should name: record, field, class.
type Expected = BTreeSet<(String, String, String)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_damage_to_contacts_and_calls_is_named_and_nothing_else() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(30, 8))).await;
    bench.run().await;
    let known = Known::of(&bench).await;
    assert_found(&bench, &Expected::new()).await;
    let mut expected = Expected::new();
    bench.sandbox.edit(|workspace| {
        let mut damages = Damages { known: &known, used: BTreeSet::new(), found: &mut expected };
        damages.of_contacts(workspace);
        damages.of_calls(workspace);
    });
    assert_found(&bench, &expected).await;
    assert!(expected.len() > 24, "{expected:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_damage_to_leads_and_chats_is_named_and_nothing_else() {
    let spec = AccountSpec::plain(30, 8).with_calls_per_contact(0.0);
    let mut account = Account::generate(&spec.with_chats_per_contact(2.0));
    // Somebody says the same thing twice in a second: one of them must not pass for the other.
    for chat in account.chats.iter_mut().filter(|chat| chat.turns.len() > 2) {
        chat.turns[1].question = Some("Hello? Hello?".into());
        chat.turns[1].answer = None;
        chat.turns.insert(2, chat.turns[1].clone());
        (1..).zip(&mut chat.turns).for_each(|(index, turn)| turn.index = index);
    }
    let mut bench = Bench::new(account).await;
    let zip = bench.path("chatbot.zip");
    bench.sandbox.account().export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    bench.settings.further = format!("[source.chatbot]\nzip = '{}'", zip.display());
    bench.run().await;
    let known = Known::of(&bench).await;
    assert_found(&bench, &Expected::new()).await;
    let mut expected = Expected::new();
    bench.sandbox.edit(|workspace| {
        let mut damages = Damages { known: &known, used: BTreeSet::new(), found: &mut expected };
        damages.of_leads(workspace);
        damages.of_chats(workspace);
    });
    assert_found(&bench, &expected).await;
    assert!(expected.len() > 16, "{expected:?}");
}

/// Where nothing was damaged nothing is found, in any number of records of every kind. `VERIFY_RECORDS`
/// says how many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_where_nothing_was_done() {
    let wanted = std::env::var("VERIFY_RECORDS").ok().and_then(|it| it.parse().ok());
    let wanted: u64 = wanted.unwrap_or(1_000);
    let contacts = usize::try_from(wanted * 2 / 5).unwrap();
    let spec = AccountSpec::new(contacts, 9).with_calls_per_contact(1.4);
    let account = Account::generate(&spec.with_chats_per_contact(0.4));
    let mut bench = Bench::new(account).await;
    let zip = bench.path("chatbot.zip");
    bench.sandbox.account().export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    bench.settings.further = format!("[source.chatbot]\nzip = '{}'", zip.display());
    bench.run().await;
    let verified = bench.verify().await.report.verify.unwrap();
    assert_eq!(verified.mismatches, []);
    println!("{} records were read back, and nothing is wrong with them", verified.checked);
    assert!(verified.checked > wanted * 4 / 5, "only {} were checked", verified.checked);
    assert_eq!((verified.matched, verified.unread), (verified.checked, 0));
}

/// Reads everything back, which must find exactly this, and writes nothing.
async fn assert_found(bench: &Bench, expected: &Expected) {
    let writes = bench.writes();
    let finished = bench.verify().await;
    let verified = finished.report.verify.unwrap();
    let mismatches = verified.mismatches.into_iter();
    let found: Expected = mismatches.map(|it| (it.key, it.field, it.class)).collect();
    let missed: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(expected).collect();
    assert!(missed.is_empty() && more.is_empty(), "missed: {missed:#?}\nand more: {more:#?}");
    let records: BTreeSet<&str> = expected.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(verified.checked - verified.matched, records.len() as u64);
    let exit = if expected.is_empty() { Exit::Done } else { Exit::Attention };
    assert_eq!(finished.exit, exit);
    assert_eq!(bench.writes(), writes, "a verification writes nothing");
}

/// What the ledger knows: the record of each object, and of each part which it is.
struct Known {
    records: BTreeMap<String, String>,
    parts: BTreeMap<String, String>,
}

impl Known {
    async fn of(bench: &Bench) -> Self {
        let ledger = bench.ledger();
        let mut known = Self { records: BTreeMap::new(), parts: BTreeMap::new() };
        for stage in ["contacts", "leads", "calls", "chats"] {
            let mut scan = Scan::of(stage);
            loop {
                let rows = ledger.scan(&scan).await.unwrap();
                let Some((last, _)) = rows.last() else { break };
                scan.after = Some(*last);
                let keys: Vec<_> = rows.into_iter().map(|(_, entry)| entry.key).collect();
                for entry in ledger.entries(&keys).await.unwrap().into_iter().flatten() {
                    let is_own = entry.fate != Fate::Merged;
                    let Some(object) = entry.target.clone().filter(|_| is_own) else { continue };
                    known.records.insert(object.to_string(), entry.key.to_string());
                    for part in &entry.parts {
                        let name = part.key.part_name().map(str::to_owned);
                        let written = part.state.written().map(|it| it.target.to_string());
                        known.parts.extend(written.zip(name));
                    }
                }
            }
        }
        known
    }

    fn is_record(&self, id: &str, kind: &str) -> bool {
        self.records.get(id).is_some_and(|key| key.starts_with(kind))
    }
}

/// Does damage, each to another object, and says what should be found.
struct Damages<'a> {
    known: &'a Known,
    used: BTreeSet<String>,
    found: &'a mut Expected,
}

impl Damages<'_> {
    fn expect(&mut self, id: &str, field: &str, class: &str) {
        let key = self.known.records[id].clone();
        self.found.insert((key, field.to_owned(), class.to_owned()));
    }

    #[track_caller]
    fn contact<'a>(
        &mut self,
        workspace: &'a mut Workspace,
        kind: &str,
        wanted: impl Fn(&Contact) -> bool,
    ) -> &'a mut Contact {
        let known = self.known;
        let is_it = |it: &Contact| known.is_record(&it.id, kind) && wanted(it);
        let mut contacts = workspace.contacts.iter_mut();
        let found = contacts.find(|it| !self.used.contains(&it.id) && is_it(it));
        let found = found.unwrap_or_else(|| panic!("no {kind} is left: choose another seed"));
        self.used.insert(found.id.clone());
        found
    }

    #[track_caller]
    fn conversation<'a>(
        &mut self,
        workspace: &'a mut Workspace,
        kind: &str,
        wanted: impl Fn(&Conversation) -> bool,
    ) -> &'a mut Conversation {
        let known = self.known;
        let is_it = |it: &Conversation| known.is_record(&it.id, kind) && wanted(it);
        let mut conversations = workspace.conversations.iter_mut();
        let found = conversations.find(|it| !self.used.contains(&it.id) && is_it(it));
        let found = found.unwrap_or_else(|| panic!("no {kind} is left: choose another seed"));
        self.used.insert(found.id.clone());
        found
    }

    /// Damages the second thing that somebody said in a conversation. `field` is what comes behind the
    /// name of the part, if anything does.
    fn part(
        &mut self,
        workspace: &mut Workspace,
        kind: &str,
        (field, class): (&str, &str),
        damage: impl Fn(&mut Vec<Part>, usize),
    ) {
        let known = self.known;
        let at = |it: &Conversation| {
            let is_said = |part: &Part| part.body.is_some() && known.parts.contains_key(&part.id);
            it.parts.iter().rposition(is_said)
        };
        let found = self.conversation(workspace, kind, |it| at(it).is_some());
        let (id, at) = (found.id.clone(), at(found).unwrap());
        let name = format!("{}{field}", known.parts[&found.parts[at].id]);
        damage(&mut found.parts, at);
        self.expect(&id, &name, class);
    }

    fn of_contacts(&mut self, workspace: &mut Workspace) {
        type Damage = fn(&mut Contact);
        let damages: [(&str, &str, Damage); 8] = [
            ("ld_batch", "lost", |it| drop(it.custom_attributes.remove("ld_batch"))),
            ("ld_batch", "altered", |it| {
                it.custom_attributes.insert("ld_batch".into(), json!("another"));
            }),
            ("name", "altered", |it| it.name = Some("Somebody Else".into())),
            ("phone", "lost", |it| it.phone = None),
            ("signed_up_at", "altered", |it| it.signed_up_at = Some(1)),
            ("name", "edited", |it| {
                it.name = Some("Somebody Else".into());
                it.updated_at += 90;
            }),
            ("ld_batch", "edited", |it| {
                it.custom_attributes.remove("ld_batch");
                it.updated_at += 90;
            }),
            // Whatever else people do with a contact is no edit of what was written.
            ("phone", "edited", |it| {
                it.owner_id = Some("77".into());
                it.phone = None;
                it.updated_at += 90;
            }),
        ];
        for (field, class, damage) in damages {
            let contact = self.contact(workspace, "contact:", |it| it.phone.is_some());
            damage(contact);
            let id = contact.id.clone();
            self.expect(&id, field, class);
        }
        // Nothing that was written is another now.
        let contact = self.contact(workspace, "contact:", |_| true);
        contact.last_seen_at = Some(contact.updated_at);
        contact.updated_at += 90;

        let contact = self.contact(workspace, "contact:", |it| !it.tags.is_empty());
        let (id, tag) = (contact.id.clone(), contact.tags.remove(0));
        let name = workspace.tag_names(&[tag])[0].to_owned();
        self.expect(&id, &format!("tag {name}"), "lost");

        let contact = self.contact(workspace, "contact:", |it| !it.notes.is_empty());
        contact.notes.clear();
        let id = contact.id.clone();
        self.expect(&id, "note", "lost");
        let contact = self.contact(workspace, "contact:", |it| !it.notes.is_empty());
        let mut twin = contact.notes[0].clone();
        twin.id.push('7');
        contact.notes.push(twin);
        let id = contact.id.clone();
        self.expect(&id, "note", "twin");

        let id = self.contact(workspace, "contact:", |_| true).id.clone();
        workspace.contacts.retain(|it| it.id != id);
        self.expect(&id, "contact", "missing");
    }

    fn of_calls(&mut self, workspace: &mut Workspace) {
        let other = workspace.contacts.last().unwrap().id.clone();
        type Damage<'a> = &'a dyn Fn(&mut Conversation);
        let damages: [(&str, &str, Damage<'_>); 8] = [
            ("ld_agent__c", "lost", &|it| drop(it.custom_attributes.remove("ld_agent__c"))),
            ("ld_talk_time__c", "altered", &|it| {
                it.custom_attributes.insert("ld_talk_time__c".into(), json!(987_654));
            }),
            ("ld_agent__c", "edited", &|it| {
                it.custom_attributes.insert("ld_agent__c".into(), json!("Nobody"));
                it.updated_at += 90;
            }),
            ("body", "altered", &|it| it.source.body = it.source.body.replace("call", "talk")),
            ("created_at", "altered", &|it| it.created_at += 3600),
            ("author", "altered", &|it| it.source.author.id.clone_from(&other)),
            ("state", "altered", &|it| it.state = "open".into()),
            ("state", "edited", &|it| {
                it.state = "open".into();
                it.updated_at += 90;
            }),
        ];
        for (field, class, damage) in damages {
            let is_others = |it: &Conversation| !it.contacts.contains(&other);
            let conversation = self.conversation(workspace, "call:", is_others);
            damage(conversation);
            let id = conversation.id.clone();
            self.expect(&id, field, class);
        }
        self.tag_and_whole(workspace, "call:");
        self.parts_of(workspace, "call:");
    }

    fn of_leads(&mut self, workspace: &mut Workspace) {
        let lead = self.contact(workspace, "chat-visitor:", |it| it.role == "lead");
        lead.custom_attributes.remove("ld_source_key");
        let id = lead.id.clone();
        self.expect(&id, "ld_source_key", "lost");
        let lead = self.contact(workspace, "chat-visitor:", |it| it.role == "lead");
        lead.signed_up_at = Some(1);
        lead.updated_at += 90;
        let id = lead.id.clone();
        self.expect(&id, "signed_up_at", "edited");

        let lead = self.contact(workspace, "chat-visitor:", |it| it.role == "lead");
        let mut twin = lead.clone();
        (twin.id, twin.external_id) = (String::new(), None);
        let id = lead.id.clone();
        self.expect(&id, "contact", "twin");
        workspace.contacts.push(twin);

        let id = self.contact(workspace, "chat-visitor:", |_| true).id.clone();
        workspace.contacts.retain(|it| it.id != id);
        self.expect(&id, "contact", "missing");
    }

    fn of_chats(&mut self, workspace: &mut Workspace) {
        let chat = self.conversation(workspace, "chat:", |_| true);
        chat.created_at -= 1;
        let id = chat.id.clone();
        self.expect(&id, "created_at", "altered");
        let chat = self.conversation(workspace, "chat:", |_| true);
        chat.custom_attributes.remove("ld_source_key__c");
        let id = chat.id.clone();
        self.expect(&id, "ld_source_key__c", "lost");
        self.tag_and_whole(workspace, "chat:");

        // Of two that say the same in the same second either is gone, or there is a third.
        for (at, class) in [(0, "lost"), (1, "lost"), (0, "twin")] {
            let same = |it: &Conversation| {
                let is_same = |one: &Part, other: &Part| {
                    one.body.is_some()
                        && one.body == other.body
                        && one.created_at == other.created_at
                        && one.author == other.author
                };
                (1..it.parts.len()).find(|at| is_same(&it.parts[at - 1], &it.parts[*at]))
            };
            let chat = self.conversation(workspace, "chat:", |it| same(it).is_some());
            let (id, at) = (chat.id.clone(), same(chat).unwrap() - 1 + at);
            let name = self.known.parts[&chat.parts[at].id].clone();
            if class == "twin" {
                let mut twin = chat.parts[at].clone();
                twin.id.push('7');
                chat.parts.push(twin);
                // It may be the twin of either.
                let other = self.known.parts[&chat.parts[at + 1].id].clone();
                self.expect(&id, &other, class);
            } else {
                chat.parts.remove(at);
            }
            self.expect(&id, &name, class);
        }
        self.parts_of(workspace, "chat:");
    }

    /// A tag is taken off, a conversation is gone, and another is there twice.
    fn tag_and_whole(&mut self, workspace: &mut Workspace, kind: &str) {
        let tagged = self.conversation(workspace, kind, |it| !it.tags.is_empty());
        let (id, tag) = (tagged.id.clone(), tagged.tags.remove(0));
        let name = workspace.tag_names(&[tag])[0].to_owned();
        self.expect(&id, &format!("tag {name}"), "lost");

        let id = self.conversation(workspace, kind, |_| true).id.clone();
        workspace.conversations.retain(|it| it.id != id);
        self.expect(&id, "conversation", "missing");

        let one = self.conversation(workspace, kind, |_| true);
        let mut twin = one.clone();
        twin.id = String::new();
        let id = one.id.clone();
        self.expect(&id, "conversation", "twin");
        workspace.conversations.push(twin);
    }

    /// What was said is gone, says something else, or is by somebody else or of another time.
    fn parts_of(&mut self, workspace: &mut Workspace, kind: &str) {
        self.part(workspace, kind, ("", "lost"), |parts, at| drop(parts.remove(at)));
        self.part(workspace, kind, (" body", "altered"), |parts, at| {
            parts[at].body = Some("<p>Something else</p>".into());
        });
        self.part(workspace, kind, (" author", "altered"), |parts, at| {
            parts[at].author = Author { id: "1".into(), ..parts[at].author.clone() };
        });
        self.part(workspace, kind, (" created_at", "altered"), |parts, at| {
            parts[at].created_at += 60;
        });
        self.part(workspace, kind, ("", "twin"), |parts, at| {
            let mut twin = parts[at].clone();
            twin.id.push('7');
            parts.push(twin);
        });
    }
}
