//! How what a ledger keeps is shown: by its keys. Drafts and images hold people's data.

use std::fmt;

use crate::Key;

use super::{Change, Parked, PartState};

impl fmt::Debug for PartState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intended { at, known, draft: _ } => {
                let mut shown = f.debug_struct("Intended");
                shown.field("at", at).field("known", known).finish_non_exhaustive()
            }
            Self::Done(written) => f.debug_tuple("Done").field(written).finish(),
        }
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, stage, lane: _, why, since, not_before, looks, drafts: _, notes: _ } = self;
        f.debug_struct("Parked")
            .field("key", key)
            .field("stage", stage)
            .field("why", why)
            .field("since", since)
            .field("not_before", not_before)
            .field("looks", looks)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, key, stage): (_, Option<&Key>, Option<&str>) = match self {
            Self::Settle { key, stage, .. } => ("Settle", Some(key), Some(stage)),
            Self::Intent { key, stage, .. } => ("Intent", Some(key), Some(stage)),
            Self::Done { key, stage, .. } => ("Done", Some(key), Some(stage)),
            Self::Void { key } => ("Void", Some(key), None),
            Self::Aliases { key, stage, .. } => ("Aliases", Some(key), Some(stage)),
            Self::Discover { list, item: _ } => ("Discover", None, Some(list)),
            Self::Park(parked) => return f.debug_tuple("Park").field(parked).finish(),
            Self::Unpark { key } => ("Unpark", Some(key), None),
            Self::Before { key, image: _ } => ("Before", Some(key), None),
            Self::VoidBefore { key } => ("VoidBefore", Some(key), None),
            Self::Page { stage, pass, keys, next, .. } => {
                let mut shown = f.debug_struct("Page");
                shown.field("stage", stage).field("pass", pass).field("keys", keys);
                return shown.field("next", next).finish_non_exhaustive();
            }
            Self::Begin { stage, .. } => ("Begin", None, Some(stage)),
            Self::Read { stage } => ("Read", None, Some(stage)),
            Self::Finish { stage, .. } => ("Finish", None, Some(stage)),
            Self::Undone { key, .. } => ("Undone", Some(key), None),
            Self::Forget { key, .. } => ("Forget", Some(key), None),
            Self::Meta { name, value: _ } => ("Meta", None, Some(name)),
        };
        let mut shown = f.debug_struct(name);
        if let Some(key) = key {
            shown.field("key", key);
        }
        if let Some(stage) = stage {
            shown.field("of", &stage);
        }
        shown.finish_non_exhaustive()
    }
}
