//! The Original API: one path, `mod` and `cmd` in the query, errors as plain text.

use http::Method;
use serde_json::json;

use super::fields;
use crate::account::{Account, AccountIndex, comparable};
use crate::exchange::{Exchange, Reply};

/// What a reader may ask for. Anything else is refused.
const READ: &[(&str, &str)] = &[
    ("calling_list", "list"),
    ("calling_list", "export"),
    ("contact", "find"),
    ("contact", "get"),
    ("contact", "exists"),
    ("call", "get"),
    ("agent", "find"),
];

pub(crate) fn template(exchange: &Exchange) -> String {
    let of = |name| exchange.query(name).unwrap_or("-");
    format!("{} mod={}&cmd={}", exchange.method, of("mod"), of("cmd"))
}

/// Whether a request is anything but one of the reading commands by GET.
pub(crate) fn is_write(exchange: &Exchange) -> bool {
    let asked = (
        exchange.query("mod").unwrap_or_default(),
        exchange.query("cmd").unwrap_or_default(),
    );
    exchange.method != Method::GET || !READ.contains(&asked)
}

pub(crate) fn answer(
    account: &Account,
    index: &AccountIndex,
    key: &str,
    exchange: &Exchange,
) -> Reply {
    match exchange.query("auth") {
        None => return error("ERR_ARGUMENT_MISSING:auth"),
        Some(auth) if auth != key => return error("ERR_AUTHENTICATION"),
        Some(_) => {}
    }
    if is_write(exchange) {
        return error("ERR_ARGUMENT_INVALID:cmd");
    }
    let asked = (
        exchange.query("mod").unwrap_or_default(),
        exchange.query("cmd").unwrap_or_default(),
    );
    match asked {
        ("calling_list", "list") => {
            let lists = account
                .lists
                .iter()
                .map(|list| json!({"id": list.id.to_string(), "name": list.name}));
            Reply::json(200, &lists.collect())
        }
        ("calling_list", "export") => list_export(account, index, exchange),
        ("contact", "find") => contact_find(account, index, exchange),
        ("contact", "exists") => match matching(account, index, exchange) {
            Ok(found) => Reply::json(200, &json!({"success": true, "match": !found.is_empty()})),
            Err(reply) => reply,
        },
        ("contact", "get") => contact_get(account, index, exchange),
        ("call", "get") => call_get(account, index, exchange),
        _ => agent_find(account, index, exchange),
    }
}

fn error(code: &str) -> Reply {
    Reply::text(400, code)
}

/// A required whole number of the query.
fn number(exchange: &Exchange, name: &str) -> Result<u64, Reply> {
    let text = exchange.query(name).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| error(&format!("ERR_ARGUMENT_MISSING:{name}")))?;
    text.parse()
        .map_err(|_| error(&format!("ERR_ARGUMENT_INVALID:{name}")))
}

fn list_export(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    match number(exchange, "id") {
        Err(reply) => reply,
        Ok(id) if !account.lists.iter().any(|list| list.id == id) => {
            error("ERR_NOT_FOUND:calling_list")
        }
        Ok(id) => Reply::new(
            200,
            "text/csv; charset=utf-8",
            fields::list_export(account, index, id).into_bytes(),
        ),
    }
}

/// Positions of the contacts that fulfil every condition given. Numbers are compared exactly, as stored.
fn matching(
    account: &Account,
    index: &AccountIndex,
    exchange: &Exchange,
) -> Result<Vec<usize>, Reply> {
    let given = |name| exchange.query(name).filter(|value| !value.is_empty());
    let list = given("contact_list_id")
        .map(|_| number(exchange, "contact_list_id"))
        .transpose()?;
    let (phone, fname, lname) = (given("phone"), given("fname"), given("lname"));
    let none = Vec::new();
    let candidates: Box<dyn Iterator<Item = usize>> = match (phone, list) {
        (Some(phone), _) => Box::new(
            index
                .contacts_by_phone
                .get(phone)
                .unwrap_or(&none)
                .clone()
                .into_iter(),
        ),
        (None, Some(list)) => Box::new(
            index
                .contacts_by_list
                .get(&list)
                .unwrap_or(&none)
                .clone()
                .into_iter(),
        ),
        (None, None) if fname.is_some() || lname.is_some() => Box::new(0..account.contacts.len()),
        (None, None) => return Err(error("ERR_ARGUMENT_MISSING")),
    };
    let fulfils = |at: &usize| {
        let contact = &account.contacts[*at];
        list.is_none_or(|list| contact.calling_list_id == list)
            && fname.is_none_or(|fname| contact.fname.as_deref() == Some(fname))
            && lname.is_none_or(|lname| contact.lname.as_deref() == Some(lname))
    };
    Ok(candidates.filter(fulfils).collect())
}

fn contact_find(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    match matching(account, index, exchange) {
        Err(reply) => reply,
        Ok(found) => {
            let ids: Vec<u64> = found.iter().map(|at| account.contacts[*at].id).collect();
            Reply::json(
                200,
                &json!({"success": true, "total_count": ids.len(), "contact_ids": ids}),
            )
        }
    }
}

fn contact_get(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    let id = match number(exchange, "contact_id") {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    match index.contact_by_id.get(&id) {
        None => error("ERR_NOT_FOUND:contact"),
        Some(at) => {
            let data = fields::object(&fields::contact(&account.contacts[*at]));
            Reply::json(
                200,
                &json!({"success": true, "contact_id": id, "data": data}),
            )
        }
    }
}

/// By `call_ref_id`, or by `phone`: which of several calls then comes back is unverified, here the latest.
fn call_get(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    let found = match exchange
        .query("phone")
        .filter(|_| exchange.query("call_ref_id").is_none())
    {
        Some(phone) => {
            let number = comparable(phone, &account.default_country);
            index
                .calls_by_number
                .get(&number)
                .and_then(|calls| calls.last())
        }
        None => match number(exchange, "call_ref_id") {
            Ok(id) => index.call_by_id.get(&id),
            Err(reply) => return reply,
        },
    };
    match found {
        None => error("ERR_NOT_FOUND:call"),
        Some(at) => Reply::json(200, &fields::object(&fields::call(&account.calls[*at]))),
    }
}

fn agent_find(account: &Account, index: &AccountIndex, exchange: &Exchange) -> Reply {
    let Some(username) = exchange.query("username").filter(|name| !name.is_empty()) else {
        return error("ERR_ARGUMENT_MISSING:username");
    };
    match index.agent_by_username.get(username) {
        None => error("ERR_NOT_FOUND:agent"),
        Some(at) => {
            let agent = &account.agents[*at];
            Reply::json(200, &json!({"id": agent.id, "name": agent.name}))
        }
    }
}
