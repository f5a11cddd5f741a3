//! What the texts of a row say where a field holds no text, and where one moment stands in two columns.

use chrono::{NaiveDate, NaiveTime};
use desk_client_core::lenient;
use serde_json::{Map, Value};

use super::Kind;
use super::columns::CREATED_TIME;

/// What is added to the name of a field whose text says none of what the field can hold: under that name the text stays
/// in `extra`, so that it spoils nothing else of its row.
pub const NOT_READ: &str = " (not read)";

/// Puts a row into the form that its fields have.
pub(super) fn settle(kind: Kind, row: &mut Map<String, Value>) {
    match kind {
        Kind::Calls => {
            read(row, "talk_time", seconds);
            join_date_and_time(row);
        }
        Kind::Campaigns => read(row, "disabled", flag),
        _ => {}
    }
}

/// Reads a field that holds no text. What says that there is nothing, is nothing.
fn read<T: Into<Value>>(row: &mut Map<String, Value>, field: &str, read: fn(&str) -> Option<T>) {
    let Some(Value::String(text)) = row.remove(field) else { return };
    match read(text.trim()) {
        Some(value) => _ = row.insert(field.to_owned(), value.into()),
        None if matches!(text.trim(), "" | "-") => {}
        None => _ = row.insert(format!("{field}{NOT_READ}"), Value::String(text)),
    }
}

/// A length of time: whole seconds, `62 s`, `1:02`, `0:01:02`, or `0.01.02` as Finnish spreadsheets write it. No talk is
/// told in hours and minutes alone, so two numbers are minutes and seconds.
fn seconds(text: &str) -> Option<i64> {
    let bare = ["s", "sec", "sek"].iter().find_map(|unit| text.strip_suffix(unit));
    if let Some(seconds) = lenient::integer(bare.unwrap_or(text)) {
        return Some(seconds);
    }
    let points = || text.split('.').collect::<Vec<_>>();
    let parts = if text.contains(':') { text.split(':').collect() } else { points() };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |part: &str| digits(part).then(|| part.parse::<i64>().ok())?;
    let sixtieths = |part: &str| number(part).filter(|_| part.len() == 2).filter(|it| *it < 60);
    match parts[..] {
        [hours, minutes, seconds] => {
            let whole = number(hours)?.checked_mul(3600)?;
            whole.checked_add(sixtieths(minutes)? * 60 + sixtieths(seconds)?)
        }
        [minutes, seconds] if text.contains(':') => {
            number(minutes)?.checked_mul(60)?.checked_add(sixtieths(seconds)?)
        }
        _ => None,
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "kyllä" => Some(true),
        "false" | "0" | "no" | "ei" => Some(false),
        _ => None,
    }
}

/// The other times of a call, which may stand without the day that another column holds.
const TIMES: &[&str] = &["talk_start", "talk_end", "handling_stop"];

/// Where a day and a time of day stand in two columns, they are one moment.
fn join_date_and_time(row: &mut Map<String, Value>) {
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let created = text(row.get("created_at").cloned());
    let time = text(row.remove(CREATED_TIME));
    let (joined, left) = match (created.as_deref(), time) {
        (None, time) => (time, None),
        (_, None) => (None, None),
        (Some(created), Some(time)) => match (day(created), is_time_of_day(time.trim())) {
            (Day::Alone(day), true) => (Some(format!("{day} {}", time.trim())), None),
            // The second column may hold the whole moment.
            (Day::Alone(_), false) if matches!(day(&time), Day::WithTime(_)) => (Some(time), None),
            _ if created.trim().ends_with(time.trim()) => (None, None),
            _ => (None, Some(time)),
        },
    };
    row.extend(joined.map(|joined| ("created_at".to_owned(), Value::String(joined))));
    row.extend(left.map(|left| (format!("{CREATED_TIME}{NOT_READ}"), Value::String(left))));
    let created = text(row.get("created_at").cloned()).unwrap_or_default();
    let (Day::Alone(day) | Day::WithTime(day)) = day(&created) else { return };
    for field in TIMES {
        let time = row.get(*field).and_then(Value::as_str).map(str::trim);
        let time = time.filter(|time| time.contains(':') && is_time_of_day(time));
        let whole = time.map(|time| Value::String(format!("{day} {time}")));
        row.extend(whole.map(|whole| ((*field).to_owned(), whole)));
    }
}

/// The day in a text.
enum Day<'a> {
    None,
    /// At no time, or at midnight, as spreadsheets write a day.
    Alone(&'a str),
    WithTime(&'a str),
}

fn day(text: &str) -> Day<'_> {
    let (day, rest) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), ""));
    let is_day = |form| NaiveDate::parse_from_str(day, form).is_ok();
    let has_year = day.split(['-', '.']).any(|part| part.len() == 4);
    if !has_year || !["%Y-%m-%d", "%d.%m.%Y"].into_iter().any(is_day) {
        return Day::None;
    }
    let is_midnight = rest.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.' | b' '));
    if is_midnight { Day::Alone(day) } else { Day::WithTime(day) }
}

fn is_time_of_day(text: &str) -> bool {
    let forms = ["%H:%M:%S%.f", "%H:%M", "%H.%M.%S", "%H.%M"];
    forms.iter().any(|form| NaiveTime::parse_from_str(text, form).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settled(kind: Kind, row: Value) -> Value {
        let Value::Object(mut row) = row else { panic!("no row") };
        settle(kind, &mut row);
        Value::Object(row)
    }

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("61", Some(61)),
            ("61.0", Some(61)),
            ("62 s", Some(62)),
            ("1:02", Some(62)),
            ("75:00", Some(4500)),
            ("0:01:02", Some(62)),
            ("00:01:02", Some(62)),
            ("0.01.02", Some(62)),
            ("1:00:00", Some(3600)),
            ("1.02", None),
            ("0:1:2", None),
            ("0:60:00", None),
            (":02", None),
            ("1:-2", None),
            ("99999999999999999999:00", None),
            ("2562047788015216:00:00", None),
            ("a minute", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_stays_beside_its_field() {
        for (row, expected) in [
            (json!({ "talk_time": " 0:01:02 " }), json!({ "talk_time": 62 })),
            (json!({ "talk_time": "-" }), json!({})),
            (json!({ "talk_time": "long" }), json!({ "talk_time (not read)": "long" })),
        ] {
            assert_eq!(settled(Kind::Calls, row), expected);
        }
        let disabled = |text: &str| settled(Kind::Campaigns, json!({ "disabled": text }));
        assert_eq!(disabled("Ei"), json!({ "disabled": false }));
        assert_eq!(disabled("since May"), json!({ "disabled (not read)": "since May" }));
    }

    #[test]
    fn a_day_and_a_time_are_one_moment() {
        for (date, time, expected) in [
            ("31.5.2024", "13:45", json!({ "created_at": "31.5.2024 13:45" })),
            ("31.5.2024", "13.45", json!({ "created_at": "31.5.2024 13.45" })),
            ("2024-05-31", "13:45:10", json!({ "created_at": "2024-05-31 13:45:10" })),
            ("2024-05-31 00:00:00", "13:45", json!({ "created_at": "2024-05-31 13:45" })),
            ("2024-05-31 13:45", "13:45", json!({ "created_at": "2024-05-31 13:45" })),
            ("2024-05-31", "2024-05-31 13:45", json!({ "created_at": "2024-05-31 13:45" })),
            (
                "2024-05-31 13:45",
                "0:01:02",
                json!({ "created_at": "2024-05-31 13:45", "created_time (not read)": "0:01:02" }),
            ),
            (
                "2024-05-31",
                "noon",
                json!({ "created_at": "2024-05-31", "created_time (not read)": "noon" }),
            ),
        ] {
            let row = json!({ "created_at": date, CREATED_TIME: time });
            assert_eq!(settled(Kind::Calls, row), expected, "{date} {time}");
        }
        let alone = json!({ CREATED_TIME: "2024-05-31 13:45" });
        assert_eq!(settled(Kind::Calls, alone), json!({ "created_at": "2024-05-31 13:45" }));
    }

    #[test]
    fn the_other_times_of_a_call_have_its_day() {
        let row = json!({ "created_at": "31.5.2024", "talk_start": "13:45:00", "talk_end": "later",
                          "handling_stop": "2024-06-01 00:10" });
        let expected = json!({ "created_at": "31.5.2024", "talk_start": "31.5.2024 13:45:00",
                               "talk_end": "later", "handling_stop": "2024-06-01 00:10" });
        assert_eq!(settled(Kind::Calls, row), expected);
    }
}
