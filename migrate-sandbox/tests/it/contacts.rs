use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, code, plain};

#[tokio::test]
async fn me_proves_token_region_and_workspace() {
    let desk = Desk::start(plain()).await;
    let (status, me) = desk.get("/me").await;
    assert_eq!(status, 200);
    assert_eq!(me["email"], "ops@example.com");
    assert_eq!(me["app"]["region"], "EU");
    let (_, admins) = desk.get("/admins").await;
    assert_eq!(admins["type"], "admin.list");
    let (_, admin) = desk.get(&format!("/admins/{}", desk.admin())).await;
    assert_eq!(admin["id"], json!(desk.admin()));
    let (_, teams) = desk.get("/teams").await;
    assert_eq!(teams["teams"][0]["name"], "Helsinki");
    assert_eq!(desk.get("/teams/1").await.0, 404);
    assert_eq!(code(&desk.get("/admins/1").await.1), "admin_not_found");
}

#[tokio::test]
async fn without_the_token_or_with_an_unknown_version_nothing_is_answered() {
    let desk = Desk::start(plain()).await;
    let url = format!("{}/me", desk.sandbox.endpoints().intercom);
    let reply = desk.http.get(&url).send().await.unwrap();
    assert_eq!(reply.status(), 401);
    assert!(reply.headers().get("x-ratelimit-limit").is_none());
    assert_eq!(code(&reply.json().await.unwrap()), "unauthorized");

    let old = |path: &str, version: &str| {
        let endpoints = desk.sandbox.endpoints();
        let request = desk.http.get(format!("{}{path}", endpoints.intercom));
        request
            .bearer_auth(&endpoints.intercom_token)
            .header("Intercom-Version", version)
    };
    let reply = old("/me", "1.0").send().await.unwrap();
    assert_eq!(reply.status(), 400);
    assert_eq!(
        code(&reply.json().await.unwrap()),
        "intercom_version_invalid"
    );
    let reply = old("/conversations/attributes", "2.15")
        .send()
        .await
        .unwrap();
    assert_eq!(
        code(&reply.json().await.unwrap()),
        "intercom_version_invalid"
    );
    assert_eq!(old("/me", "2.14").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_user_is_created_read_changed_and_deleted() {
    let desk = Desk::start(plain()).await;
    let id = desk.new_user("leaddesk:contact:1", "ada@example.com").await;
    assert_eq!(id.len(), 24);
    let (_, found) = desk
        .get("/contacts/find_by_external_id/leaddesk%3Acontact%3A1")
        .await;
    assert_eq!(found["id"], json!(id));
    let (status, changed) = desk
        .put(
            &format!("/contacts/{id}"),
            json!({"name": "Ada", "signed_up_at": 1_500_000_000}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(changed["name"], "Ada");
    assert_eq!(changed["email"], "ada@example.com");
    let (status, gone) = desk.delete(&format!("/contacts/{id}")).await;
    assert_eq!((status, &gone["deleted"]), (200, &json!(true)));
    assert_eq!(desk.get(&format!("/contacts/{id}")).await.0, 404);
    desk.new_user("leaddesk:contact:1", "ada@example.com").await;
}

#[tokio::test]
async fn users_conflict_by_external_id_and_email_and_leads_never() {
    let desk = Desk::start(plain()).await;
    let id = desk.new_user("a:1", "ada@example.com").await;
    let expected = format!("A contact matching those details already exists with id={id}");
    for twin in [
        json!({"external_id": "a:1"}),
        json!({"email": "ADA@example.com", "external_id": "a:2"}),
    ] {
        let (status, body) = desk.post("/contacts", twin).await;
        assert_eq!(status, 409);
        assert_eq!(code(&body), "conflict");
        assert_eq!(body["errors"][0]["message"], json!(expected));
    }
    for _ in 0..2 {
        let (status, lead) = desk
            .post(
                "/contacts",
                json!({"role": "lead", "email": "ada@example.com"}),
            )
            .await;
        assert_eq!((status, &lead["role"]), (200, &json!("lead")));
    }
    let other = desk.new_user("a:3", "bob@example.com").await;
    let (status, _) = desk
        .put(
            &format!("/contacts/{other}"),
            json!({"email": "ada@example.com"}),
        )
        .await;
    assert_eq!(status, 409);
}

#[tokio::test]
async fn an_archived_contact_is_unreadable_and_still_in_the_way() {
    let desk = Desk::start(plain()).await;
    let id = desk.new_user("a:1", "ada@example.com").await;
    let (_, archived) = desk
        .call(Method::POST, &format!("/contacts/{id}/archive"), None)
        .await;
    assert_eq!(archived["archived"], true);
    assert_eq!(desk.get(&format!("/contacts/{id}")).await.0, 404);
    assert_eq!(desk.get("/contacts/find_by_external_id/a:1").await.0, 404);
    let (status, body) = desk.post("/contacts", json!({"external_id": "a:1"})).await;
    let expected =
        format!("An archived contact matching those details already exists with id={id}");
    assert_eq!(
        (status, &body["errors"][0]["message"]),
        (409, &json!(expected))
    );
    desk.call(Method::POST, &format!("/contacts/{id}/unarchive"), None)
        .await;
    assert_eq!(desk.get(&format!("/contacts/{id}")).await.0, 200);
}

#[tokio::test]
async fn leads_are_not_found_by_external_id() {
    let desk = Desk::start(plain()).await;
    desk.post(
        "/contacts",
        json!({"role": "lead", "external_id": "lead:1"}),
    )
    .await;
    assert_eq!(
        desk.get("/contacts/find_by_external_id/lead:1").await.0,
        404
    );
}

#[tokio::test]
async fn wrong_fields_are_refused() {
    let desk = Desk::start(plain()).await;
    let wrong = [
        json!({}),
        json!({"role": "user"}),
        json!({"role": "robot"}),
        json!({"email": "no e-mail"}),
        json!({"external_id": 7}),
        json!({"external_id": "a", "signed_up_at": 1_500_000_000_000_i64}),
        json!({"external_id": "a", "email_verified": true}),
        json!({"external_id": "a", "custom_attributes": {"nobody_made_me": "x"}}),
    ];
    for body in wrong {
        let (status, reply) = desk.post("/contacts", body.clone()).await;
        assert_eq!(status, 400, "{body} → {reply}");
        code(&reply);
    }
    assert!(desk.sandbox.workspace().contacts.is_empty());
}

#[tokio::test]
async fn the_list_is_paged_by_cursor() {
    let desk = Desk::start(plain()).await;
    for n in 0..5 {
        desk.new_user(&format!("a:{n}"), &format!("a{n}@example.com"))
            .await;
    }
    let mut seen = Vec::new();
    let mut path = "/contacts?per_page=2".to_owned();
    loop {
        let (_, page) = desk.get(&path).await;
        assert_eq!(page["total_count"], 5);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["external_id"].clone()),
        );
        match page["pages"]["next"]["starting_after"].as_str() {
            Some(cursor) => path = format!("/contacts?per_page=2&starting_after={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["a:0", "a:1", "a:2", "a:3", "a:4"]);
}

#[tokio::test]
async fn notes_are_kept_and_read_back_as_html() {
    let desk = Desk::start(plain()).await;
    let id = desk.new_user("a:1", "ada@example.com").await;
    let path = format!("/contacts/{id}/notes");
    let (status, note) = desk
        .post(
            &path,
            json!({"body": "1 < 2\nLeadDesk contact 1", "admin_id": desk.admin()}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(note["body"], "<p>1 &lt; 2<br>LeadDesk contact 1</p>");
    assert_eq!(note["author"]["id"], json!(desk.admin()));
    let (_, notes) = desk.get(&path).await;
    let (_, beyond) = desk.get(&format!("{path}?page=2")).await;
    assert_eq!(
        beyond["data"],
        json!([]),
        "clients page until nothing comes"
    );
    assert_eq!(notes["total_count"], 1);
    assert_eq!(
        desk.post(&path, json!({"body": "x", "admin_id": "5"}))
            .await
            .0,
        404
    );
    assert_eq!(
        desk.post("/contacts/0/notes", json!({"body": "x"})).await.0,
        404
    );
    let (_, contact) = desk.get(&format!("/contacts/{id}")).await;
    assert_eq!(contact["notes"]["total_count"], 1);
}

#[tokio::test]
async fn tags_are_got_or_created_put_on_in_bulk_and_deleted() {
    let desk = Desk::start(plain()).await;
    let (_, tag) = desk
        .post("/tags", json!({"name": "ld_campaign_Kevät"}))
        .await;
    let (_, same) = desk
        .post("/tags", json!({"name": "LD_CAMPAIGN_KEVÄT"}))
        .await;
    assert_eq!(tag["id"], same["id"]);
    assert_eq!(same["name"], "ld_campaign_Kevät");
    let (a, b) = (
        desk.new_user("a", "a@example.com").await,
        desk.new_user("b", "b@example.com").await,
    );
    let users = json!([{"id": a}, {"id": b}]);
    let (status, bulk) = desk
        .post("/tags", json!({"name": "vip", "users": users}))
        .await;
    assert_eq!((status, bulk["users"].as_array().unwrap().len()), (200, 2));
    let (_, on) = desk
        .post(&format!("/contacts/{a}/tags"), json!({"id": tag["id"]}))
        .await;
    assert_eq!(on["name"], "ld_campaign_Kevät");
    assert_eq!(on["applied_by"]["id"], json!(desk.admin()));
    let names = |list: &Value| -> Vec<String> {
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(
        names(&desk.get(&format!("/contacts/{a}/tags")).await.1),
        ["vip", "ld_campaign_Kevät"]
    );
    let untag = json!({"name": "vip", "users": [{"id": a, "untag": true}]});
    desk.post("/tags", untag).await;
    assert_eq!(
        names(&desk.get(&format!("/contacts/{a}/tags")).await.1),
        ["ld_campaign_Kevät"]
    );
    let (status, body) = desk
        .delete(&format!("/tags/{}", tag["id"].as_str().unwrap()))
        .await;
    assert_eq!((status, body), (200, Value::Null));
    assert!(names(&desk.get(&format!("/contacts/{a}/tags")).await.1).is_empty());
    assert_eq!(names(&desk.get("/tags").await.1), ["vip"]);
    assert_eq!(
        desk.post(&format!("/contacts/{a}/tags"), json!({"id": "999999"}))
            .await
            .0,
        404
    );
    assert_eq!(desk.post("/tags", json!({"users": []})).await.0, 400);
}
