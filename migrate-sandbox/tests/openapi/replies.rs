//! Replies against the description: status, and the schema of the body.

use reqwest::Method;
use serde_json::Value;

use crate::description::{Description, Fault, Problem, unnumbered};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl Problem {
    /// What an exception names: the place within the innermost named schema; elsewhere the operation and the place
    /// within its reply, which begins with the status.
    pub(crate) fn key(&self) -> String {
        let place = || format!("{} {}", self.operation, unnumbered_body(&self.fault.place));
        self.fault.schema.clone().unwrap_or_else(place)
    }
}

impl Description {
    /// Every method and path template.
    pub(crate) fn operations(&self) -> Vec<(Method, String)> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        let operations = paths.flat_map(|(template, item)| {
            let methods = METHODS.iter().filter(|method| item.get(**method).is_some());
            methods
                .map(move |method| (method.to_ascii_uppercase().parse().unwrap(), template.clone()))
        });
        operations.collect()
    }

    /// The statuses described for an operation, named by method and template.
    pub(crate) fn statuses(&self, operation: &str) -> Vec<u16> {
        let (method, template) = operation.split_once(' ').unwrap();
        let responses = &self.0["paths"][template][method.to_ascii_lowercase()]["responses"];
        responses.as_object().into_iter().flatten().map(|(it, _)| it.parse().unwrap()).collect()
    }

    /// The operation, and what is wrong with a reply of it.
    pub(crate) fn check_reply(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        body: Option<&Value>,
    ) -> (String, Vec<Problem>) {
        let (template, item) = self.path_item(path).expect("the scenario asks for described paths");
        let operation = format!("{method} {template}");
        let response = &item[method.as_str().to_ascii_lowercase()]["responses"][status.to_string()];
        let place = status.to_string();
        let faults = match (response.is_null(), body) {
            (true, _) => vec![Fault::new(place, "the status is not described")],
            (false, body) => {
                let schema = self.resolve(response).pointer("/content/application~1json/schema");
                match (schema, body) {
                    (None, None) => Vec::new(),
                    (None, Some(_)) => vec![Fault::new(place, "no body is described")],
                    (Some(_), None) => vec![Fault::new(place, "the body is missing")],
                    (Some(schema), Some(body)) => self.faults(schema, body, &place),
                }
            }
        };
        let problem = |fault| Problem { operation: operation.clone(), fault };
        let problems = faults.into_iter().map(problem).collect();
        (operation, problems)
    }
}

/// The status stays, the indexes of lists go.
fn unnumbered_body(place: &str) -> String {
    match place.split_once('.') {
        None => place.to_owned(),
        Some((status, rest)) => format!("{status}.{}", unnumbered(rest)),
    }
}
