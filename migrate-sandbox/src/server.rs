//! From a request to a reply, with the faults in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::account::{Account, AccountIndex, Rng};
use crate::connection::Scissors;
use crate::counters::Counters;
use crate::exchange::{Exchange, Reply};
use crate::faults::{FaultKind, Faults};
use crate::intercom::{self, RateLimit, Store};
use crate::leaddesk::{original, rest};

/// Larger requests than this are cut off; Intercom's largest, attachments in base64, are out of scope.
const LARGEST_BODY: usize = 16 << 20;

/// Everything the services know.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) account: Account,
    pub(crate) index: AccountIndex,
    pub(crate) key: String,
    pub(crate) credentials: rest::Credentials,
    pub(crate) tokens: rest::Tokens,
    pub(crate) intercom_token: String,
    pub(crate) store: Store,
    pub(crate) limit: RateLimit,
    pub(crate) faults: Faults,
    pub(crate) rng: Rng,
    pub(crate) counters: Counters,
}

#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Services>>);

/// The indexes within hold people's data.
impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(Mutex::new(services)))
    }

    /// A panic in a test's closure must not take the server down with it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Services> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the three APIs. Intercom has the root, LeadDesk's two stand under `/original` and `/rest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Original,
    Rest,
    Intercom,
}

pub(crate) fn router(shared: Shared) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

async fn serve(
    State(shared): State<Shared>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return respond(Reply::text(413, "Request too large"));
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut exchange = Exchange::new(parts.method, parts.uri.path(), query, parts.headers, body);
    let service = match () {
        () if exchange.under("original") => Service::Original,
        () if exchange.under("rest") => Service::Rest,
        () => Service::Intercom,
    };

    let (fault, wait, late_by) = {
        let mut services = shared.lock();
        services.count(service, &exchange);
        let faults = services.faults_of(service);
        let (fault, slow) = services.decide(service, &exchange);
        (fault, slow.then_some(faults.slow_by), faults.late_by)
    };
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    match fault {
        None => respond(shared.lock().answer(service, &exchange)),
        Some(FaultKind::ErrorBefore) => respond(shared.lock().broken(service)),
        Some(FaultKind::Refused) => respond(shared.lock().refuse(service)),
        Some(FaultKind::ErrorAfter) => {
            let mut services = shared.lock();
            services.answer(service, &exchange);
            respond(services.broken(service))
        }
        Some(FaultKind::LateEffect) => {
            scissors.cut();
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep(late_by).await;
                shared.lock().answer(service, &exchange);
            });
            respond(Reply::text(500, ""))
        }
        Some(FaultKind::Truncated) => truncated(shared.lock().answer(service, &exchange)),
        // A lost reply, and what may be added to the kinds: done, but never heard of.
        Some(_) => {
            shared.lock().answer(service, &exchange);
            scissors.cut();
            respond(Reply::text(500, ""))
        }
    }
}

impl Services {
    fn count(&mut self, service: Service, exchange: &Exchange) {
        let counters = &mut self.counters;
        let (calls, writes) = match service {
            Service::Original => (&mut counters.leaddesk_original, &mut counters.leaddesk_writes),
            Service::Rest => (&mut counters.leaddesk_rest, &mut counters.leaddesk_writes),
            Service::Intercom => (&mut counters.intercom, &mut counters.intercom_writes),
        };
        *calls.entry(name_of(service, exchange)).or_default() += 1;
        *writes += u64::from(is_write(service, exchange));
    }

    /// How many requests of this name there were so far.
    fn counted(&self, service: Service, name: &str) -> u64 {
        let calls = match service {
            Service::Original => &self.counters.leaddesk_original,
            Service::Rest => &self.counters.leaddesk_rest,
            Service::Intercom => &self.counters.intercom,
        };
        calls.get(name).copied().unwrap_or_default()
    }

    fn faults_of(&self, service: Service) -> crate::faults::ServiceFaults {
        match service {
            Service::Intercom => self.faults.intercom.clone(),
            Service::Original | Service::Rest => self.faults.leaddesk.clone(),
        }
    }

    fn decide(&mut self, service: Service, exchange: &Exchange) -> (Option<FaultKind>, bool) {
        let (faults, name) = (self.faults_of(service), name_of(service, exchange));
        let nth = self.counted(service, &name);
        let is_write = is_write(service, exchange);
        let (fault, slow) = faults.decide(&name, nth, is_write, &mut self.rng);
        for kind in fault.into_iter().chain(slow.then_some(FaultKind::Slow)) {
            *self.counters.faults.entry(kind).or_default() += 1;
        }
        (fault, slow)
    }

    /// Checks who asks and whether there is quota left, then does what was asked for.
    fn answer(&mut self, service: Service, exchange: &Exchange) -> Reply {
        match service {
            Service::Original => original::answer(&self.account, &self.index, &self.key, exchange),
            Service::Rest => rest::answer(
                &self.account,
                &self.index,
                &self.credentials,
                &mut self.tokens,
                exchange,
            ),
            Service::Intercom if !intercom::is_authorised(exchange, &self.intercom_token) => {
                // Without credentials there are no rate-limit headers.
                intercom::unauthorised(&mut self.store)
            }
            Service::Intercom if !self.limit.take() => self.refuse(service),
            Service::Intercom => {
                let reply = intercom::answer(&mut self.store, exchange);
                self.with_limit(reply)
            }
        }
    }

    fn refuse(&mut self, service: Service) -> Reply {
        match service {
            Service::Intercom => {
                self.counters.refused += 1;
                let reply = intercom::refused(&mut self.store, self.limit.message());
                self.with_limit(reply)
            }
            // Nothing is known of LeadDesk's limits: a bare 429.
            Service::Original | Service::Rest => Reply::text(429, "Too Many Requests"),
        }
    }

    /// One of the server errors, as the service itself or as something in front of it would answer.
    fn broken(&mut self, service: Service) -> Reply {
        let status = [500, 502, 503, 504][self.rng.below(4) as usize];
        match (service, status) {
            (_, 502 | 504) => Reply::new(
                status,
                "text/html",
                b"<html><body><h1>Bad gateway</h1></body></html>".to_vec(),
            ),
            (Service::Original, _) => Reply::text(500, "ERR_UNDEFINED"),
            (Service::Rest, _) => Reply::text(status, "Internal Server Error"),
            (Service::Intercom, _) => intercom::broken(&mut self.store, status),
        }
    }

    fn with_limit(&mut self, mut reply: Reply) -> Reply {
        reply.headers.extend(self.limit.headers());
        reply
    }
}

/// The request's name in the counters.
fn name_of(service: Service, exchange: &Exchange) -> String {
    match service {
        Service::Original => original::template(exchange),
        Service::Rest => rest::template(exchange),
        Service::Intercom => intercom::template(exchange),
    }
}

fn is_write(service: Service, exchange: &Exchange) -> bool {
    match service {
        Service::Original => original::is_write(exchange),
        Service::Rest => rest::is_write(exchange),
        Service::Intercom => intercom::is_write(exchange),
    }
}

fn respond(reply: Reply) -> Response {
    response(&reply, Body::from(reply.body.clone()))
}

/// Announces the whole body, sends half of it and closes the connection.
fn truncated(reply: Reply) -> Response {
    let length = reply.body.len();
    let half = Bytes::copy_from_slice(&reply.body[..length / 2]);
    let body = futures::stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) => Some((Ok(half), None)),
            None => {
                // Time for the first half to leave.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    let mut response = response(&reply, Body::from_stream(body));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn response(reply: &Reply, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}
