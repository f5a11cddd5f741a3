//! [`Normal`]: when two values say the same.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use serde_json::{Number, Value};

type Step = Arc<dyn Fn(Value) -> Value + Send + Sync>;
type Same = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Brings values to a form in which they can be compared: a series of steps, applied to both.
///
/// Steps for texts go into lists as well. They are composed with [`then`](Self::then).
///
/// ```
/// use migrate_core::Normal;
/// use serde_json::json;
///
/// let names = Normal::trim().then(Normal::lowercase()).then(Normal::set());
/// assert!(names.same(&json!(["VIP ", "lead"]), &json!(["lead", "vip", "vip"])));
/// assert!(!names.same(&json!(["vip"]), &json!(["lead"])));
///
/// let html = Normal::text(|html| html.replace("<br>", "\n"));
/// assert!(html.same(&json!("a\nb"), &json!("a<br>b")));
/// ```
#[derive(Clone, Default)]
pub struct Normal {
    steps: Vec<Step>,
    same: Option<Same>,
}

impl fmt::Debug for Normal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Normal").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}

impl Normal {
    /// Values as they are.
    pub fn exact() -> Self {
        Self::default()
    }

    /// Any step.
    pub fn step(step: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self { steps: vec![Arc::new(step)], same: None }
    }

    /// A step for texts, such as HTML to plain text.
    pub fn text(step: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::step(move |value| in_texts(value, &step))
    }

    /// Without white space at both ends.
    pub fn trim() -> Self {
        Self::text(|text| text.trim().to_owned())
    }

    /// Whatever the case.
    pub fn lowercase() -> Self {
        Self::text(str::to_lowercase)
    }

    /// Runs of white space as one space, and none at both ends.
    pub fn whitespace() -> Self {
        Self::text(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Numbers, whatever their form: `42`, `42.0` and `"42"` are the same. For fields that are
    /// numbers only, since it takes a text `"042"` for one as well.
    pub fn number() -> Self {
        Self::step(|value| match &value {
            Value::Number(number) => number.as_f64().map_or(value, number_of),
            Value::String(text) => text.trim().parse().map_or(value, number_of),
            _ => value,
        })
    }

    /// Times as UNIX seconds: RFC 3339 with any offset, a date as its midnight in UTC, or seconds
    /// already.
    pub fn seconds() -> Self {
        Self::step(|value| match &value {
            Value::Number(number) => number.as_f64().map_or(value, |at| number_of(at.floor())),
            Value::String(text) => seconds_of(text.trim()).map_or(value, Value::from),
            _ => value,
        })
    }

    /// Lists as sets: whatever the order, each once. A single value is a set of one, and nothing
    /// an empty one.
    pub fn set() -> Self {
        Self::step(|value| {
            let mut values = match value {
                Value::Array(values) => values,
                Value::Null => Vec::new(),
                single => vec![single],
            };
            values.sort_by_cached_key(Value::to_string);
            values.dedup();
            Value::Array(values)
        })
    }

    /// These steps, then those.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.steps.extend(next.steps);
        self.same = next.same.or(self.same);
        self
    }

    /// Texts that are not equal after all steps may still say the same, by this.
    #[must_use]
    pub fn or_same(mut self, same: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.same = Some(Arc::new(same));
        self
    }

    /// Do two values say the same? Nothing, an empty text and an empty list do.
    pub fn same(&self, wanted: &Value, found: &Value) -> bool {
        let (wanted, found) = (self.apply(wanted.clone()), self.apply(found.clone()));
        if wanted == found || (is_nothing(&wanted) && is_nothing(&found)) {
            return true;
        }
        match (&self.same, wanted.as_str(), found.as_str()) {
            (Some(same), Some(wanted), Some(found)) => same(wanted, found),
            _ => false,
        }
    }

    /// A value after all steps.
    pub fn apply(&self, value: Value) -> Value {
        self.steps.iter().fold(value, |value, step| step(value))
    }
}

/// Is there nothing in it?
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

fn in_texts(value: Value, step: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(step(&text)),
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| in_texts(value, step)).collect())
        }
        other => other,
    }
}

/// Whole numbers that a float holds exactly become integers.
fn number_of(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the bounds")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn seconds_of(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_the_same() {
        let table = [
            (Normal::exact(), json!("a"), json!("a"), true),
            (Normal::exact(), json!("a"), json!("a "), false),
            (Normal::exact(), json!(null), json!(""), true),
            (Normal::exact(), json!([]), json!(null), true),
            (Normal::exact(), json!(null), json!("a"), false),
            (Normal::exact(), json!(0), json!(null), false),
            (Normal::exact(), json!(false), json!(null), false),
            (Normal::trim(), json!("a"), json!(" a\n"), true),
            (Normal::lowercase(), json!("Anna@Example.com"), json!("anna@example.COM"), true),
            (Normal::whitespace(), json!("a  b\nc"), json!(" a b c"), true),
            (Normal::whitespace(), json!("ab"), json!("a b"), false),
            (Normal::number(), json!(42), json!("42.0"), true),
            (Normal::number(), json!(42), json!(42.0), true),
            (Normal::number(), json!(42), json!(42.5), false),
            (Normal::number(), json!(42), json!("many"), false),
            (Normal::exact(), json!("042"), json!("42"), false),
            (Normal::seconds(), json!(86_400), json!("1970-01-02"), true),
            (Normal::seconds(), json!("1970-01-01T02:00:00+02:00"), json!(0), true),
            (Normal::seconds(), json!("1970-01-01T00:00:01.9Z"), json!("1"), true),
            (Normal::seconds(), json!("1970-01-01T00:00:01Z"), json!(2), false),
            (Normal::set(), json!(["a", "b", "a"]), json!(["b", "a"]), true),
            (Normal::set(), json!("a"), json!(["a"]), true),
            (Normal::set(), json!(null), json!([]), true),
            (Normal::set(), json!(["a"]), json!(["a", "b"]), false),
            (Normal::lowercase().then(Normal::set()), json!(["A", "b"]), json!(["B", "a"]), true),
            (Normal::exact().or_same(|a, b| a.len() == b.len()), json!("ab"), json!("cd"), true),
            (Normal::exact().or_same(|_, _| true), json!("ab"), json!(null), false),
        ];
        for (normal, wanted, found, expected) in table {
            assert_eq!(normal.same(&wanted, &found), expected, "{wanted} and {found}");
        }
    }
}
