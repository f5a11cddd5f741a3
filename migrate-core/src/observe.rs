//! [`Observer`]: progress, for bars and logs.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{Estimate, Fate};

/// Gets the progress of a run. Closures are observers, pairs of observers are one, and so are lists
/// of them. It is called often and must not block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no observer of a run",
    note = "implement `migrate_core::Observer` for it, or use a closure `|event: &Event<'_>| …`"
)]
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, event: &Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }
}

impl<O: Observer> Observer for Vec<O> {
    fn observe(&self, event: &Event<'_>) {
        self.iter().for_each(|observer| observer.observe(event));
    }
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: &Event<'_>) {}
}

/// What happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage begins, or goes on.
    StageBegun {
        /// Its name.
        stage: &'a str,
        /// How much there is to read.
        estimate: Estimate,
        /// Records that an earlier run has dealt with in this pass.
        done: u64,
    },
    /// Records were read.
    Read {
        /// The stage.
        stage: &'a str,
        /// How many.
        records: u64,
    },
    /// A record has its fate.
    Settled {
        /// The stage.
        stage: &'a str,
        /// The fate, as seen by this run: already in place counts as unchanged.
        fate: Fate,
    },
    /// A stage is held back.
    StageHeld {
        /// Its name.
        stage: &'a str,
        /// The stage with records that wait for somebody.
        by: &'a str,
    },
    /// All that can be done now of a stage is done.
    StageEnded {
        /// Its name.
        stage: &'a str,
    },
    /// How much of the destination's quota is used. The engine knows no quota: whoever has the
    /// client tells its observers so.
    Quota {
        /// The share that is used, from 0 to 1.
        share: f64,
    },
    /// Only records that must wait are left.
    Waiting {
        /// How many.
        records: u64,
        /// When they are looked at again.
        until: DateTime<Utc>,
    },
}
