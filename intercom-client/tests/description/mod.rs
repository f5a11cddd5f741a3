//! A small checker of requests against an OpenAPI 3.0 description: path, method, parameters, and
//! bodies by `$ref`, `nullable`, `allOf`, `oneOf`, `anyOf`, types, required and unknown properties.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A description.
pub(crate) struct Description(Value);

/// Something about a request that is not as described.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Method and path template.
    pub(crate) operation: String,
    /// Where in the request.
    pub(crate) place: String,
    /// What is wrong, shown when a test fails.
    #[allow(dead_code)]
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn is(&self, operation: &str, place: &str) -> bool {
        self.operation == operation && self.place == place
    }
}

/// Place and sentence of each fault in a value.
type Faults = Vec<(String, String)>;

/// The properties of an object that a schema speaks of; `None` if it allows any.
type Known = Option<BTreeSet<String>>;

impl Description {
    pub(crate) fn new(root: Value) -> Self {
        Self(root)
    }

    /// What is wrong with a request.
    pub(crate) fn check(
        &self,
        method: &http::Method,
        uri: &http::Uri,
        body: Option<&Value>,
    ) -> Vec<Problem> {
        let Some((template, item)) = self.path_item(uri.path()) else {
            return vec![problem(&format!("{method} {}", uri.path()), "path", "no such path")];
        };
        let name = format!("{method} {template}");
        let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else {
            return vec![problem(&name, "method", "no such method")];
        };
        let mut faults = self.path_faults(operation, template, uri.path());
        faults.extend(self.query_faults(operation, uri));
        faults.extend(self.body_faults(operation, body));
        faults.iter().map(|(place, what)| problem(&name, place, what)).collect()
    }

    /// The path with the fewest holes that matches.
    fn path_item(&self, path: &str) -> Option<(&str, &Value)> {
        let paths = self.0["paths"].as_object()?.iter();
        let matching = paths.filter(|(template, _)| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(a, b)| is_hole(a) || a == b)
        });
        let best = matching.min_by_key(|(template, _)| template.matches('{').count());
        best.map(|(template, item)| (template.as_str(), item))
    }

    fn path_faults(&self, operation: &Value, template: &str, path: &str) -> Faults {
        let pairs = template.split('/').zip(path.split('/'));
        let holes = pairs.filter(|(hole, _)| is_hole(hole));
        let mut faults = Faults::new();
        for (hole, value) in holes {
            let name = hole.trim_matches(['{', '}']);
            let parameter = self.parameters(operation, "path").find(|p| p["name"] == name);
            faults.extend(self.parameter_faults(parameter, &format!("path.{name}"), value));
        }
        faults
    }

    fn query_faults(&self, operation: &Value, uri: &http::Uri) -> Faults {
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: Vec<(String, String)> = query.into_owned().collect();
        let mut faults = Faults::new();
        for (name, value) in &query {
            let parameter = self.parameters(operation, "query").find(|p| p["name"] == *name);
            faults.extend(self.parameter_faults(parameter, &format!("query.{name}"), value));
        }
        for required in self.parameters(operation, "query").filter(|p| p["required"] == true) {
            if !query.iter().any(|(name, _)| required["name"] == *name) {
                faults.push((format!("query.{}", required["name"]), "it is missing".to_owned()));
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

    fn parameter_faults(&self, parameter: Option<&Value>, place: &str, text: &str) -> Faults {
        let Some(parameter) = parameter else {
            return vec![(place.to_owned(), "it is not described".to_owned())];
        };
        let schema = self.resolve(&parameter["schema"]);
        // Parameters are texts; those described as numbers or booleans must read as such.
        let value = match schema["type"].as_str() {
            Some("integer" | "boolean") => serde_json::from_str(text).unwrap_or(Value::Null),
            _ => Value::from(text),
        };
        self.faults(schema, &value, place)
    }

    fn body_faults(&self, operation: &Value, body: Option<&Value>) -> Faults {
        let fault = |what: &str| vec![("body".to_owned(), what.to_owned())];
        let described = operation.get("requestBody").map(|body| self.resolve(body));
        match (described, body) {
            (None, None) => Faults::new(),
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

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.resolve(self.0.pointer(pointer).expect("references lead somewhere"))
            }
            None => schema,
        }
    }

    /// Faults of a value, properties that nobody speaks of included.
    fn faults(&self, schema: &Value, value: &Value, place: &str) -> Faults {
        let (mut faults, known) = self.examine(schema, value, place);
        if let (Some(object), Some(known)) = (value.as_object(), known) {
            let unknown = object.keys().filter(|name| !known.contains(*name));
            faults.extend(
                unknown.map(|name| (format!("{place}.{name}"), "it is not described".to_owned())),
            );
        }
        faults
    }

    /// Faults of a value, and the properties that the schema speaks of.
    fn examine(&self, schema: &Value, value: &Value, place: &str) -> (Faults, Known) {
        let schema = self.resolve(schema);
        let fault = |what: String| (vec![(place.to_owned(), what)], None);
        if value.is_null() {
            let untyped = schema.as_object().is_none_or(Map::is_empty);
            let allowed = schema["nullable"] == true || untyped;
            return if allowed { (Faults::new(), None) } else { fault("null".to_owned()) };
        }
        if let Some(what) = scalar_fault(schema, value) {
            return fault(what);
        }
        let mut faults = Faults::new();
        let mut known = self.examine_object(schema, value, place, &mut faults);
        if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
            for (index, item) in list.iter().enumerate() {
                faults.extend(self.faults(items, item, &format!("{place}.{index}")));
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let (more, names) = self.examine(part, value, place);
            faults.extend(more);
            known = join(known, names);
        }
        for kind in ["oneOf", "anyOf"] {
            let Some(branches) = schema[kind].as_array() else {
                continue;
            };
            let examined = branches.iter().map(|branch| self.examine(branch, value, place));
            let (fit, unfit): (Vec<_>, Vec<_>) =
                examined.partition(|(faults, _)| faults.is_empty());
            if fit.is_empty() {
                let why: Vec<Faults> = unfit.into_iter().map(|(faults, _)| faults).collect();
                return fault(format!("it fits no form of {kind}: {why:?}"));
            }
            if kind == "oneOf" && fit.len() > 1 {
                faults.push((place.to_owned(), format!("it fits {} forms of oneOf", fit.len())));
            }
            for (_, names) in fit {
                known = join(known, names);
            }
        }
        (faults, known)
    }

    fn examine_object(
        &self,
        schema: &Value,
        value: &Value,
        place: &str,
        faults: &mut Faults,
    ) -> Known {
        let object = value.as_object()?;
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                faults.push((place.to_owned(), format!("`{name}` is missing")));
            }
        }
        let described = schema["properties"].as_object();
        let more = &schema["additionalProperties"];
        for (name, value) in object {
            let place = format!("{place}.{name}");
            match described.and_then(|described| described.get(name)) {
                Some(property) => faults.extend(self.faults(property, value, &place)),
                None if more.is_object() => faults.extend(self.faults(more, value, &place)),
                None => {}
            }
        }
        let composed = ["allOf", "oneOf", "anyOf"].iter().any(|kind| schema.get(*kind).is_some());
        let named = described.map(|described| described.keys().cloned().collect());
        match named {
            _ if more.is_object() || *more == true => None,
            Some(names) => Some(names),
            // An object of which nothing is said may hold anything; a form that only adds
            // conditions to the rest of the schema adds no names.
            None if composed || schema.get("required").is_some() => Some(BTreeSet::new()),
            None if schema["type"] == "object" => None,
            None => Some(BTreeSet::new()),
        }
    }
}

/// What is wrong with a value taken alone: type, enumeration, lengths and formats.
fn scalar_fault(schema: &Value, value: &Value) -> Option<String> {
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !fits {
        return Some(format!("it is no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        return Some("it is not among the values described".to_owned());
    }
    if let Some(list) = value.as_array()
        && schema["maxItems"].as_u64().is_some_and(|max| list.len() as u64 > max)
    {
        return Some("it has too many elements".to_owned());
    }
    if let (Some(max), Some(number)) = (schema["maximum"].as_i64(), value.as_i64())
        && number > max
    {
        return Some(format!("it is more than {max}"));
    }
    let text = value.as_str()?;
    let length = text.chars().count() as u64;
    let short = schema["minLength"].as_u64().is_some_and(|min| length < min);
    let long = schema["maxLength"].as_u64().is_some_and(|max| length > max);
    let form = match schema["format"].as_str() {
        Some("uuid") => text.len() == 36 && text.split('-').count() == 5,
        Some("uri") => text.parse::<url::Url>().is_ok(),
        _ => true,
    };
    (short || long || !form).then(|| "its length or format is another".to_owned())
}

fn is_hole(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn join(a: Known, b: Known) -> Known {
    Some(a?.into_iter().chain(b?).collect())
}

fn problem(operation: &str, place: &str, what: &str) -> Problem {
    let (operation, place) = (operation.to_owned(), place.to_owned());
    Problem { operation, place, what: what.to_owned() }
}
