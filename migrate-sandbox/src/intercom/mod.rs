//! Intercom's REST API 2.16, as far as a migration uses it.

mod attributes;
mod contacts;
mod conversation_attributes;
mod conversations;
mod index;
mod limits;
mod notes;
mod paging;
mod parts;
mod people;
mod query;
mod render;
mod search;
mod store;
mod tags;
mod text;

use http::Method;
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, Reply};

pub(crate) use limits::RateLimit;
pub(crate) use store::Store;

/// A refusal: status, `errors[0].code`, `errors[0].message`, and the path of the object to ask instead.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    code: &'static str,
    message: String,
    canonical: Option<String>,
}

impl Failure {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), canonical: None }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "parameter_invalid", message)
    }

    fn no_contact() -> Self {
        Self::new(404, "not_found", "User Not Found")
    }

    /// The contact was merged into this one.
    fn merged(heir: &str) -> Self {
        let canonical = Some(format!("/contacts/{heir}"));
        Self { canonical, ..Self::new(410, "contact_merged", "The contact was merged") }
    }

    fn no_resource() -> Self {
        Self::new(404, "not_found", "Resource Not Found")
    }
}

type Outcome = Result<Value, Failure>;

/// A request that was let in: what the handlers see.
#[derive(Debug)]
struct Call<'a> {
    exchange: &'a Exchange,
    version: Version,
}

impl Call<'_> {
    fn segment(&self, at: usize) -> &str {
        self.exchange.segment(at)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.exchange.query(name)
    }

    /// The body, which must be a JSON object.
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        match serde_json::from_slice(&self.exchange.body) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(Failure::new(400, "bad_request", "Request body must be a JSON object")),
        }
    }
}

/// The version the request asked for, as major and minor.
type Version = (u8, u8);
const NEWEST: Version = (2, 16);

/// What is done at a path. The template names the path in the counters.
struct Route {
    template: &'static str,
    since: Version,
    run: fn(&mut Store, &Call<'_>) -> Outcome,
}

fn route(exchange: &Exchange) -> Option<Route> {
    let method = match exchange.method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => return None,
    };
    let at = |template, run: fn(&mut Store, &Call<'_>) -> Outcome| {
        Some(Route { template, since: (2, 7), run })
    };
    let since = |minor, template, run| Some(Route { template, since: (2, minor), run });
    match (method, exchange.segments().as_slice()) {
        ("GET", ["me"]) => at("/me", people::me),
        ("GET", ["admins"]) => at("/admins", people::admins),
        // `/admins/activity_logs` and the like are other operations.
        ("GET", ["admins", id]) if id.parse::<u64>().is_ok() => at("/admins/{id}", people::admin),
        ("GET", ["teams"]) => at("/teams", people::teams),
        ("GET", ["teams", _]) => at("/teams/{id}", people::team),

        ("POST", ["contacts"]) => at("/contacts", contacts::create),
        ("GET", ["contacts"]) => at("/contacts", contacts::list),
        ("POST", ["contacts", "search"]) => at("/contacts/search", search::contacts),
        ("GET", ["contacts", "find_by_external_id", _]) => {
            since(13, "/contacts/find_by_external_id/{external_id}", contacts::find_by_external_id)
        }
        ("GET", ["contacts", _]) => at("/contacts/{id}", contacts::get),
        ("PUT", ["contacts", _]) => at("/contacts/{id}", contacts::update),
        ("DELETE", ["contacts", _]) => at("/contacts/{id}", contacts::delete),
        ("POST", ["contacts", _, "archive"]) => at("/contacts/{id}/archive", contacts::archive),
        ("POST", ["contacts", _, "unarchive"]) => {
            at("/contacts/{id}/unarchive", contacts::unarchive)
        }
        ("GET", ["contacts", _, "tags"]) => at("/contacts/{id}/tags", tags::of_contact),
        ("POST", ["contacts", _, "tags"]) => at("/contacts/{id}/tags", tags::add_to_contact),
        ("DELETE", ["contacts", _, "tags", _]) => {
            at("/contacts/{id}/tags/{tag_id}", tags::remove_from_contact)
        }
        ("GET", ["contacts", _, "notes"]) => at("/contacts/{id}/notes", notes::list),
        ("POST", ["contacts", _, "notes"]) => at("/contacts/{id}/notes", notes::create),
        ("GET", ["notes", _]) => at("/notes/{id}", notes::get),

        ("GET", ["tags"]) => at("/tags", tags::list),
        ("POST", ["tags"]) => at("/tags", tags::create),
        ("GET", ["tags", _]) => at("/tags/{id}", tags::get),
        ("DELETE", ["tags", _]) => at("/tags/{id}", tags::delete),

        ("GET", ["data_attributes"]) => at("/data_attributes", attributes::list),
        ("POST", ["data_attributes"]) => at("/data_attributes", attributes::create),
        ("PUT", ["data_attributes", _]) => at("/data_attributes/{id}", attributes::update),

        ("GET", ["conversations", "attributes"]) => {
            since(16, "/conversations/attributes", conversation_attributes::list)
        }
        ("POST", ["conversations", "attributes"]) => {
            since(16, "/conversations/attributes", conversation_attributes::create)
        }
        ("GET", ["conversations", "attributes", _]) => {
            since(16, "/conversations/attributes/{id}", conversation_attributes::get)
        }
        ("PUT", ["conversations", "attributes", _]) => {
            since(16, "/conversations/attributes/{id}", conversation_attributes::update)
        }
        ("DELETE", ["conversations", "attributes", _]) => {
            since(16, "/conversations/attributes/{id}", conversation_attributes::archive)
        }
        ("POST", ["conversations", "attributes", _, "options"]) => {
            since(16, "/conversations/attributes/{id}/options", conversation_attributes::add_option)
        }
        ("PUT", ["conversations", "attributes", _, "options", _]) => since(
            16,
            "/conversations/attributes/{id}/options/{option_id}",
            conversation_attributes::rename_option,
        ),
        ("DELETE", ["conversations", "attributes", _, "options", _]) => since(
            16,
            "/conversations/attributes/{id}/options/{option_id}",
            conversation_attributes::archive_option,
        ),

        ("POST", ["conversations"]) => at("/conversations", conversations::create),
        ("GET", ["conversations"]) => at("/conversations", conversations::list),
        ("POST", ["conversations", "search"]) => at("/conversations/search", search::conversations),
        ("GET", ["conversations", "deleted"]) => {
            since(16, "/conversations/deleted", conversations::deleted)
        }
        ("GET", ["conversations", _]) => at("/conversations/{id}", conversations::get),
        ("PUT", ["conversations", _]) => at("/conversations/{id}", conversations::update),
        ("DELETE", ["conversations", _]) => since(13, "/conversations/{id}", conversations::delete),
        ("POST", ["conversations", _, "reply"]) => at("/conversations/{id}/reply", parts::reply),
        ("POST", ["conversations", _, "parts"]) => at("/conversations/{id}/parts", parts::manage),
        ("POST", ["conversations", _, "tags"]) => {
            at("/conversations/{id}/tags", tags::add_to_conversation)
        }
        ("DELETE", ["conversations", _, "tags", _]) => {
            at("/conversations/{id}/tags/{tag_id}", tags::remove_from_conversation)
        }
        _ => None,
    }
}

pub(crate) fn template(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, route(exchange).map_or("other", |route| route.template))
}

/// Anything but GET and search.
pub(crate) fn is_write(exchange: &Exchange) -> bool {
    exchange.method != Method::GET && exchange.segments().last() != Some(&"search")
}

/// Whether the bearer token is the right one.
pub(crate) fn is_authorised(exchange: &Exchange, token: &str) -> bool {
    exchange.bearer() == Some(token)
}

/// Does what a request asks for that was let in.
pub(crate) fn answer(store: &mut Store, exchange: &Exchange) -> Reply {
    match execute(store, exchange) {
        // Deleting a tag answers an empty body.
        Ok(Value::Null) => Reply::text(200, ""),
        Ok(body) => Reply::json(200, &body),
        Err(failure) => refusal(store, &failure),
    }
}

fn execute(store: &mut Store, exchange: &Exchange) -> Outcome {
    let version = version(exchange)?;
    let route = route(exchange).ok_or_else(Failure::no_resource)?;
    if version < route.since {
        let message = "Requested resource is not available in current API version.";
        return Err(Failure::new(400, "intercom_version_invalid", message));
    }
    (route.run)(store, &Call { exchange, version })
}

/// Without the header, the version set for the app applies: here the newest.
fn version(exchange: &Exchange) -> Result<Version, Failure> {
    let Some(text) = exchange.header("intercom-version") else {
        return Ok(NEWEST);
    };
    let minor = text.strip_prefix("2.").and_then(|minor| minor.parse().ok());
    match minor {
        Some(minor) if (7..=16).contains(&minor) => Ok((2, minor)),
        _ if text == "Preview" || text == "Unstable" => Ok((2, 99)),
        _ => Err(Failure::new(
            400,
            "intercom_version_invalid",
            "The requested version could not be found",
        )),
    }
}

pub(crate) fn unauthorised(store: &mut Store) -> Reply {
    refusal(store, &Failure::new(401, "unauthorized", "Access Token Invalid"))
}

pub(crate) fn refused(store: &mut Store, message: String) -> Reply {
    refusal(store, &Failure::new(429, "rate_limit_exceeded", message))
}

pub(crate) fn broken(store: &mut Store, status: u16) -> Reply {
    refusal(
        store,
        &Failure::new(
            status,
            "service_unavailable",
            "Sorry, the API service is temporarily unavailable",
        ),
    )
}

fn refusal(store: &mut Store, failure: &Failure) -> Reply {
    let request_id = store.request_id();
    let body = json!({
        "type": "error.list",
        "request_id": request_id,
        "errors": [{"code": failure.code, "message": failure.message}],
    });
    let mut reply = Reply::json(failure.status, &body);
    let link = failure.canonical.as_ref().map(|path| format!("<{path}>; rel=\"canonical\""));
    reply.headers.extend(link.map(|link| ("link", link)));
    reply
}
