//! Stage `calls`: conversations, and the leads that were made of numbers.

use async_trait::async_trait;
use migrate_core::{Failure, Limits, Made, Stands, TakenBack, Undo};

use super::{ContactUndo, ConversationUndo};
use crate::source::keys::CALLER;

/// Takes back what stage `calls` wrote: a conversation, or a lead that was made of a number.
#[derive(Clone, Debug)]
pub struct CallUndo {
    conversations: ConversationUndo,
    contacts: ContactUndo,
}

impl CallUndo {
    /// Takes conversations and leads back as these do.
    pub fn new(conversations: ConversationUndo, contacts: ContactUndo) -> Self {
        Self { conversations, contacts }
    }

    fn of(&self, made: &Made) -> &dyn Undo {
        if made.key.kind() == CALLER { &self.contacts } else { &self.conversations }
    }
}

#[async_trait]
impl Undo for CallUndo {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        self.of(made).inspect(made).await
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        self.of(made).take_back(made).await
    }

    fn limits(&self) -> Limits {
        self.conversations.limits()
    }
}
