//! Teammates and teams. The API can create neither.

use desk_client_core::Call;

use crate::client::IntercomClient;
use crate::error::Error;
use crate::id::{AdminId, TeamId};
use crate::model::admin::{Admin, Team};
use crate::page::Pages;

/// Calls about teammates.
#[derive(Clone, Copy, Debug)]
pub struct Admins<'a>(pub(crate) &'a IntercomClient);

impl Admins<'_> {
    /// All teammates, in one call (`GET /admins`).
    pub async fn list(&self) -> Result<Vec<Admin>, Error> {
        Pages::whole(self.0, "admins", Call::get("/admins")).all().await
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
        Pages::whole(self.0, "teams", Call::get("/teams")).all().await
    }

    /// One team (`GET /teams/{id}`).
    pub async fn get(&self, id: &TeamId) -> Result<Team, Error> {
        self.0.json(Call::get("/teams/{id}").segment(id)).await
    }
}
