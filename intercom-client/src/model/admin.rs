//! Teammates, teams and the workspace behind a token.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::id::{AdminId, TeamId};
use crate::lenient;

/// The answer of `GET /me`: the admin a token belongs to, and the workspace.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Me {
    /// The admin.
    #[serde(flatten)]
    pub admin: Admin,
    /// The workspace.
    #[serde(default)]
    pub app: Option<App>,
}

/// A workspace.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct App {
    /// The id of the workspace. Ids of objects are unique only together with it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id_code: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// Where it is hosted: `US`, `EU` or `AU`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub region: Option<String>,
    /// Its time zone, as Intercom names it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub timezone: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// A teammate.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Admin {
    /// The id.
    pub id: AdminId,
    /// The name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<Personal<String>>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<Personal<String>>,
    /// Whether this teammate has a seat in the inbox and can be given conversations.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub has_inbox_seat: Option<bool>,
    /// The teams.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub team_ids: Vec<TeamId>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// A team. No version of the API can create or rename one.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Team {
    /// The id.
    pub id: TeamId,
    /// The name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// The members.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub admin_ids: Vec<AdminId>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}
