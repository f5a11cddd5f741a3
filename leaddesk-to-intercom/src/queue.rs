//! The reconciliation queues: name, what is wrong, who acts, and how.

use migrate_core::Reason;

/// A contact with neither e-mail address nor usable phone number.
pub fn contact_without_identifier() -> Reason {
    Reason::new(
        "contacts_without_identifier",
        "the contact has neither an e-mail address nor a usable phone number",
    )
    .remedy("LeadDesk admin", "add an e-mail address or a phone number in LeadDesk and run again")
}

/// Several people share one address.
pub fn shared_email() -> Reason {
    Reason::new("shared_email", "people with clearly different names share this e-mail address")
        .field("email")
        .remedy(
            "LeadDesk admin",
            "give each person an address of their own, or set contacts.dedupe = \"email+name\"",
        )
}

/// Another record of the migration has the address already, by whatever name. Intercom allows an address
/// once among users.
pub fn address_taken() -> Reason {
    Reason::new(
        "shared_email",
        "another LeadDesk record has become the user with this e-mail address, and Intercom allows an address only once among users",
    )
    .field("email")
    .remedy(
        "LeadDesk admin",
        "give each record an address of its own, or let contacts.dedupe bring them together (\"email\") or set the address aside (\"email+name\")",
    )
}

/// The same, and that user is archived in Intercom.
pub fn address_of_archived() -> Reason {
    let mut reason = address_taken();
    reason.message.push_str("; that user is archived in Intercom");
    reason
}

/// The same, where no LeadDesk record has become that user.
pub fn address_in_use() -> Reason {
    Reason::new(
        "shared_email",
        "another user in Intercom has this e-mail address by now, and Intercom allows an address only once among users",
    )
    .field("email")
    .remedy(
        "Intercom admin",
        "see which of the two users is to have the address, change that of the other, and run again",
    )
}

/// The contact is archived in Intercom.
pub fn archived_in_intercom() -> Reason {
    Reason::new("archived_in_intercom", "an archived contact in Intercom matches this one")
        .remedy("Intercom admin", "restore the archived contact in Intercom and run again")
}

/// A custom field that the mapping says nothing of, or leaves for somebody to look at.
pub fn field_for_review() -> Reason {
    Reason::new(
        "fields_for_review",
        "nobody has said where this field goes, so it stays in LeadDesk",
    )
    .remedy("operator", "give it a rule in mapping.toml, then run plan and run again")
}

/// An agent whom no teammate matches.
pub fn agent_without_teammate() -> Reason {
    Reason::new("agents_without_teammate", "no teammate in Intercom has this agent's e-mail address")
        .field("primary_email")
        .remedy(
            "Intercom admin",
            "invite the agent as a teammate, name one in [map.agents], or set destination.fallback_admin",
        )
}

/// A project or an office that no team has the name of.
pub fn team_missing() -> Reason {
    Reason::new("teams_missing", "no team in Intercom has the name of this project or office")
        .field("name")
        .remedy(
            "Intercom admin",
            "make the team in Intercom's settings, which its API cannot, or name one in [map.teams]; then run again",
        )
}

/// A call of which no contact is known.
pub fn call_without_contact() -> Reason {
    Reason::new("calls_without_contact", "no migrated contact matches the call by id or by number")
        .field("contact_id")
        .remedy("LeadDesk admin", "add a contact with this number in LeadDesk and run again")
}

/// A call or chat whose contact people have archived or deleted in Intercom.
pub fn author_gone() -> Reason {
    Reason::new(
        "calls_without_contact",
        "the contact was archived or deleted in Intercom, and nothing can be written in its name",
    )
    .field("contact_id")
    .remedy(
        "Intercom admin",
        "restore the contact if it is archived and run again; if it was deleted, nothing, unless it is to come back: then roll its record back and run again",
    )
}

/// A chat whose visitor has given an address or a number that no contact has.
pub fn chat_without_contact() -> Reason {
    Reason::new(
        "calls_without_contact",
        "no migrated contact has the e-mail address or the number that the chat's visitor gave",
    )
    .field("visitor_email")
    .remedy("LeadDesk admin", "add a contact with this address or number in LeadDesk and run again")
}

/// A chat whose visitor nobody knows, where no lead is to be made.
pub fn anonymous_visitor() -> Reason {
    Reason::new("calls_without_contact", "the chat's visitor is anonymous")
        .field("visitor_email")
        .remedy("operator", "set source.chatbot.anonymous = \"lead\" and run again")
}

/// A chat that does not say when it was.
pub fn chat_without_time() -> Reason {
    Reason::new("calls_without_time", "the chat has no usable time")
        .field("timestamp")
        .remedy(
            "LeadDesk admin",
            "export the chatbot again with times whose day and month cannot be mistaken, such as 2024-05-31 13:45",
        )
}

/// A chat that is said to take place after the run began.
pub fn chat_in_the_future() -> Reason {
    Reason::new("calls_without_time", "the chat is said to lie in the future")
        .field("timestamp")
        .remedy("operator", "check source.chatbot.time_zone, then run again")
}

/// A call of a history by number that does not say with which number it was: whether another route has brought it
/// already cannot be told.
pub fn call_without_number() -> Reason {
    Reason::new(
        "calls_without_contact",
        "the history by number does not say which number the call was with",
    )
    .field("phone_number")
    .remedy(
        "LeadDesk admin",
        "supply the call with its id in the call log export, or leave it in LeadDesk",
    )
}

/// A call that does not say when it was.
pub fn call_without_time() -> Reason {
    Reason::new("calls_without_time", "the call has no usable time")
        .field("talk_start")
        .remedy("LeadDesk admin", "supply the call with its time in the call log export")
}

/// A call that is said to begin after the run did.
pub fn call_in_the_future() -> Reason {
    Reason::new("calls_without_time", "the call is said to lie in the future")
        .field("talk_start")
        .remedy(
            "LeadDesk admin",
            "check source.time_zone, or supply the call with its time in the call log export",
        )
}

/// A call with a comment that is said to end after the run began.
pub fn call_ends_in_the_future() -> Reason {
    Reason::new("calls_without_time", "the call is said to end in the future")
        .field("handling_stop")
        .remedy(
            "LeadDesk admin",
            "run again when the call is over; otherwise check source.time_zone, or supply the call with its times in the call log export",
        )
}
