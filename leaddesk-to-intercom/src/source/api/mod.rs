//! LeadDesk's API as a source.

mod agents;
mod calls;
mod changed;
mod contacts;
mod fetch;
mod history;
mod ids;
mod lookup;

pub use agents::agents;
pub(super) use agents::{from_user, records};
pub use calls::Calls;
pub use changed::Known;
pub use contacts::Contacts;
pub use history::History;
pub use ids::Ids;
pub use lookup::CallLookup;
