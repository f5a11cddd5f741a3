#![doc = include_str!("../README.md")]

mod account;
mod connection;
mod counters;
mod digest;
mod exchange;
mod faults;
mod hidden;
mod intercom;
mod leaddesk;
mod sandbox;
mod server;
pub mod workspace;

pub use account::{
    Account, AccountSpec, ChatbotExport, ExistingContact, OtherInfo, SourceAgent, SourceCall,
    SourceCampaign, SourceChat, SourceContact, SourceList, SourceTurn, ZERO_TIME,
};
pub use counters::Counters;
pub use faults::{FaultKind, Faults, ServiceFaults, Strike, Struck};
pub use sandbox::{Builder, Endpoints, Sandbox};
pub use workspace::Workspace;
