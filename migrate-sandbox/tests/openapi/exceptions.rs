//! Where the description is known to be wrong or incomplete. An entry that is not needed any more fails the test.

/// Schema and place in it, or operation, status and place in the body; and why the reply is right all the same.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    ("contact.email", "people without an e-mail have null, which is described for neither role"),
    ("contact.opted_in_subscription_types", IN_EXAMPLES),
    ("contact.opted_out_subscription_types", IN_EXAMPLES),
    ("contact_tags.type", IN_EXAMPLES),
    ("contact_notes.type", IN_EXAMPLES),
    ("contact_companies.type", IN_EXAMPLES),
    ("contact_social_profiles.type", IN_EXAMPLES),
    ("contact_tags.url", RELATIVE),
    ("contact_notes.url", RELATIVE),
    ("contact_companies.url", RELATIVE),
    ("addressable_list.url", RELATIVE),
    ("addressable_list.type", "described as a URI, with the example `note`"),
    ("app.secure", IN_EXAMPLES),
    ("conversation.topics", IN_EXAMPLES),
    ("conversation.ticket", IN_EXAMPLES),
    ("conversation_list_item.topics", IN_EXAMPLES),
    ("conversation_list_item.ticket", IN_EXAMPLES),
    (
        "custom_attributes.LD boolean",
        "attributes of type boolean exist, booleans are not described",
    ),
    (
        "custom_attributes.LD decimal",
        "attributes of type decimal exist, decimals are not described",
    ),
    ("GET /me 401", NO_401),
    ("POST /contacts/{contact_id}/archive 401", NO_401),
    ("POST /contacts/{contact_id}/unarchive 401", NO_401),
    ("GET /contacts/{contact_id}/notes 401", NO_401),
    ("POST /contacts/{contact_id}/notes 401", NO_401),
    ("POST /conversations/search 401", NO_401),
    ("GET /contacts 429", "the rate limit holds everywhere and is described for exports only"),
    ("POST /contacts 409", "a twin is refused so in reality; the description leaves it out"),
    ("POST /contacts 400", "a body in none of the described forms must be answered somehow"),
    ("GET /contacts/{contact_id} 404", "answered in reality for whoever is unknown or archived"),
    ("DELETE /conversations/{conversation_id} 404", "as for reading one, where it is described"),
    (
        "PUT /conversations/{conversation_id} 400",
        "seen for attributes that do not exist or have a twin",
    ),
    ("POST /conversations/{conversation_id}/parts 422", "seen for whom it is assigned to already"),
];

const IN_EXAMPLES: &str = "in the examples of the description, and in none of its schemas";
const RELATIVE: &str = "described as a URI; its own examples are paths";
const NO_401: &str = "every operation needs a token; 401 is left out of some";

/// Replies that are described and that the sandbox never gives, with the reason.
pub(crate) const NOT_PLAYED: &[(&str, u16, &str)] = &[
    ("GET /contacts/find_by_external_id/{external_id}", 410, NO_MERGING),
    ("GET /contacts/{contact_id}", 410, NO_MERGING),
    ("DELETE /tags/{tag_id}", 400, NO_DEPENDANTS),
    ("PUT /data_attributes/{data_attribute_id}", 422, NO_DEPENDANTS),
    ("POST /conversations", 403, NO_PLANS),
    ("GET /conversations", 403, NO_PLANS),
    ("GET /conversations/{conversation_id}", 403, NO_PLANS),
    ("PUT /conversations/{conversation_id}", 403, NO_PLANS),
    ("DELETE /conversations/{conversation_id}", 403, NO_PLANS),
    ("POST /conversations/{conversation_id}/reply", 403, NO_PLANS),
    ("POST /conversations/{conversation_id}/parts", 403, NO_PLANS),
];

const NO_MERGING: &str = "contacts are never merged here";
const NO_DEPENDANTS: &str = "segments and what else could depend on it are not played";
const NO_PLANS: &str = "every plan is bought here";
