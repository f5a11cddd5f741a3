//! Times without a zone, as LeadDesk's Original API sends them, brought to UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use serde::{Deserialize, Serialize};

/// A time zone of the tz database, such as `Europe/Helsinki`.
///
/// The rules are compiled in and as old as the release of the library that brings them (`chrono-tz`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(chrono_tz::Tz);

/// The name is not in the tz database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no time zone of the tz database")]
pub struct UnknownZone {
    name: String,
}

/// A local time brought to UTC, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Local {
    /// The clock showed this time once.
    Exact(DateTime<Utc>),
    /// The clock never showed this time: it was put forward over it. The time is moved forward by the same gap.
    Gap {
        /// The moved time.
        utc: DateTime<Utc>,
        /// How far the clock was put forward.
        by: TimeDelta,
    },
    /// The clock showed this time twice. The earlier moment is taken.
    Overlap {
        /// The earlier moment.
        utc: DateTime<Utc>,
        /// The other one.
        later: DateTime<Utc>,
    },
}

/// The text is no time that can be read without guessing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time such as 2024-05-31 13:45:00")]
pub struct InvalidTime;

impl Local {
    /// The moment to use.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        match self {
            Self::Exact(utc) | Self::Gap { utc, .. } | Self::Overlap { utc, .. } => utc,
        }
    }
}

/// Reads a time and brings it to UTC.
///
/// - `YYYY-MM-DD HH:MM:SS` is what the API sends. A `T` between date and time, fractions of a second, a missing
///   part for seconds, a date alone (midnight) and Finnish dates (`31.5.2024 13:45`, `31.5.2024 13.45`) are
///   understood as well, since exports may hold them.
/// - A time that states its offset (`Z`, `+02:00`) is exact, and the zone does not matter.
/// - Empty text, `null` and zero dates (`0000-00-00 00:00:00`) are none: which of them LeadDesk uses is unverified.
///
/// # Errors
/// [`InvalidTime`] for everything else, above all for dates with slashes, which may be read in two ways.
pub fn parse(text: &str, zone: Zone) -> Result<Option<Local>, InvalidTime> {
    let text = text.trim();
    if is_none(text) {
        return Ok(None);
    }
    if let Some(utc) = with_offset(text) {
        return Ok(Some(Local::Exact(utc)));
    }
    let naive = naive(text).ok_or(InvalidTime)?;
    zone.resolve(naive).map(Some).ok_or(InvalidTime)
}

/// The time, or `now` where it lies later, and how far it lay ahead.
/// Intercom is given no time in the future, whatever a wrong clock wrote.
#[must_use]
pub fn not_after(time: DateTime<Utc>, now: DateTime<Utc>) -> (DateTime<Utc>, Option<TimeDelta>) {
    if time > now { (now, Some(time - now)) } else { (time, None) }
}

impl Zone {
    /// The zone's name in the tz database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// UTC itself.
    #[must_use]
    pub fn utc() -> Self {
        Self(chrono_tz::UTC)
    }

    /// The moment at which clocks of this zone show `naive`. None only at the ends of the calendar.
    #[must_use]
    pub fn resolve(self, naive: NaiveDateTime) -> Option<Local> {
        use chrono::LocalResult::{Ambiguous, None, Single};
        match self.0.from_local_datetime(&naive) {
            Single(time) => Some(Local::Exact(time.to_utc())),
            Ambiguous(one, other) => Some(Local::Overlap {
                utc: one.to_utc().min(other.to_utc()),
                later: one.to_utc().max(other.to_utc()),
            }),
            None => self.beyond_gap(naive),
        }
    }

    /// The clock ran on as before the gap: the offset in force before it tells the moment.
    fn beyond_gap(self, naive: NaiveDateTime) -> Option<Local> {
        // The longest gaps on record are whole days, where a zone crossed the date line.
        let quarters = (1..=4 * 25).map(|n| TimeDelta::minutes(15 * n));
        let (back, before) =
            quarters.filter_map(|back| Some((back, naive.checked_sub_signed(back)?))).find_map(
                |(back, earlier)| Some((back, self.0.from_local_datetime(&earlier).latest()?)),
            )?;
        let utc = before.to_utc().checked_add_signed(back)?;
        let shown = utc.with_timezone(&self.0).naive_local();
        Some(Local::Gap { utc, by: shown - naive })
    }
}

fn is_none(text: &str) -> bool {
    let zero_date = || {
        text.starts_with("0000-00-00")
            && text.bytes().all(|b| matches!(b, b'0' | b'-' | b':' | b' ' | b'T' | b'.' | b'Z'))
    };
    text.is_empty() || text == "-" || text.eq_ignore_ascii_case("null") || zero_date()
}

fn with_offset(text: &str) -> Option<DateTime<Utc>> {
    // Behind the date a sign or a letter stands for an offset, and most times have none.
    if !text.get(10..)?.contains(['Z', 'z', '+', '-']) {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"));
    plausible(text).then(|| time.ok())?.map(|time| time.to_utc())
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    if let Some(time) = as_the_api_sends_it(text) {
        return Some(time);
    }
    if !plausible(text) {
        return None;
    }
    let (date, time) =
        text.split_once([' ', 'T']).map_or((text, None), |(date, time)| (date, Some(time.trim())));
    let (date, forms): (_, &[&str]) = match NaiveDate::parse_from_str(date, "%Y-%m-%d") {
        Ok(date) => (date, &["%H:%M:%S%.f", "%H:%M"]),
        // Whoever writes the date with points, may write the time so as well.
        Err(_) => (
            NaiveDate::parse_from_str(date, "%d.%m.%Y").ok()?,
            &["%H:%M:%S%.f", "%H:%M", "%H.%M.%S", "%H.%M"],
        ),
    };
    let time = match time {
        None => NaiveTime::MIN,
        Some(time) => forms.iter().find_map(|form| NaiveTime::parse_from_str(time, form).ok())?,
    };
    Some(date.and_time(time))
}

/// `YYYY-MM-DD HH:MM:SS`, which nearly all times are: read without looking for other forms.
fn as_the_api_sends_it(text: &str) -> Option<NaiveDateTime> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let form = b"dddd-dd-dd dd:dd:dd";
    let fits =
        |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    if !bytes.iter().zip(form).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0'))
    };
    let date = NaiveDate::from_ymd_opt(number(0, 4).try_into().ok()?, number(5, 7), number(8, 10))?;
    date.and_hms_opt(number(11, 13), number(14, 16), number(17, 19))
}

/// Years have four digits: chrono alone would take `24` for a year in antiquity, and signs as well.
pub(crate) fn plausible(text: &str) -> bool {
    let is_year = |part: &str| part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit());
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    date.split('-').next().is_some_and(is_year) || date.rsplit('.').next().is_some_and(is_year)
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(Self).map_err(|_| UnknownZone { name: name.to_owned() })
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn exact_times() {
        for (text, expected) in [
            ("2024-01-15 12:00:00", "2024-01-15T10:00:00Z"),
            ("2024-07-15 12:00:00", "2024-07-15T09:00:00Z"),
            (" 2024-07-15T12:00:00 ", "2024-07-15T09:00:00Z"),
            ("2024-07-15 12:00:00.250", "2024-07-15T09:00:00.250Z"),
            ("2024-07-15 12:00", "2024-07-15T09:00:00Z"),
            ("2024-07-15", "2024-07-14T21:00:00Z"),
            ("15.7.2024 12:00:00", "2024-07-15T09:00:00Z"),
            ("15.07.2024", "2024-07-14T21:00:00Z"),
            ("15.7.2024 12.05", "2024-07-15T09:05:00Z"),
            ("15.7.2024 12.05.30", "2024-07-15T09:05:30Z"),
            ("2024-07-15T12:00:00Z", "2024-07-15T12:00:00Z"),
            ("2024-07-15T12:00:00+05:00", "2024-07-15T07:00:00Z"),
            ("2024-07-15 12:00:00+0500", "2024-07-15T07:00:00Z"),
            ("1969-12-31 23:00:00", "1969-12-31T21:00:00Z"),
        ] {
            let local = parse(text, zone("Europe/Helsinki")).unwrap().unwrap();
            assert_eq!(local, Local::Exact(utc(expected)), "{text}");
        }
    }

    #[test]
    fn no_time() {
        for text in [
            "",
            "  ",
            "null",
            "NULL",
            "-",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "0000-00-00T00:00:00Z",
        ] {
            assert_eq!(parse(text, Zone::utc()), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn unreadable_times() {
        for text in [
            "yesterday",
            "05/06/2024",
            "2024-13-01 00:00:00",
            "2024-02-30",
            "2024-01-01 25:00:00",
            "2024-01-01 12.05",
            "15.7.2024 12.5.2024",
            "15.7.24 12.05",
            "24-01-01 00:00:00",
            "+2024-01-01",
            "-0001-01-01 00:00:00",
            "2024-01-01 12:00:00 PM",
            "1705312800",
            "0000-00-00 00:00:01",
        ] {
            assert_eq!(parse(text, Zone::utc()), Err(InvalidTime), "{text:?}");
        }
    }

    #[test]
    fn gaps_move_forward_by_the_gap() {
        for (name, text, expected, minutes) in [
            ("Europe/Helsinki", "2024-03-31 03:30:00", "2024-03-31T01:30:00Z", 60),
            ("Europe/Helsinki", "2024-03-31 03:00:00", "2024-03-31T01:00:00Z", 60),
            ("Australia/Lord_Howe", "2024-10-06 02:10:00", "2024-10-05T15:40:00Z", 30),
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T22:00:00Z", 24 * 60),
        ] {
            let gap = Local::Gap { utc: utc(expected), by: TimeDelta::minutes(minutes) };
            assert_eq!(parse(text, zone(name)), Ok(Some(gap)), "{name} {text}");
        }
    }

    #[test]
    fn overlaps_take_the_earlier_moment() {
        let overlap = parse("2024-10-27 03:30:00", zone("Europe/Helsinki")).unwrap().unwrap();
        let expected =
            Local::Overlap { utc: utc("2024-10-27T00:30:00Z"), later: utc("2024-10-27T01:30:00Z") };
        assert_eq!(overlap, expected);
        assert_eq!(overlap.utc(), utc("2024-10-27T00:30:00Z"));
    }

    #[test]
    fn never_in_the_future() {
        let (past, now) = (utc("2024-01-01T00:00:00Z"), utc("2024-01-02T00:00:00Z"));
        assert_eq!(not_after(past, now), (past, None));
        assert_eq!(not_after(now, now), (now, None));
        assert_eq!(not_after(now, past), (past, Some(TimeDelta::days(1))));
    }

    #[test]
    fn zones_are_those_of_the_database() {
        assert_eq!(zone("Europe/Helsinki").to_string(), "Europe/Helsinki");
        for name in ["Helsinki", "EET+2", "", "europe/helsinki"] {
            assert!(name.parse::<Zone>().is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn moments_read_back(seconds in 0i64..4_000_000_000, at in 0usize..4) {
            let zone = zone(["Europe/Helsinki", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"][at]);
            let moment = DateTime::from_timestamp(seconds, 0).unwrap();
            let text = moment.with_timezone(&zone.0).format("%Y-%m-%d %H:%M:%S").to_string();
            match parse(&text, zone).unwrap().unwrap() {
                Local::Exact(utc) => prop_assert_eq!(utc, moment),
                Local::Overlap { utc, later } => prop_assert!(utc < later && (utc == moment || later == moment)),
                Local::Gap { .. } => prop_assert!(false, "no clock shows a time inside a gap"),
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,30}|[0-9:. TZ+-]{0,25}") {
            let _ = parse(&text, zone("Europe/Helsinki"));
        }
    }
}
