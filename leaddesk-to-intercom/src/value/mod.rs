//! Rules for single values: pure functions from the text that LeadDesk holds to what Intercom can take.
//!
//! Nothing here knows a vendor's API, does I/O or reads a clock, so each rule can be read and tested alone.
//! Types that hold a person's data hide it in `Debug`.

pub mod email;
pub mod name;
pub mod phone;
pub mod tag;
pub mod text;
pub mod time;

pub use email::Email;
pub use phone::{Country, Phone};
pub use tag::TagName;
pub use time::{Local, Zone};
