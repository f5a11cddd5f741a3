//! How large and how ugly a generated account is.

use chrono_tz::Tz;

/// What [`Account::generate`](super::Account::generate) makes. Each share is a fraction of the contacts (or calls)
/// in `0.0..=1.0`, spread evenly, so that a share of 0.01 gives exactly one case in a hundred.
///
/// ```
/// use migrate_sandbox::AccountSpec;
///
/// let spec = AccountSpec::new(500, 7).with(|spec| spec.shared_address = 0.0);
/// assert_eq!(spec.contacts, 500);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AccountSpec {
    /// Number of contacts.
    pub contacts: usize,
    /// The same seed gives the same account.
    pub seed: u64,
    /// Calls per contact, on average.
    pub calls_per_contact: f64,
    /// Sessions of the chatbot per contact, on average.
    pub chats_per_contact: f64,
    /// Zone of all times.
    pub time_zone: Tz,
    /// Contacts who are in a second list as well: same e-mail, same name, other `updated_at`, some fields empty.
    pub in_two_lists: f64,
    /// Contacts with clearly different names who share one address of the kind `info@…`.
    pub shared_address: f64,
    /// Contacts with neither e-mail nor phone.
    pub no_identifier: f64,
    /// Contacts with a phone only.
    pub phone_only: f64,
    /// Contacts with an e-mail only.
    pub email_only: f64,
    /// Contacts whose e-mail is no valid address.
    pub invalid_email: f64,
    /// Contacts whose e-mail is in upper case or has spaces around it.
    pub untidy_email: f64,
    /// Contacts with emoji, right-to-left script or markup in the name.
    pub odd_name: f64,
    /// Contacts and calls with emoji, right-to-left script or markup in the comment.
    pub odd_comment: f64,
    /// Contacts and calls with a comment of several thousand characters.
    pub long_comment: f64,
    /// Contacts whose `created_at` is a zero date.
    pub zero_date: f64,
    /// Contacts whose empty fields are `null` where the others have `""`.
    pub null_fields: f64,
    /// Contacts whose last call is not named in `last_call_id`.
    pub no_last_call: f64,
    /// Calls without any usable time (zero date, empty or absent).
    pub calls_without_time: f64,
    /// Calls in the hour that does not exist in spring.
    pub calls_in_gap: f64,
    /// Calls in the hour that exists twice in autumn.
    pub calls_in_overlap: f64,
    /// Calls without `contact_id`, from a number that a contact has.
    pub calls_by_number: f64,
    /// Calls without `contact_id`, from a number that nobody has.
    pub calls_by_strangers: f64,
    /// Calls without a comment.
    pub calls_without_comment: f64,
    /// Call ids that do not exist, as a share of the calls.
    pub holes: f64,
    /// Agents without a teammate in Intercom.
    pub agents_without_teammate: f64,
    /// Contacts whom Intercom knows beforehand by their e-mail; at least one, one of them archived if there are two.
    pub existing: f64,
}

impl AccountSpec {
    /// An account of this many contacts with all ugly cases in small shares.
    pub fn new(contacts: usize, seed: u64) -> Self {
        Self {
            contacts,
            seed,
            calls_per_contact: 2.6,
            chats_per_contact: 0.2,
            time_zone: chrono_tz::Europe::Helsinki,
            in_two_lists: 0.04,
            shared_address: 0.02,
            no_identifier: 0.01,
            phone_only: 0.05,
            email_only: 0.04,
            invalid_email: 0.01,
            untidy_email: 0.02,
            odd_name: 0.02,
            odd_comment: 0.02,
            long_comment: 0.005,
            zero_date: 0.01,
            null_fields: 0.3,
            no_last_call: 0.02,
            calls_without_time: 0.004,
            calls_in_gap: 0.002,
            calls_in_overlap: 0.002,
            calls_by_number: 0.02,
            calls_by_strangers: 0.01,
            calls_without_comment: 0.5,
            holes: 0.05,
            agents_without_teammate: 0.15,
            existing: 0.01,
        }
    }

    /// An account of this many contacts without any of the ugly cases.
    pub fn plain(contacts: usize, seed: u64) -> Self {
        Self {
            in_two_lists: 0.0,
            shared_address: 0.0,
            no_identifier: 0.0,
            phone_only: 0.0,
            email_only: 0.0,
            invalid_email: 0.0,
            untidy_email: 0.0,
            odd_name: 0.0,
            odd_comment: 0.0,
            long_comment: 0.0,
            zero_date: 0.0,
            null_fields: 0.0,
            no_last_call: 0.0,
            calls_without_time: 0.0,
            calls_in_gap: 0.0,
            calls_in_overlap: 0.0,
            calls_by_number: 0.0,
            calls_by_strangers: 0.0,
            holes: 0.0,
            agents_without_teammate: 0.0,
            existing: 0.0,
            ..Self::new(contacts, seed)
        }
    }

    /// Changes any of the fields in passing.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sets the average number of calls per contact.
    #[must_use]
    pub fn with_calls_per_contact(self, calls: f64) -> Self {
        self.with(|spec| spec.calls_per_contact = calls)
    }

    /// Sets the average number of sessions of the chatbot per contact.
    #[must_use]
    pub fn with_chats_per_contact(self, chats: f64) -> Self {
        self.with(|spec| spec.chats_per_contact = chats)
    }

    /// Sets the zone of all times.
    #[must_use]
    pub fn with_time_zone(self, time_zone: Tz) -> Self {
        self.with(|spec| spec.time_zone = time_zone)
    }
}
