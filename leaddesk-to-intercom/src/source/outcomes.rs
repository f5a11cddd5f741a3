//! The outcomes that a source documents, by their ids.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Documented, Sort};

/// Names of outcomes by their ids: where a record has the id alone, this is what it says. `Debug` shows how many.
///
/// ```
/// # use leaddesk_to_intercom::source::Outcomes;
/// assert_eq!(Outcomes::default().name("17"), None);
/// ```
#[derive(Clone, Default)]
pub struct Outcomes(Arc<BTreeMap<String, String>>);

impl Outcomes {
    /// The outcomes among these. An id that has several names is known by none.
    pub fn of(documented: &[Documented]) -> Self {
        let mut names: BTreeMap<String, Option<&str>> = BTreeMap::new();
        for outcome in documented.iter().filter(|it| it.sort == Sort::Outcome) {
            let id = outcome.content.get("id").and_then(Value::as_str).unwrap_or(&outcome.id);
            let Some(name) = outcome.name() else { continue };
            let known = names.entry(id.trim().to_owned()).or_insert(Some(name));
            if *known != Some(name) {
                *known = None;
            }
        }
        let names = names.into_iter().filter_map(|(id, name)| Some((id, name?.to_owned())));
        Self(Arc::new(names.collect()))
    }

    /// The name of an outcome.
    pub fn name(&self, id: &str) -> Option<&str> {
        self.0.get(id.trim()).map(String::as_str)
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outcomes").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_with_several_names_is_known_by_none() {
        let rows = [
            json!({ "id": "17", "name": " Deal " }),
            json!({ "id": "18", "name": "No" }),
            json!({ "id": "18", "name": "Never" }),
            json!({ "id": "19", "name": "Later" }),
            json!({ "id": "19", "name": "Later" }),
            json!({ "id": "20" }),
        ];
        let rows = rows.into_iter().zip(0..).map(|(content, at)| Documented {
            sort: Sort::Outcome,
            id: format!("row {at}"),
            content,
        });
        let mut rows: Vec<Documented> = rows.collect();
        let project = json!({ "id": "21", "name": "Nordic" });
        rows.push(Documented { sort: Sort::Project, id: "21".into(), content: project });
        let outcomes = Outcomes::of(&rows);
        let names = ["17", " 19", "18", "20", "21"].map(|id| outcomes.name(id));
        assert_eq!(names, [Some("Deal"), Some("Later"), None, None, None]);
    }
}
