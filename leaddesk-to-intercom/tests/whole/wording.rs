//! The same JSON in other words.

use serde_json::{Map, Value, json};

/// How one reply is put: each has its turn, so that every form of nothing occurs everywhere.
pub(crate) struct Wording {
    leaddesk: bool,
    turn: u64,
}

impl Wording {
    /// That of a reply at this path.
    pub(crate) fn of(path: &str, turn: u64) -> Self {
        Self { leaddesk: path.starts_with("/original") || path.starts_with("/rest"), turn }
    }

    /// The reply's text.
    pub(crate) fn write(&self, mut reply: Value) -> String {
        if let (true, Value::Object(fields)) = (self.leaddesk, &mut reply) {
            fields.remove("success");
        }
        self.reword(&mut reply);
        let mut text = String::new();
        self.print(&reply, &mut text);
        text
    }

    fn reword(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.reword(value)),
            Value::Object(fields) => self.object(fields),
            _ => {}
        }
    }

    fn object(&self, fields: &mut Map<String, Value>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        for (name, at) in names.iter().zip(self.turn..) {
            let Some(value) = fields.get_mut(name) else { continue };
            match value {
                // What the customer has set is the customer's, to the letter.
                Value::Object(own) if name == "custom_attributes" => news(own),
                Value::Array(ids) if name.ends_with("_ids") => ids.iter_mut().for_each(swap),
                Value::Array(_) | Value::Object(_) => self.reword(value),
                _ if is_nothing(value) => match self.nothing(name, at) {
                    Some(other) => *value = other,
                    None => drop(fields.remove(name)),
                },
                _ if name == "id" || name.ends_with("_id") || name == "talk_time" => swap(value),
                _ => {}
            }
        }
        news(fields);
    }

    /// One of the forms in which a field may say nothing, or none if it is left out.
    fn nothing(&self, name: &str, at: u64) -> Option<Value> {
        let is_time = name.ends_with("_at")
            || ["talk_start", "talk_end", "handling_stop", "waiting_since"].contains(&name);
        match at % 4 {
            0 => Some(Value::Null),
            1 => Some(json!("")),
            2 if is_time && self.leaddesk => Some(json!("0000-00-00 00:00:00")),
            2 if is_time => Some(json!(0)),
            2 => Some(Value::Null),
            _ => None,
        }
    }

    /// Keys in descending order or in ascending order, by turns.
    fn print(&self, value: &Value, out: &mut String) {
        let ends = match value {
            Value::Array(_) => ('[', ']'),
            Value::Object(_) => ('{', '}'),
            other => return out.push_str(&other.to_string()),
        };
        out.push(ends.0);
        let mut inner: Vec<String> = Vec::new();
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let mut text = format!("{} : ", json!(name));
                    self.print(value, &mut text);
                    inner.push(text);
                }
                inner.sort();
                if self.turn.is_multiple_of(2) {
                    inner.reverse();
                }
            }
            Value::Array(list) => {
                for value in list {
                    let mut text = String::new();
                    self.print(value, &mut text);
                    inner.push(text);
                }
            }
            _ => {}
        }
        out.push_str(&inner.join(",\n "));
        out.push(ends.1);
    }
}

/// Keys that nobody knows yet, before and behind all others.
fn news(fields: &mut Map<String, Value>) {
    fields.insert("a_new_list".into(), json!([{"id": null}, 7]));
    fields.insert("a_new_object".into(), json!({"id": [], "type": 3}));
    fields.insert("zz_new".into(), json!("unheard of"));
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text.starts_with("0000-00-00"),
        _ => false,
    }
}

/// A whole number as text, and the reverse.
fn swap(value: &mut Value) {
    *value = match value {
        Value::Number(number) => json!(number.to_string()),
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) if number.to_string() == *text => json!(number),
            _ => return,
        },
        _ => return,
    };
}
