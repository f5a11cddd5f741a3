//! Teammates and teams. The API can create neither.

use desk_client_core::Call;

use crate::client::IntercomClient;
use crate::error::Error;
use crate::id::{AdminId, TeamId};
use crate::model::admin::{Admin, Team};
use crate::page;

/// Calls about teammates.
#[derive(Clone, Copy, Debug)]
pub struct Admins<'a>(pub(crate) &'a IntercomClient);

impl Admins<'_> {
    /// All teammates, in one call (`GET /admins`).
    pub async fn list(&self) -> Result<Vec<Admin>, Error> {
        let reply = self.0.send(Call::get("/admins")).await?;
        page::read(&reply, "admins")?.items.into_iter().collect()
    }

    /// One teammate (`GET /admins/{id}`).
    pub async fn get(&self, id: &AdminId) -> Result<Admin, Error> {
        self.0.json(Call::get("/admins/{id}").segment(id)).await
    }
}

/// Calls about teams.
#[derive(Clone, Copy, Debug)]
pub struct Teams<'a>(pub(crate) &'a IntercomClient);

impl Teams<'_> {
    /// All teams, in one call (`GET /teams`).
    pub async fn list(&self) -> Result<Vec<Team>, Error> {
        let reply = self.0.send(Call::get("/teams")).await?;
        page::read(&reply, "teams")?.items.into_iter().collect()
    }

    /// One team (`GET /teams/{id}`).
    pub async fn get(&self, id: &TeamId) -> Result<Team, Error> {
        self.0.json(Call::get("/teams/{id}").segment(id)).await
    }
}
