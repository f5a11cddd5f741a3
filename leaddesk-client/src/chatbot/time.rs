//! Times as the files write them.

use std::fmt;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, NaiveTime};
use chrono::{TimeZone, Utc, Weekday};
use serde::Serialize;

/// A moment, a day or a span of days, as far as the text says it.
///
/// No time zone is assumed: what is [`Local`](Self::Local), a [`Day`](Self::Day) or a [`Span`](Self::Span) needs one
/// from whoever knows where the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timestamp {
    /// A moment: the text had an offset or `Z`, or counted seconds (10 digits) or milliseconds (13 digits) from 1970.
    Instant(DateTime<Utc>),
    /// A date and time without a zone.
    Local(NaiveDateTime),
    /// A day without a zone.
    Day(NaiveDate),
    /// A month, quarter, ISO week or range: first and last day.
    Span {
        /// The first day.
        first: NaiveDate,
        /// The last day.
        last: NaiveDate,
    },
}

/// Which of the first two numbers of `03/04/2024` is the day. One value seldom tells; a whole column often does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DayOrder {
    /// `31/12/2024`.
    DayFirst,
    /// `12/31/2024`.
    MonthFirst,
}

impl Timestamp {
    /// Reads a time: a number of seconds or milliseconds, ISO 8601 (with `T`, a space or StarChat's ` : ` between date
    /// and time), `2024-05`, `2024-Q2`, `2024-W18`, `1.5.2024 12.30`, or `2024-05-01 - 2024-05-07`.
    ///
    /// Dates with slashes are read only where the value itself proves the order, as `31/12/2024` does.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_with(text, DayOrder::of(text))
    }

    /// As [`parse`](Self::parse), with the order of day and month in dates with slashes.
    #[must_use]
    pub fn parse_with(text: &str, order: Option<DayOrder>) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() || text.len() > 64 {
            return None;
        }
        epoch(text).or_else(|| single(text, order)).or_else(|| range(text, order))
    }

    /// The moment, or the start of what is meant, without regard to the zone: for sorting and for showing.
    #[must_use]
    pub fn naive(&self) -> NaiveDateTime {
        match self {
            Self::Instant(moment) => moment.naive_utc(),
            Self::Local(moment) => *moment,
            Self::Day(day) | Self::Span { first: day, .. } => day.and_time(NaiveTime::MIN),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(moment) => {
                f.write_str(&moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            }
            Self::Local(moment) => write!(f, "{moment}"),
            Self::Day(day) => write!(f, "{day}"),
            Self::Span { first, last } => write!(f, "{first} - {last}"),
        }
    }
}

impl DayOrder {
    /// The order that a date with slashes proves; `None` where both are possible, or there are no slashes.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let [first, second] = slashed(text)?;
        match (first > 12, second > 12) {
            (true, false) => Some(Self::DayFirst),
            (false, true) => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

/// The first two numbers of a date with slashes whose year stands last.
pub(super) fn slashed(text: &str) -> Option<[u32; 2]> {
    let date = text.trim().split([' ', 'T', ',']).next()?;
    let mut parts = date.split('/');
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = parts.next().is_none() && year.len() == 4 && first.len() <= 2 && second.len() <= 2;
    if plain { Some([number(first)?, number(second)?]) } else { None }
}

/// Digits only.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn epoch(text: &str) -> Option<Timestamp> {
    let count: i64 = number(text)?;
    match text.len() {
        10 => Utc.timestamp_opt(count, 0).single(),
        13 => Utc.timestamp_millis_opt(count).single(),
        _ => None,
    }
    .map(Timestamp::Instant)
}

/// `a - b`, both days or spans.
fn range(text: &str, order: Option<DayOrder>) -> Option<Timestamp> {
    let (first, last) = text.split_once(" - ").or_else(|| text.split_once(" to "))?;
    let day = |text: &str| match single(text.trim(), order)? {
        Timestamp::Day(day) => Some((day, day)),
        Timestamp::Span { first, last } => Some((first, last)),
        _ => None,
    };
    let (first, last) = (day(first)?.0, day(last)?.1);
    (first <= last).then_some(Timestamp::Span { first, last })
}

fn single(text: &str, order: Option<DayOrder>) -> Option<Timestamp> {
    if let Some(span) = span(text) {
        return Some(span);
    }
    let end = text.find([' ', 'T', 't', ',']).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let date = day(date, order)?;
    let rest = rest.trim_start_matches([' ', 'T', 't', ',']);
    let rest = rest.strip_prefix(": ").unwrap_or(rest).trim();
    if rest.is_empty() {
        return Some(Timestamp::Day(date));
    }
    let (clock, offset) = offset(rest)?;
    let local = date.and_time(time_of_day(clock)?);
    match offset {
        None => Some(Timestamp::Local(local)),
        Some(offset) => {
            let moment = local.and_local_timezone(offset).single()?;
            Some(Timestamp::Instant(moment.with_timezone(&Utc)))
        }
    }
}

/// `2024-05`, `2024-Q2`, `2024-W18`.
fn span(text: &str) -> Option<Timestamp> {
    let (year, part) = text.split_once('-').filter(|(year, _)| year.len() == 4)?;
    let year: i32 = number(year)?;
    let months = |first_month: u32, count: u32| {
        let first = NaiveDate::from_ymd_opt(year, first_month, 1)?;
        let last = first.checked_add_months(Months::new(count))?.pred_opt()?;
        Some(Timestamp::Span { first, last })
    };
    match part.as_bytes() {
        [b'W' | b'w', _, _] => {
            let first = NaiveDate::from_isoywd_opt(year, number(&part[1..])?, Weekday::Mon)?;
            Some(Timestamp::Span { first, last: first.checked_add_days(Days::new(6))? })
        }
        [b'Q' | b'q', quarter @ b'1'..=b'4'] => months(u32::from(quarter - b'1') * 3 + 1, 3),
        [_, _] => months(number(part)?, 1),
        _ => None,
    }
}

fn day(text: &str, order: Option<DayOrder>) -> Option<NaiveDate> {
    let separator = text.chars().find(|c| !c.is_ascii_digit())?;
    let mut parts = text.trim_end_matches('.').split(separator);
    let [first, second, third] = [parts.next()?, parts.next()?, parts.next()?];
    if parts.next().is_some() {
        return None;
    }
    let year_first = first.len() == 4;
    let (year, month, day) = match separator {
        '-' | '/' | '.' if year_first => (first, second, third),
        '.' => (third, second, first),
        '/' => match order? {
            DayOrder::DayFirst => (third, second, first),
            DayOrder::MonthFirst => (third, first, second),
        },
        _ => return None,
    };
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(number(year)?, number(month)?, number(day)?)?;
    (date.year() >= 1).then_some(date)
}

/// The clock, and the offset that follows it.
fn offset(text: &str) -> Option<(&str, Option<FixedOffset>)> {
    let utc = FixedOffset::east_opt(0);
    for mark in ["Z", "z", " UTC", " GMT"] {
        if let Some(clock) = text.strip_suffix(mark) {
            return Some((clock.trim_end(), utc));
        }
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(at);
    let (sign, digits) = (if offset.starts_with('-') { -1 } else { 1 }, &offset[1..]);
    let (hours, minutes): (i32, i32) = match digits.len() {
        2 => (number(digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        5 => {
            let (hours, minutes) = digits.split_once(':')?;
            (number(hours)?, number(minutes)?)
        }
        _ => return None,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    let offset = FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))?;
    Some((clock.trim_end(), Some(offset)))
}

/// `12:30`, `12.30`, `12:30:15.250`, `3:04 PM`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let upper = text.to_ascii_uppercase();
    let (clock, afternoon) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim_end(), Some(false)),
        (_, Some(clock)) => (clock.trim_end(), Some(true)),
        _ => (upper.as_str(), None),
    };
    let separator = if clock.contains(':') { ':' } else { '.' };
    let mut parts = clock.splitn(3, separator);
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next().unwrap_or("0");
    let (second, fraction) = second.split_once(['.', ',']).unwrap_or((second, "0"));
    if [hour, minute, second].iter().any(|part| part.len() > 2) || fraction.len() > 9 {
        return None;
    }
    let hour: u32 = number(hour)?;
    let hour = match afternoon {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
    };
    let nanos: u32 = number(&format!("{fraction:0<9}"))?;
    NaiveTime::from_hms_nano_opt(hour, number(minute)?, number(second)?, nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        Timestamp::parse(text).map_or_else(|| "none".to_owned(), |time| time.to_string())
    }

    #[test]
    fn every_form() {
        for (text, expected) in [
            ("1714557600000", "2024-05-01T10:00:00Z"),
            ("1714557600", "2024-05-01T10:00:00Z"),
            ("2019-02-19 : 01:00:00", "2019-02-19 01:00:00"),
            ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
            ("2024-05-01T10:00:00.250+03:00", "2024-05-01T07:00:00.250Z"),
            ("2024-05-01 10:00:00 +0300", "2024-05-01T07:00:00Z"),
            ("2024-05-01 10:00:00 UTC", "2024-05-01T10:00:00Z"),
            ("2024-05-01 10:00", "2024-05-01 10:00:00"),
            ("2024-05-01", "2024-05-01"),
            ("2024-02", "2024-02-01 - 2024-02-29"),
            ("2024-Q2", "2024-04-01 - 2024-06-30"),
            ("2024-W18", "2024-04-29 - 2024-05-05"),
            ("2024-05-01 - 2024-05-07", "2024-05-01 - 2024-05-07"),
            ("1.5.2024", "2024-05-01"),
            ("1.5.2024 9.05", "2024-05-01 09:05:00"),
            ("01.05.2024 09:05:07", "2024-05-01 09:05:07"),
            ("1.5.2024 9.05.07", "2024-05-01 09:05:07"),
            ("31/12/2024 10:00", "2024-12-31 10:00:00"),
            ("12/31/2024, 3:04 PM", "2024-12-31 15:04:00"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_no_certain_one() {
        for text in [
            "",
            "12",
            "171455760",
            "2024-13-01",
            "2024-02-30",
            "1.5.24",
            "03/04/2024",
            "31/31/2024",
            "2024-05-01 25:00",
            "2024-05-01 10:00:00 +99:00",
            "13:00 PM",
            "hei",
            "2024-05-01 hei",
            "2024-W60",
            "2024-05-07 - 2024-05-01",
            "٢٠٢٤-٠٥-٠١",
            "0000-00-00 00:00:00",
        ] {
            assert_eq!(shown(text), "none", "{text}");
        }
    }

    #[test]
    fn a_proven_order_reads_the_rest_of_its_column() {
        let read = |order| Timestamp::parse_with("03/04/2024", order).map(|time| time.to_string());
        assert_eq!(read(Some(DayOrder::DayFirst)).as_deref(), Some("2024-04-03"));
        assert_eq!(read(Some(DayOrder::MonthFirst)).as_deref(), Some("2024-03-04"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,70}") {
            let _ = Timestamp::parse_with(&text, Some(DayOrder::DayFirst));
        }

        #[test]
        fn nothing_like_a_time_panics(text in "[0-9TZWQ:./+, -]{0,30}") {
            if let Some(time) = Timestamp::parse(&text) {
                let _ = (time.to_string(), time.naive());
            }
        }
    }
}
