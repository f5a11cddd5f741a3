//! A lead who is one of the contacts: the two stages bring their records together by themselves, and
//! here what they do not see of each other.

use intercom_client::ContactId;
use migrate_core::ledger::Entry;
use migrate_core::{Alias, Fingerprint, Outcome, Write};

use crate::config::Dedupe;
use crate::draft::ContactFields;
use crate::queue;
use crate::source::keys;
use crate::stage;
use crate::value::name::clearly_different;

use super::contacts::ContactSink;
use super::failure::failure_of;
use super::{not_kept, or_gone};

impl ContactSink {
    /// The same for leads. One who has the address of a contact of this migration, or by `dedupe` the
    /// number, and no clearly different name, is that contact: it is filled where it is empty, and
    /// gets the lead's tags. With a clearly different name the lead waits, as strangers with one address
    /// do among contacts, or stands for itself where `dedupe` goes by names as well.
    #[must_use]
    pub fn for_leads(mut self, dedupe: Dedupe) -> Self {
        self.leads = Some(dedupe);
        self
    }

    /// Fills the contact that a lead is, if it is one.
    pub(super) async fn one_of_the_contacts<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        left: &mut Option<Fingerprint>,
    ) -> Option<Outcome> {
        let dedupe = self.leads.filter(|dedupe| *dedupe != Dedupe::None)?;
        let known = match self.workspace.ledger.known_as(&names(fields, dedupe)).await {
            Ok(known) => known,
            Err(error) => return Some(not_kept(&error)),
        };
        let is_other =
            |entry: &&Entry| entry.stage == stage::CONTACTS && entry.key != write.key.root();
        for (entries, by_address) in known.iter().zip([fields.email.is_some(), false]) {
            let target = entries.iter().filter(is_other).find_map(|entry| entry.target.clone());
            let Some(target) = target else { continue };
            let id = ContactId::new(target.as_str());
            let found = match or_gone(self.workspace.client.contacts().get(&id).await) {
                Ok(Some(found)) => found,
                // Somebody has deleted it, or merged it into another.
                Ok(None) => continue,
                Err(error) if error.contact_merged_into().is_some() => continue,
                Err(error) => return Some(Outcome::Failed(failure_of(&error))),
            };
            let names = found.name.as_ref().zip(fields.name.as_ref());
            let differs = names.is_some_and(|(one, other)| clearly_different(one.reveal(), other));
            if !differs {
                return Some(self.fill(write, fields, &found, left).await);
            }
            if by_address && dedupe != Dedupe::EmailAndName {
                return Some(Outcome::Queued(queue::address_taken().object(id.as_str())));
            }
        }
        None
    }
}

/// The names by which a person is known, the surest first.
fn names(fields: &ContactFields, dedupe: Dedupe) -> Vec<Alias> {
    let email = fields.email.as_deref().map(keys::email);
    let phone = fields.phone.as_deref().filter(|_| dedupe == Dedupe::EmailOrPhone).map(keys::phone);
    email.into_iter().chain(phone).collect()
}
