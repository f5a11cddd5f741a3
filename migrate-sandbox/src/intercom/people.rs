//! The token's owner, teammates and teams: read-only, as in reality.

use serde_json::{Value, json};

use super::render;
use super::{Call, Failure, Outcome, Store};

pub(super) fn me(store: &mut Store, _: &Call<'_>) -> Outcome {
    let admin = store.admins.first().ok_or_else(Failure::no_resource)?;
    let mut me = render::admin(admin, store);
    if let Value::Object(fields) = &mut me {
        fields.insert("email_verified".into(), json!(true));
        fields.insert(
            "avatar".into(),
            json!({"type": "avatar", "image_url": "https://static.example.com/avatar.png"}),
        );
        let app = json!({
            "type": "app",
            "id_code": store.id_code,
            "name": store.name,
            "created_at": 1_734_537_243,
            "secure": false,
            "identity_verification": false,
            "timezone": store.time_zone.name(),
            "region": store.region,
        });
        fields.insert("app".into(), app);
    }
    Ok(me)
}

pub(super) fn admins(store: &mut Store, _: &Call<'_>) -> Outcome {
    let admins: Vec<Value> = store
        .admins
        .iter()
        .map(|admin| render::admin(admin, store))
        .collect();
    Ok(json!({"type": "admin.list", "admins": admins}))
}

pub(super) fn admin(store: &mut Store, call: &Call<'_>) -> Outcome {
    let found = store
        .admin(call.segment(1))
        .map(|admin| render::admin(admin, store));
    found.ok_or_else(|| Failure::new(404, "admin_not_found", "Admin not found"))
}

pub(super) fn teams(store: &mut Store, _: &Call<'_>) -> Outcome {
    let teams: Vec<Value> = store.teams.iter().map(render::team).collect();
    Ok(json!({"type": "team.list", "teams": teams}))
}

pub(super) fn team(store: &mut Store, call: &Call<'_>) -> Outcome {
    let found = store
        .teams
        .iter()
        .find(|team| team.id.to_string() == call.segment(1));
    found
        .map(render::team)
        .ok_or_else(|| Failure::new(404, "team_not_found", "Team not found"))
}
