//! The plan: what a run would do, made by a dry run, and saved.

mod file;
mod make;
mod missing;
mod pace;
mod sample;
mod stale;
mod ways;

pub use file::{
    CallHistory, LeadDeskCalls, PlanFile, PlannedAttribute, PlannedStage, RouteHistory, Sampled,
    Share, ToAskFor, ToCreate, Way,
};
