//! The REST API: bearer tokens, `{collection, _meta}`.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::fields;
use crate::account::{Account, AccountIndex, comparable};
use crate::exchange::{Exchange, Reply};

/// Page size without `per_page`, and the largest one (both unverified).
const PER_PAGE: usize = 50;
const MOST_PER_PAGE: usize = 100;

/// Bearer tokens in use.
#[derive(Debug)]
pub(crate) struct Tokens {
    lifetime: Duration,
    issued: u64,
    valid_until: HashMap<String, Instant>,
}

/// What the token request must name.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) account_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Tokens {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, issued: 0, valid_until: HashMap::new() }
    }

    fn issue(&mut self) -> String {
        self.issued += 1;
        let token = format!("sandbox-rest-token-{}", self.issued);
        self.valid_until.insert(token.clone(), Instant::now() + self.lifetime);
        token
    }

    fn accepts(&mut self, token: &str) -> bool {
        let now = Instant::now();
        self.valid_until.retain(|_, until| *until > now);
        self.valid_until.contains_key(token)
    }
}

pub(crate) fn template(exchange: &Exchange) -> String {
    let path = match exchange.segments().as_slice() {
        ["oauth", "access-token"] => "/oauth/access-token",
        ["users"] => "/users",
        ["campaigns"] => "/campaigns",
        ["gdpr", "contact"] => "/gdpr/contact",
        _ => "other",
    };
    format!("{} {path}", exchange.method)
}

/// Whether a request is anything but a GET or the token request.
pub(crate) fn is_write(exchange: &Exchange) -> bool {
    let token = exchange.method == Method::POST && exchange.segments() == ["oauth", "access-token"];
    exchange.method != Method::GET && !token
}

pub(crate) fn answer(
    account: &Account,
    index: &AccountIndex,
    credentials: &Credentials,
    tokens: &mut Tokens,
    exchange: &Exchange,
) -> Reply {
    let segments = exchange.segments();
    if segments == ["oauth", "access-token"] && exchange.method == Method::POST {
        return token(credentials, tokens, exchange);
    }
    if !exchange.bearer().is_some_and(|token| tokens.accepts(token)) {
        return error(401, "Unauthorized");
    }
    if is_write(exchange) {
        return error(403, "Forbidden");
    }
    match segments.as_slice() {
        ["users"] => page(exchange, account.agents.iter().map(fields::agent)),
        ["campaigns"] => page(exchange, account.campaigns.iter().map(fields::campaign)),
        ["gdpr", "contact"] => history(account, index, exchange),
        _ => error(404, "Not Found"),
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"status": status, "title": message}))
}

fn token(credentials: &Credentials, tokens: &mut Tokens, exchange: &Exchange) -> Reply {
    let body = exchange.json_or_form();
    let given = |name: &str| match body.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let known = given("grant_type") == "leaddesk_client_id"
        && given("leaddesk_client_id") == credentials.account_id
        && given("client_id") == credentials.client_id
        && given("client_secret") == credentials.client_secret;
    match known {
        true => Reply::json(200, &json!({"access_token": tokens.issue()})),
        false => error(401, "Unauthorized"),
    }
}

fn page(exchange: &Exchange, rows: impl ExactSizeIterator<Item = fields::Fields>) -> Reply {
    let number = |name: &str| exchange.query(name).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(PER_PAGE).clamp(1, MOST_PER_PAGE);
    let skipped = (number("page").unwrap_or(1).max(1) - 1).saturating_mul(per_page);
    let count = rows.len();
    let collection: Vec<Value> =
        rows.skip(skipped).take(per_page).map(|row| fields::object(&row)).collect();
    Reply::json(200, &json!({"collection": collection, "_meta": {"count": count}}))
}

/// Every agent call with a number, and of everybody who has it, whatever number was called: all that is held about a
/// person. The result is the outcome's name and there are no ids, as far as is known.
fn history(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    let Some(phone) = exchange.query("phone").filter(|phone| !phone.is_empty()) else {
        return error(400, "phone is missing");
    };
    let number = comparable(phone, &account.default_country);
    let people = index.contacts_by_number.get(&number).into_iter().flatten();
    let of_people =
        people.filter_map(|at| index.calls_by_contact.get(&account.contacts[*at].id)).flatten();
    let with_number = index.calls_by_number.get(&number).into_iter().flatten();
    let calls: BTreeSet<usize> = of_people.chain(with_number).copied().collect();
    let calls = calls.into_iter().map(|at| {
        let call = &account.calls[at];
        json!({
            "created_at": call.created_at,
            "call_recording": call.record_file,
            "phone_number": call.number,
            "result": call.call_ending_reason_name,
            "comment": call.comment,
            "direction": call.direction,
            "status": null,
            "duration": call.talk_time.to_string(),
        })
    });
    Reply::json(200, &json!({"calls": {"agent": calls.collect::<Value>()}}))
}
