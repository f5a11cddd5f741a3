//! Both services, started and stopped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::account::{Account, AccountIndex, Rng};
use crate::connection::{CuttableListener, Scissors};
use crate::counters::Counters;
use crate::faults::Faults;
use crate::intercom::{RateLimit, Store};
use crate::leaddesk::rest::{Credentials, Tokens};
use crate::server::{Services, Shared, router};
use crate::workspace::{FALLBACK_ADMIN, Workspace};

/// Intercom's usual limit of a private app, in calls per minute.
const QUOTA: u64 = 10_000;
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a shutdown waits for requests in flight.
const PATIENCE: Duration = Duration::from_secs(2);

/// Both services, served on loopback until this is shut down or dropped.
#[derive(Debug)]
pub struct Sandbox {
    endpoints: Endpoints,
    shared: Shared,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

/// Where the services listen and what opens them. Serialised, it is the line the program prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Endpoints {
    /// Base URL of LeadDesk's Original API.
    pub leaddesk_original: String,
    /// Base URL of LeadDesk's REST API.
    pub leaddesk_rest: String,
    /// Base URL of Intercom.
    pub intercom: String,
    /// `auth` of the Original API.
    pub leaddesk_key: String,
    /// `leaddesk_client_id` of the token request.
    pub leaddesk_account_id: String,
    /// `client_id` of the token request.
    pub leaddesk_client_id: String,
    /// `client_secret` of the token request.
    pub leaddesk_client_secret: String,
    /// Intercom's bearer token.
    pub intercom_token: String,
    /// Zone of LeadDesk's times.
    pub time_zone: String,
    /// Country of phone numbers without a prefix.
    pub default_country: String,
    /// `us`, `eu` or `au`.
    pub region: String,
    /// E-mail of the teammate who stands in for agents without one.
    pub fallback_admin: String,
    /// Lowest and highest call id.
    pub call_ids: (u64, u64),
}

/// Settings of a sandbox to be started.
#[derive(Debug)]
pub struct Builder {
    account: Account,
    workspace: Workspace,
    listen: SocketAddr,
    quota: u64,
    search_lag: Duration,
    clock_ahead: TimeDelta,
    token_lifetime: Duration,
    faults: Faults,
}

impl Builder {
    /// Where to listen; any free port of loopback by default.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Intercom's rate limit in calls per minute, 10,000 by default. A sixth of it is granted per ten seconds.
    #[must_use]
    pub fn quota(mut self, calls_per_minute: u64) -> Self {
        self.quota = calls_per_minute;
        self
    }

    /// How long Intercom's search lags behind, not at all by default.
    #[must_use]
    pub fn search_lag(mut self, lag: Duration) -> Self {
        self.search_lag = lag;
        self
    }

    /// How far Intercom's clock is ahead of this machine's, as its replies are dated; not at all by default.
    #[must_use]
    pub fn clock_ahead(mut self, ahead: TimeDelta) -> Self {
        self.clock_ahead = ahead;
        self
    }

    /// How long a token of LeadDesk's REST API lasts, an hour by default.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// What goes wrong on purpose, nothing by default.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Changes the workspace before anything is served; search knows the result from the start.
    #[must_use]
    pub fn prepare(mut self, change: impl FnOnce(&mut Workspace)) -> Self {
        change(&mut self.workspace);
        self
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(self) -> io::Result<Sandbox> {
        let listener = TcpListener::bind(self.listen).await?;
        let root = format!("http://{}", listener.local_addr()?);
        let endpoints = Endpoints {
            leaddesk_original: format!("{root}/original"),
            leaddesk_rest: format!("{root}/rest"),
            intercom: root,
            leaddesk_key: "0123456789abcdef-sandbox-key-000".into(),
            leaddesk_account_id: self.account.account_id.clone(),
            leaddesk_client_id: "sandbox-client".into(),
            leaddesk_client_secret: "sandbox-client-secret".into(),
            intercom_token: "sandbox-intercom-token".into(),
            time_zone: self.account.time_zone.name().to_owned(),
            default_country: self.account.default_country.clone(),
            region: self.workspace.region.to_lowercase(),
            fallback_admin: FALLBACK_ADMIN.to_owned(),
            call_ids: self.account.call_ids(),
        };
        let mut store = Store::new(self.workspace, self.search_lag);
        store.unknown_for = self.faults.new_contact_unknown_for;
        let shared = Shared::new(Services {
            index: AccountIndex::of(&self.account),
            account: self.account,
            key: endpoints.leaddesk_key.clone(),
            credentials: Credentials {
                account_id: endpoints.leaddesk_account_id.clone(),
                client_id: endpoints.leaddesk_client_id.clone(),
                client_secret: endpoints.leaddesk_client_secret.clone(),
            },
            tokens: Tokens::new(self.token_lifetime),
            intercom_token: endpoints.intercom_token.clone(),
            store,
            limit: RateLimit::new(self.quota, self.clock_ahead),
            rng: Rng::new(self.faults.seed),
            faults: self.faults,
            counters: Counters::default(),
        });
        let (stop, mut stopped) = watch::channel(false);
        let app = router(shared.clone()).into_make_service_with_connect_info::<Scissors>();
        let server =
            axum::serve(CuttableListener(listener), app).with_graceful_shutdown(async move {
                // Asked to stop, or the sandbox was dropped: both mean the same.
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        let server = tokio::spawn(async move {
            // Serving does not end with an error; accepting is tried again.
            let _ = server.await;
        });
        Ok(Sandbox { endpoints, shared, stop, server })
    }
}

impl Sandbox {
    /// Settings for a sandbox of this account, with an Intercom workspace that fits it: teammates for most agents,
    /// two teams, and the people whom the workspace knows already.
    pub fn builder(account: Account) -> Builder {
        let now = chrono::Utc::now().timestamp();
        Builder {
            workspace: Workspace::before(&account, now),
            account,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            quota: QUOTA,
            search_lag: Duration::ZERO,
            clock_ahead: TimeDelta::zero(),
            token_lifetime: TOKEN_LIFETIME,
            faults: Faults::default(),
        }
    }

    /// Where the services listen and what opens them.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The destination as it is now.
    pub fn workspace(&self) -> Workspace {
        self.shared.lock().store.snapshot()
    }

    /// Changes the destination behind everybody's back. Search sees the change after its lag.
    pub fn edit(&self, change: impl FnOnce(&mut Workspace)) {
        let mut services = self.shared.lock();
        let mut workspace = services.store.snapshot();
        change(&mut workspace);
        services.store.replace(workspace);
    }

    /// The source as it is now.
    pub fn account(&self) -> Account {
        self.shared.lock().account.clone()
    }

    /// Changes the source.
    pub fn edit_account(&self, change: impl FnOnce(&mut Account)) {
        let mut services = self.shared.lock();
        change(&mut services.account);
        services.index = AccountIndex::of(&services.account);
    }

    /// Puts other faults in the place of the present ones.
    pub fn set_faults(&self, faults: Faults) {
        let mut services = self.shared.lock();
        services.rng = Rng::new(faults.seed);
        services.store.unknown_for = faults.new_contact_unknown_for;
        services.faults = faults;
    }

    /// What was asked for since the start.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters.clone()
    }

    /// Stops listening, lets requests in flight end (for two seconds at most) and returns what the destination then
    /// holds. [`Builder::prepare`] lets another sandbox go on with it.
    pub async fn shutdown(self) -> Workspace {
        let Self { stop, mut server, shared, .. } = self;
        let _ = stop.send(true);
        if tokio::time::timeout(PATIENCE, &mut server).await.is_err() {
            server.abort();
        }
        shared.lock().store.snapshot()
    }
}
