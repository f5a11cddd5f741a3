//! The two LeadDesk APIs, read-only: whatever would write or erase is refused and counted.

pub(crate) mod fields;
pub(crate) mod original;
pub(crate) mod rest;
