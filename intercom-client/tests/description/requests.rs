//! Requests against the description: path, method, parameters and body.

use serde_json::{Map, Value};

use crate::description::{Description, Fault, Problem, is_hole};

impl Description {
    /// What is wrong with a request.
    pub(crate) fn check(
        &self,
        method: &http::Method,
        uri: &http::Uri,
        body: Option<&Value>,
    ) -> Vec<Problem> {
        let Some((template, item)) = self.path_item(uri.path()) else {
            let name = format!("{method} {}", uri.path());
            return vec![problem(&name, Fault::new("path", "no such path"))];
        };
        let name = format!("{method} {template}");
        let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else {
            return vec![problem(&name, Fault::new("method", "no such method"))];
        };
        let mut faults = self.path_faults(operation, template, uri.path());
        faults.extend(self.query_faults(operation, uri));
        faults.extend(self.body_faults(operation, body));
        faults.into_iter().map(|fault| problem(&name, fault)).collect()
    }

    fn path_faults(&self, operation: &Value, template: &str, path: &str) -> Vec<Fault> {
        let pairs = template.split('/').zip(path.split('/'));
        let holes = pairs.filter(|(hole, _)| is_hole(hole));
        let mut faults: Vec<Fault> = Vec::new();
        for (hole, value) in holes {
            let name = hole.trim_matches(['{', '}']);
            let parameter = self.parameters(operation, "path").find(|p| p["name"] == name);
            faults.extend(self.parameter_faults(parameter, &format!("path.{name}"), value));
        }
        faults
    }

    fn query_faults(&self, operation: &Value, uri: &http::Uri) -> Vec<Fault> {
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: Vec<(String, String)> = query.into_owned().collect();
        let mut faults: Vec<Fault> = Vec::new();
        for (name, value) in &query {
            let parameter = self.parameters(operation, "query").find(|p| p["name"] == *name);
            faults.extend(self.parameter_faults(parameter, &format!("query.{name}"), value));
        }
        for required in self.parameters(operation, "query").filter(|p| p["required"] == true) {
            if !query.iter().any(|(name, _)| required["name"] == *name) {
                faults.push(Fault::new(format!("query.{}", required["name"]), "it is missing"));
            }
        }
        faults
    }

    fn parameters<'a>(
        &'a self,
        operation: &'a Value,
        place: &'static str,
    ) -> impl Iterator<Item = &'a Value> {
        let all = operation["parameters"].as_array().into_iter().flatten();
        all.map(|parameter| self.resolve(parameter)).filter(move |p| p["in"] == place)
    }

    fn parameter_faults(&self, parameter: Option<&Value>, place: &str, text: &str) -> Vec<Fault> {
        let Some(parameter) = parameter else {
            return vec![Fault::new(place, "it is not described")];
        };
        let schema = self.resolve(&parameter["schema"]);
        // Parameters are texts; those described as numbers or booleans must read as such.
        let value = match schema["type"].as_str() {
            Some("integer" | "boolean") => serde_json::from_str(text).unwrap_or(Value::Null),
            _ => Value::from(text),
        };
        self.faults(schema, &value, place)
    }

    fn body_faults(&self, operation: &Value, body: Option<&Value>) -> Vec<Fault> {
        let fault = |what: &str| vec![Fault::new("body", what)];
        let described = operation.get("requestBody").map(|body| self.resolve(body));
        match (described, body) {
            (None, None) => Vec::new(),
            (None, Some(_)) => fault("no body is described"),
            (Some(described), None) if described["required"] == true => fault("it is missing"),
            // A body that has required properties is required, whatever the flag says.
            (Some(described), None) => {
                let schema = &described["content"]["application/json"]["schema"];
                let empty = self.faults(schema, &Value::Object(Map::new()), "body");
                if empty.is_empty() { empty } else { fault("it is missing") }
            }
            (Some(described), Some(body)) => {
                let schema = &described["content"]["application/json"]["schema"];
                self.faults(schema, body, "body")
            }
        }
    }
}

fn problem(operation: &str, fault: Fault) -> Problem {
    Problem { operation: operation.to_owned(), fault }
}
