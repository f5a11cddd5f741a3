//! Lists in which one bad element does not spoil the rest.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// An element of a list that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its place in the page, from 0.
    pub index: usize,
    /// Its id, if it has a readable one.
    pub id: Option<String>,
    /// What is wrong, naming the place and never the value.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "element {} is not as expected: {}",
            self.index, self.reason
        )
    }
}

impl std::error::Error for Unreadable {}

/// Reads each element on its own.
pub fn elements<T: DeserializeOwned>(values: Vec<Value>) -> Vec<Result<T, Unreadable>> {
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| element(index, value))
        .collect()
}

fn element<T: DeserializeOwned>(index: usize, value: Value) -> Result<T, Unreadable> {
    let id = value.get("id").and_then(|id| match id {
        Value::String(text) => crate::safe_code(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    serde_path_to_error::deserialize(value).map_err(|error| Unreadable {
        index,
        id,
        reason: format!(
            "a value has another type than expected or is missing, at `{}`",
            error.path()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_element_keeps_its_id_and_hides_its_value() {
        #[derive(serde::Deserialize)]
        struct Person {
            #[allow(dead_code)]
            age: u8,
        }
        let values = vec![
            serde_json::json!({"id": 7, "age": "ada@example.com"}),
            serde_json::json!({"age": 3}),
        ];
        let read = elements::<Person>(values);
        assert!(read[1].is_ok());
        let error = read[0].as_ref().err().unwrap();
        assert_eq!(error.id.as_deref(), Some("7"));
        assert_eq!(
            error.to_string(),
            "element 0 is not as expected: a value has another type than expected or is missing, at `age`"
        );
    }
}
