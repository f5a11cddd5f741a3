//! Stages that write nothing: teammates and teams that were found, and what is documented.

use async_trait::async_trait;
use migrate_core::{Failure, Limits, Made, Stands, TakenBack, Undo};

/// For stages that write nothing to Intercom, so that there is nothing to be taken back.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NothingUndo;

#[async_trait]
impl Undo for NothingUndo {
    async fn inspect(&self, _: &Made) -> Result<Stands, Failure> {
        Ok(Stands::AsBefore)
    }

    async fn take_back(&self, _: &Made) -> Result<TakenBack, Failure> {
        Ok(TakenBack::Done)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(8)
    }
}
