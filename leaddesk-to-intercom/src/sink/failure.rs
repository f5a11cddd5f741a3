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

/// What an error of a write means that is worth another try even if it was refused.
pub(super) fn not_yet(error: &Error) -> Outcome {
    let kind = failure_kind(error).unwrap_or(FailureKind::NotDone);
    Outcome::Failed(Failure::new(kind, describe(error)))
}

/// What an error of a read means: there is nothing to be refused or in doubt, so it is not done.
pub(crate) fn failure_of(error: &Error) -> Failure {
    let kind = unreachable(error).unwrap_or(FailureKind::NotDone);
    Failure::new(kind, describe(error))
}

/// What an error of a write means that may be made again at any time: a refusal is a failure too.
pub(crate) fn failure_of_write(error: &Error) -> Failure {
    Failure::new(failure_kind(error).unwrap_or(FailureKind::NotDone), describe(error))
}

/// Doubt comes first: of several attempts, an earlier one may have been executed, whatever the last
/// one met. If the destination is gone or closed, other calls tell.
fn failure_kind(error: &Error) -> Option<FailureKind> {
    match error.executed() {
        Executed::No if error.is_rate_limited() || error.is_unavailable() => {
            unreachable(error).or(Some(FailureKind::NotDone))
        }
        Executed::No => unreachable(error),
        // It may have been done, or it was, but the reply does not say as what.
        _ => Some(FailureKind::InDoubt),
    }
}

/// Can nothing be read or written for now?
fn unreachable(error: &Error) -> Option<FailureKind> {
    if error.is_fatal() {
        return Some(FailureKind::Stop);
    }
    (error.kind() == ErrorKind::Connect).then_some(FailureKind::Gone)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use intercom_client::{Delays, IntercomClient, RetryPolicy};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// The first attempt may have been executed, and the others met nobody.
    #[tokio::test]
    async fn doubt_outlives_what_later_attempts_meet() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            drop(listener);
            let _ = connection.read(&mut [0; 1024]).await;
        });
        let mut retry = RetryPolicy::default();
        retry.delays = Delays::constant(Duration::from_millis(10));
        let client = IntercomClient::builder("token".into())
            .base_url(url.parse().unwrap())
            .retry(retry)
            .build()
            .unwrap();
        let error = client.tags().get_or_create("vip").await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Connect, Executed::Maybe));
        let Outcome::Failed(failure) = outcome_of(&error) else { panic!("it counts as refused") };
        assert_eq!(failure.kind, FailureKind::InDoubt);
        assert_eq!(failure_of(&error).kind, FailureKind::Gone, "a read is never in doubt");
    }
}
