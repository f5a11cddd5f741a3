//! Admins, teams, contacts and tags.

use chrono::DateTime;
use intercom_client::*;
use serde_json::{Value, json};

use super::{Example, Exchange, contact, example};

const ANNA: &str = "6762f0dd1bb69f9f2193bb83";

pub(super) fn examples() -> Vec<Example> {
    let mut examples = people();
    examples.extend(contacts());
    examples.extend(contact_tags_and_notes());
    examples.extend(tags());
    examples
}

fn people() -> Vec<Example> {
    vec![
        example(
            "me",
            "GET /me",
            Value::Null,
            json!({ "type": "admin", "id": "991", "name": "Ops", "email": "ops@example.com",
                    "team_ids": [1, 2], "has_inbox_seat": true, "email_verified": null,
                    "app": { "type": "app", "id_code": "abc123", "name": "Example", "region": "EU",
                             "timezone": "Europe/Helsinki", "created_at": 1_671_465_577 } }),
            |client| {
                Box::pin(async move {
                    let me = client.me().await.unwrap();
                    assert_eq!(me.admin.id, AdminId::new("991"));
                    assert_eq!(me.admin.team_ids, [TeamId::new("1"), TeamId::new("2")]);
                    let app = me.app.unwrap();
                    assert_eq!(app.id_code.as_deref(), Some("abc123"));
                    assert_eq!(app.region.unwrap().parse(), Ok(Region::Eu));
                })
            },
        ),
        example(
            "admins().list",
            "GET /admins",
            Value::Null,
            json!({ "type": "admin.list", "admins": [{ "id": "991", "email": "ops@example.com",
                    "has_inbox_seat": true, "team_ids": null }, { "id": 992 }] }),
            |client| {
                Box::pin(async move {
                    let admins = client.admins().list().await.unwrap();
                    assert_eq!(admins.len(), 2);
                    assert_eq!(admins[0].email.as_ref().unwrap().reveal(), "ops@example.com");
                })
            },
        ),
        example(
            "admins().get",
            "GET /admins/991",
            Value::Null,
            json!({ "type": "admin", "id": "991", "name": "Ops" }),
            |client| {
                Box::pin(async move {
                    let admin = client.admins().get(&"991".into()).await.unwrap();
                    assert_eq!(admin.name.unwrap().reveal(), "Ops");
                })
            },
        ),
        example(
            "teams().list",
            "GET /teams",
            Value::Null,
            json!({ "type": "team.list",
                    "teams": [{ "type": "team", "id": "5", "name": "Sales", "admin_ids": [991] }] }),
            |client| {
                Box::pin(async move {
                    let teams = client.teams().list().await.unwrap();
                    assert_eq!(teams[0].name.as_deref(), Some("Sales"));
                    assert_eq!(teams[0].admin_ids, [AdminId::new("991")]);
                })
            },
        ),
        example(
            "teams().get",
            "GET /teams/5",
            Value::Null,
            json!({ "type": "team", "id": 5, "name": "Sales", "admin_ids": [] }),
            |client| {
                Box::pin(async move {
                    assert_eq!(client.teams().get(&5.into()).await.unwrap().id, TeamId::new("5"));
                })
            },
        ),
    ]
}

fn contacts() -> Vec<Example> {
    let fate = |key: &str, value: bool| json!({ "type": "contact", "id": ANNA, "external_id": null, key: value });
    vec![
        example(
            "contacts().create",
            "POST /contacts",
            json!({ "role": "user", "external_id": "desk:contact:42", "email": "anna@example.com",
                    "phone": "+358401234567", "name": "Anna Example", "signed_up_at": 1_600_000_000,
                    "last_seen_at": 1_600_000_000, "owner_id": "127",
                    "unsubscribed_from_emails": false,
                    "custom_attributes": { "paid": true, "level": 3 } }),
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let time = DateTime::from_timestamp(1_600_000_000, 0).unwrap();
                    let new = NewContact::user("desk:contact:42")
                        .email("anna@example.com")
                        .phone("+358401234567")
                        .name("Anna Example")
                        .signed_up_at(time)
                        .last_seen_at(time)
                        .owner("127")
                        .unsubscribed_from_emails(false)
                        .custom_attributes(Attributes::new().with("paid", true).with("level", 3));
                    let made = client.contacts().create(&new).await.unwrap();
                    assert_eq!(made.id, ContactId::new(ANNA));
                    assert_eq!(made.role, Some(Role::User));
                    assert_eq!(made.owner_id, Some(AdminId::new("127")));
                    assert_eq!(made.updated_at.unwrap().timestamp(), 1_719_492_697);
                    assert!(made.phone.is_none() && made.last_seen_at.is_none());
                    assert_eq!(made.custom_attributes["paid"], true);
                    assert_eq!(made.tags[0].id, TagId::new("93"));
                    assert!(made.extra.contains_key("brand_new_key"));
                    let shown = format!("{made:?} {new:?}");
                    assert!(!shown.contains("anna") && !shown.contains("Anna"), "{shown}");
                    assert!(!shown.contains("35840"), "{shown}");
                })
            },
        ),
        example(
            "contacts().create of a lead",
            "POST /contacts",
            json!({ "role": "lead", "name": "Ben Example" }),
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let lead = NewContact::lead().name("Ben Example");
                    client.contacts().create(&lead).await.unwrap();
                })
            },
        ),
        example(
            "contacts().create of a user by e-mail",
            "POST /contacts",
            json!({ "role": "user", "email": "ben@example.com" }),
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let user = NewContact::user_with_email("ben@example.com");
                    client.contacts().create(&user).await.unwrap();
                })
            },
        ),
        example(
            "contacts().get",
            "GET /contacts/6762f0dd1bb69f9f2193bb83",
            Value::Null,
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let contact = client.contacts().get(&ANNA.into()).await.unwrap();
                    assert_eq!(contact.name.unwrap().reveal(), "Anna Example");
                })
            },
        ),
        example(
            "contacts().find_by_external_id",
            "GET /contacts/find_by_external_id/desk:contact%2F42%20%3F",
            Value::Null,
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let found = client.contacts().find_by_external_id("desk:contact/42 ?").await;
                    assert_eq!(found.unwrap().unwrap().id, ContactId::new(ANNA));
                })
            },
        ),
        example(
            "contacts().update",
            "PUT /contacts/6762f0dd1bb69f9f2193bb83",
            json!({ "role": "user", "external_id": "x", "email": "a@example.com", "phone": null,
                    "name": "Anna", "signed_up_at": 1_600_000_000, "last_seen_at": null,
                    "owner_id": "127", "unsubscribed_from_emails": true,
                    "custom_attributes": { "level": null } }),
            contact(ANNA),
            |client| {
                Box::pin(async move {
                    let time = DateTime::from_timestamp(1_600_000_000, 0).unwrap();
                    let change = UpdateContact::new()
                        .role(Role::User)
                        .external_id("x")
                        .email("a@example.com")
                        .phone(Patch::Clear)
                        .name("Anna")
                        .signed_up_at(time)
                        .last_seen_at(Patch::Clear)
                        .owner(AdminId::new("127"))
                        .unsubscribed_from_emails(true)
                        .custom_attributes(Attributes::new().with("level", Value::Null));
                    assert!(!change.is_empty() && UpdateContact::new().is_empty());
                    client.contacts().update(&ANNA.into(), &change).await.unwrap();
                })
            },
        ),
        Example {
            name: "contacts().list",
            exchanges: vec![
                Exchange {
                    request: "GET /contacts?per_page=2",
                    body: Value::Null,
                    reply: json!({ "type": "list", "data": [contact("a"), contact("b")],
                        "total_count": 3, "pages": { "type": "pages", "page": 1, "per_page": 2,
                        "total_pages": 2, "next": { "per_page": 2, "starting_after": "W3s=" } } }),
                },
                Exchange {
                    request: "GET /contacts?per_page=2&starting_after=W3s%3D",
                    body: Value::Null,
                    reply: json!({ "type": "list", "data": [contact("c")], "total_count": 3,
                        "pages": { "type": "pages", "page": 2, "next": null } }),
                },
            ],
            call: |client| {
                Box::pin(async move {
                    let all = client.contacts().list(Some(2)).all().await.unwrap();
                    let ids: Vec<&str> = all.iter().map(|contact| contact.id.as_str()).collect();
                    assert_eq!(ids, ["a", "b", "c"]);
                })
            },
        },
        Example {
            name: "contacts().search",
            exchanges: vec![
                Exchange {
                    request: "POST /contacts/search",
                    body: json!({ "query": { "operator": "AND", "value": [
                        { "operator": "AND", "value": [
                            { "field": "role", "operator": "=", "value": "user" }] },
                        { "operator": "OR", "value": [
                            { "field": "email", "operator": "=", "value": "anna@example.com" },
                            { "field": "created_at", "operator": ">", "value": 1_600_000_000 }] }
                        ] },
                        "pagination": { "per_page": 150 },
                        "sort": { "field": "created_at", "order": "ascending" } }),
                    reply: json!({ "type": "list", "data": [contact("a")], "total_count": 2,
                        "pages": { "next": { "starting_after": "next" } } }),
                },
                Exchange {
                    request: "POST /contacts/search",
                    body: json!({ "query": { "operator": "AND", "value": [
                        { "operator": "AND", "value": [
                            { "field": "role", "operator": "=", "value": "user" }] },
                        { "operator": "OR", "value": [
                            { "field": "email", "operator": "=", "value": "anna@example.com" },
                            { "field": "created_at", "operator": ">", "value": 1_600_000_000 }] }
                        ] },
                        "pagination": { "per_page": 150, "starting_after": "next" },
                        "sort": { "field": "created_at", "order": "ascending" } }),
                    reply: json!({ "type": "list", "data": [contact("b")], "pages": null }),
                },
            ],
            call: |client| {
                Box::pin(async move {
                    let query = Query::and([
                        Query::eq("role", "user"),
                        Query::or([
                            Query::eq("email", "anna@example.com"),
                            Query::gt("created_at", 1_600_000_000),
                        ]),
                    ]);
                    let search =
                        Search::new(query).per_page(150).sort("created_at", Order::Ascending);
                    assert_eq!(client.contacts().search(search).all().await.unwrap().len(), 2);
                })
            },
        },
        example(
            "contacts().delete",
            "DELETE /contacts/6762f0dd1bb69f9f2193bb83",
            Value::Null,
            fate("deleted", true),
            |client| {
                Box::pin(async move {
                    let fate = client.contacts().delete(&ANNA.into()).await.unwrap();
                    assert_eq!(fate.deleted, Some(true));
                })
            },
        ),
        example(
            "contacts().archive",
            "POST /contacts/6762f0dd1bb69f9f2193bb83/archive",
            Value::Null,
            fate("archived", true),
            |client| {
                Box::pin(async move {
                    let fate = client.contacts().archive(&ANNA.into()).await.unwrap();
                    assert_eq!(fate.archived, Some(true));
                })
            },
        ),
        example(
            "contacts().unarchive",
            "POST /contacts/6762f0dd1bb69f9f2193bb83/unarchive",
            Value::Null,
            fate("archived", false),
            |client| {
                Box::pin(async move {
                    let fate = client.contacts().unarchive(&ANNA.into()).await.unwrap();
                    assert_eq!(fate.archived, Some(false));
                })
            },
        ),
    ]
}

fn contact_tags_and_notes() -> Vec<Example> {
    let tag = json!({ "type": "tag", "id": "93", "name": "Call", "applied_at": 1_663_597_223,
                      "applied_by": { "type": "admin", "id": "991" } });
    let note = json!({ "type": "note", "id": "29", "created_at": 1_733_932_587,
                       "contact": { "type": "contact", "id": ANNA },
                       "author": { "type": "admin", "id": "991", "name": "Ops" },
                       "body": "<p>Hello</p>" });
    vec![
        example(
            "contacts().tags",
            "GET /contacts/6762f0dd1bb69f9f2193bb83/tags",
            Value::Null,
            json!({ "type": "list", "data": [tag] }),
            |client| {
                Box::pin(async move {
                    let tags = client.contacts().tags(&ANNA.into()).await.unwrap();
                    assert_eq!(tags[0].name.as_deref(), Some("Call"));
                })
            },
        ),
        example(
            "contacts().add_tag",
            "POST /contacts/6762f0dd1bb69f9f2193bb83/tags",
            json!({ "id": "93" }),
            tag.clone(),
            |client| {
                Box::pin(async move {
                    let tag = client.contacts().add_tag(&ANNA.into(), &"93".into()).await.unwrap();
                    assert!(tag.applied_at.is_some());
                })
            },
        ),
        example(
            "contacts().remove_tag",
            "DELETE /contacts/6762f0dd1bb69f9f2193bb83/tags/93",
            Value::Null,
            tag.clone(),
            |client| {
                Box::pin(async move {
                    client.contacts().remove_tag(&ANNA.into(), &"93".into()).await.unwrap();
                })
            },
        ),
        example(
            "contacts().notes",
            "GET /contacts/6762f0dd1bb69f9f2193bb83/notes",
            Value::Null,
            json!({ "type": "list", "data": [note], "total_count": 1,
                    "pages": { "type": "pages", "next": null, "page": 1 } }),
            |client| {
                Box::pin(async move {
                    let notes = client.contacts().notes(&ANNA.into()).all().await.unwrap();
                    assert!(text::same(notes[0].body.as_ref().unwrap().reveal(), "Hello"));
                    assert_eq!(notes[0].author.as_ref().unwrap().id, AdminId::new("991"));
                })
            },
        ),
        example(
            "contacts().add_note",
            "POST /contacts/6762f0dd1bb69f9f2193bb83/notes",
            json!({ "body": "Hello", "admin_id": "991" }),
            note.clone(),
            |client| {
                Box::pin(async move {
                    let admin = AdminId::new("991");
                    let id = ContactId::new(ANNA);
                    let note = client.contacts().add_note(&id, "Hello", Some(&admin)).await;
                    assert_eq!(note.unwrap().id, NoteId::new("29"));
                })
            },
        ),
    ]
}

fn tags() -> Vec<Example> {
    let bulk = json!({ "type": "tag", "id": "93", "name": "Call",
                       "users": [{ "id": ANNA, "tagged": true }] });
    vec![
        example(
            "tags().list",
            "GET /tags",
            Value::Null,
            json!({ "type": "list", "data": [{ "type": "tag", "id": "93", "name": "Call" }] }),
            |client| {
                Box::pin(async move {
                    assert_eq!(client.tags().list().await.unwrap()[0].id, TagId::new("93"));
                })
            },
        ),
        example(
            "tags().get_or_create",
            "POST /tags",
            json!({ "name": "Call" }),
            json!({ "type": "tag", "id": "93", "name": "Call" }),
            |client| {
                Box::pin(async move {
                    let tag = client.tags().get_or_create("Call").await.unwrap();
                    assert_eq!(tag.id, TagId::new("93"));
                })
            },
        ),
        example(
            "tags().tag_users",
            "POST /tags",
            json!({ "name": "Call", "users": [{ "id": ANNA }] }),
            bulk.clone(),
            |client| {
                Box::pin(async move {
                    let done = client.tags().tag_users("Call", &[ANNA.into()]).await.unwrap();
                    assert_eq!(done.users[0].tagged, Some(true));
                    assert_eq!(done.tag.id, TagId::new("93"));
                })
            },
        ),
        example(
            "tags().untag_users",
            "POST /tags",
            json!({ "name": "Call", "users": [{ "id": ANNA, "untag": true }] }),
            bulk,
            |client| {
                Box::pin(async move {
                    client.tags().untag_users("Call", &[ANNA.into()]).await.unwrap();
                })
            },
        ),
        example("tags().delete", "DELETE /tags/93", Value::Null, Value::Null, |client| {
            Box::pin(async move {
                client.tags().delete(&"93".into()).await.unwrap();
            })
        }),
    ]
}
