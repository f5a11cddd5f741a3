//! Since when everything was read: what a delta may take for known.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What the ledger keeps of readings that were brought to their end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Since {
    /// The last complete run of everything.
    complete: Option<Span>,
    /// The run that was begun last.
    going: Going,
}

/// A reading of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    /// No record was read earlier.
    since: DateTime<Utc>,
    /// What it was read under: configuration, mapping, version.
    print: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Going {
    span: Option<Span>,
    /// Is its end that of everything?
    whole: bool,
}

impl Since {
    /// A run begins, under this `print`. Where it goes on with what others have begun, some records
    /// were read when those began; and where that was under another print, nobody can tell which.
    pub(super) fn begin(
        &mut self,
        now: DateTime<Utc>,
        print: Option<&str>,
        whole: bool,
        goes_on: bool,
    ) {
        let same = |span: &Span| Some(span.print.as_str()) == print;
        let before = self.going.span.take().filter(same);
        let fresh = || print.map(|print| Span { since: now, print: print.to_owned() });
        let span = if goes_on { before } else { fresh() };
        self.going = Going { span, whole };
        // Whatever it writes under another print is not what the complete run has left.
        self.complete = self.complete.take().filter(same);
    }

    /// The run that was begun last is complete.
    pub(super) fn end(&mut self) {
        if self.going.whole {
            self.complete = self.going.span.take();
        }
    }

    /// Since when everything was read under this print and brought to its end.
    pub(super) fn complete(&self, print: Option<&str>) -> Option<DateTime<Utc>> {
        let complete = self.complete.as_ref().filter(|it| Some(it.print.as_str()) == print);
        complete.map(|it| it.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour)
    }

    const P: Option<&str> = Some("p");

    #[test]
    fn only_a_complete_run_of_everything_counts() {
        let mut since = Since::default();
        since.begin(at(1), P, true, false);
        assert_eq!(since.complete(P), None, "it has only begun");
        since.end();
        assert_eq!(since.complete(P), Some(at(1)));
        since.begin(at(2), P, false, false);
        since.end();
        assert_eq!(since.complete(P), Some(at(1)), "a pilot, one stage, or a redrive");
        since.begin(at(3), P, true, false);
        assert_eq!(since.complete(P), Some(at(1)), "it may not come to its end");
        since.end();
        assert_eq!(since.complete(P), Some(at(3)));
    }

    #[test]
    fn what_is_gone_on_with_was_read_when_it_began() {
        let mut since = Since::default();
        since.begin(at(1), P, true, false);
        since.begin(at(5), P, true, true);
        since.begin(at(9), P, true, true);
        since.end();
        assert_eq!(since.complete(P), Some(at(1)));
        // Begun by a version that kept nothing of it.
        let mut since = Since::default();
        since.begin(at(5), P, true, true);
        since.end();
        assert_eq!(since.complete(P), None);
    }

    #[test]
    fn what_was_read_under_another_configuration_is_not_known() {
        let mut since = Since::default();
        since.begin(at(1), P, true, false);
        since.end();
        assert_eq!((since.complete(Some("q")), since.complete(None)), (None, None));
        // Begun under another, and gone on with under the first again.
        since.begin(at(2), Some("q"), true, false);
        assert_eq!(since.complete(P), None, "something may have been written under it");
        since.begin(at(3), P, true, true);
        since.end();
        assert_eq!(since.complete(P), None);
        since.begin(at(4), P, true, false);
        since.end();
        assert_eq!(since.complete(P), Some(at(4)));
        since.begin(at(5), None, true, false);
        since.end();
        assert_eq!((since.complete(P), since.complete(None)), (None, None), "parts of its own");
    }
}
