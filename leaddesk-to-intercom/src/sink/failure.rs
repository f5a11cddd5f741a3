//! From the client's errors to what the engine has to know.

use intercom_client::{Code, Error, ErrorKind, Executed};
use migrate_core::{Failure, FailureKind, Outcome, Reason};

/// What an error of a write means for the record.
pub(super) fn outcome_of(error: &Error) -> Outcome {
    match failure_kind(error) {
        Some(kind) => Outcome::Failed(Failure::new(kind, describe(error))),
        None => Outcome::Refused(refusal(error)),
    }
}

/// What an error of a read means: there is nothing to be refused, so it is not done.
pub(crate) fn failure_of(error: &Error) -> Failure {
    let kind = match failure_kind(error) {
        Some(FailureKind::InDoubt) | None => FailureKind::NotDone,
        Some(kind) => kind,
    };
    Failure::new(kind, describe(error))
}

fn failure_kind(error: &Error) -> Option<FailureKind> {
    if error.is_fatal() {
        return Some(FailureKind::Stop);
    }
    if error.kind() == ErrorKind::Connect {
        return Some(FailureKind::Gone);
    }
    match error.executed() {
        Executed::Maybe => Some(FailureKind::InDoubt),
        Executed::No if error.is_rate_limited() || error.is_unavailable() => {
            Some(FailureKind::NotDone)
        }
        Executed::No => None,
        // It was done, but the reply does not say as what.
        _ => Some(FailureKind::InDoubt),
    }
}

/// What happened, without the reply's text, which can quote a person's data.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(code) = error.code() {
        let code = code.to_string();
        if !text.contains(&code) {
            text = format!("{text} ({code})");
        }
    }
    text
}

fn refusal(error: &Error) -> Reason {
    let code = error.code().map_or_else(|| "refused".to_owned(), |code| code.to_string());
    let reason = Reason::new(code, describe(error));
    match error.request_id() {
        Some(id) => reason.remedy(
            "operator",
            format!(
                "mend the record in LeadDesk and run again; Intercom knows the request as {id}"
            ),
        ),
        None => reason.remedy("operator", "mend the record in LeadDesk and run again"),
    }
}

/// Was a tag deleted that a write names? Then the object itself is still there.
pub(super) fn is_tag_gone(error: &Error) -> bool {
    error.code() == Some(Code::TagNotFound)
}

/// Is something gone that a write names beside its object: a tag, or the admin who acts?
pub(super) fn is_helper_gone(error: &Error) -> bool {
    is_tag_gone(error) || error.code() == Some(Code::AdminNotFound)
}

/// The object was deleted in Intercom since it was written: that is somebody's decision.
pub(super) fn deleted_since() -> Reason {
    Reason::new("deleted_in_intercom", "the object was deleted in Intercom after it was migrated")
        .remedy(
            "Intercom admin",
            "nothing, if that was meant; otherwise roll the record back first",
        )
}
