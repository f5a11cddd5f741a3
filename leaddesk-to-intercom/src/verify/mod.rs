//! Verification: the source is mapped again, and what each record should have become is compared
//! with what Intercom gives back, field by field.
//!
//! The mapping runs through the same stages as a migration, on a scratch ledger; in the place of
//! the sinks stand those of a [`migrate_core::Verification`], which read by what is here. So merged
//! contacts are compared with what the merge should have given, not with one of its parts.

mod contacts;
mod conversations;
mod twins;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use intercom_client::{AdminId, Contact, Conversation, ConversationId, IntercomClient, text};
use migrate_core::{Field, Normal, TargetId};
use serde_json::Value;
use tokio::sync::OnceCell;

/// Reads back contacts and conversations. Clones share what they have read.
#[derive(Clone)]
pub struct Verifier {
    client: IntercomClient,
    /// Who speaks for agents without a teammate.
    admin: AdminId,
    /// Who stands for the chatbot.
    bot: AdminId,
    /// The attributes of conversations that the migration writes, by name.
    conversation_attributes: Arc<BTreeSet<String>>,
    state: Arc<Mutex<Read>>,
}

#[derive(Default)]
struct Read {
    contacts: HashMap<TargetId, Option<Arc<FetchedContact>>>,
    conversations: HashMap<TargetId, Option<Arc<Conversation>>>,
    /// By contact.
    opened: HashMap<TargetId, Arc<OnceCell<Opened>>>,
}

/// The conversations of a contact, each with the text that opened it.
type Opened = Vec<(ConversationId, String)>;

struct FetchedContact {
    contact: Contact,
    tags: BTreeSet<String>,
    notes: Vec<(TargetId, String)>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Records that are read back at once.
const IN_FLIGHT: usize = 32;

/// Objects that are kept at hand while the writes of their records are compared.
const KEPT: usize = 512;

impl Verifier {
    /// A verifier of a workspace. `admin` is who speaks for agents without a teammate,
    /// and for the chatbot.
    pub fn new(client: IntercomClient, admin: AdminId) -> Self {
        let bot = admin.clone();
        Self { client, admin, bot, conversation_attributes: Arc::default(), state: Arc::default() }
    }

    /// The same, with somebody else who stands for the chatbot.
    #[must_use]
    pub fn bot(mut self, bot: AdminId) -> Self {
        self.bot = bot;
        self
    }

    /// The same, which tells by these attributes of conversations whether people have changed what was
    /// written.
    #[must_use]
    pub fn conversation_attributes(mut self, names: Arc<BTreeSet<String>>) -> Self {
        self.conversation_attributes = names;
        self
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that should be there as a whole: a tag, a note.
fn is_there(name: impl Into<String>, there: bool) -> Field {
    Field::new(name, true, there.then_some(true))
}

/// A custom attribute, whatever form Intercom gives numbers and texts in.
fn attribute(name: &str, wanted: &Value, found: Option<&Value>) -> Field {
    let normal = match wanted {
        Value::String(_) => Normal::trim().or_same(text::same),
        Value::Number(_) => Normal::number(),
        _ => Normal::exact(),
    };
    Field::new(name, wanted.clone(), found.cloned()).by(normal)
}
