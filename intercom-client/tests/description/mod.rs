//! A small checker against an OpenAPI 3.0 description: schemas by `$ref`, `nullable`, `allOf`, `oneOf`, `anyOf`,
//! types, required and unknown properties. `requests.rs` checks what is sent with it; the sandbox's tests include
//! this file to check what is answered.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// A description.
pub(crate) struct Description(pub(crate) Value);

/// Something about a request or reply that is not as described.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Method and path template.
    pub(crate) operation: String,
    /// What is at fault.
    pub(crate) fault: Fault,
}

/// Something about a value that is not as described.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where in the request or reply.
    pub(crate) place: String,
    /// The innermost named schema that says otherwise, and where in it.
    pub(crate) schema: Option<String>,
    /// What is wrong, shown when a test fails.
    #[allow(dead_code, reason = "read by Debug only")]
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), schema: None, what: what.into() }
    }
}

/// The properties of an object that a schema speaks of; `None` if it allows any.
type Known = Option<BTreeSet<String>>;

impl Description {
    /// The file that `INTERCOM_OPENAPI` names, or `None` and a word about it.
    pub(crate) fn from_env() -> Option<Self> {
        let Some(path) = std::env::var_os("INTERCOM_OPENAPI").map(PathBuf::from) else {
            println!("skipped: INTERCOM_OPENAPI is not set");
            return None;
        };
        let is_json = path.extension().is_some_and(|kind| kind == "json");
        let path = if is_json { path } else { path.with_extension("json") };
        let text = std::fs::read_to_string(&path).expect("INTERCOM_OPENAPI names a readable file");
        Some(Self(serde_json::from_str(&text).expect("it is JSON")))
    }

    /// The path with the fewest holes that matches.
    pub(crate) fn path_item(&self, path: &str) -> Option<(&str, &Value)> {
        let paths = self.0["paths"].as_object()?.iter();
        let matching = paths.filter(|(template, _)| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(a, b)| is_hole(a) || a == b)
        });
        let best = matching.min_by_key(|(template, _)| template.matches('{').count());
        best.map(|(template, item)| (template.as_str(), item))
    }

    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.resolve(self.0.pointer(pointer).expect("references lead somewhere"))
            }
            None => schema,
        }
    }

    /// Faults of a value, properties that nobody speaks of included.
    pub(crate) fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<Fault> {
        let (mut faults, known) = self.examine(schema, value, place);
        if let (Some(object), Some(known)) = (value.as_object(), known) {
            let unknown = object.keys().filter(|name| !known.contains(*name));
            faults.extend(
                unknown.map(|name| Fault::new(format!("{place}.{name}"), "it is not described")),
            );
        }
        attribute(schema, place, &mut faults);
        faults
    }

    /// Faults of a value, and the properties that the schema speaks of.
    fn examine(&self, schema: &Value, value: &Value, place: &str) -> (Vec<Fault>, Known) {
        let (mut faults, known) = self.examine_resolved(schema, value, place);
        attribute(schema, place, &mut faults);
        (faults, known)
    }

    fn examine_resolved(&self, given: &Value, value: &Value, place: &str) -> (Vec<Fault>, Known) {
        let schema = self.resolve(given);
        let fault = |what: String| (vec![Fault::new(place, what)], None);
        if value.is_null() {
            let untyped = schema.as_object().is_none_or(Map::is_empty);
            // Beside a reference `nullable` says nothing by the letter, but the vendor means it.
            let allowed = schema["nullable"] == true || given["nullable"] == true || untyped;
            return if allowed { (Vec::new(), None) } else { fault("null".to_owned()) };
        }
        if let Some(what) = scalar_fault(schema, value) {
            return fault(what);
        }
        let mut faults = Vec::new();
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
        if let Some(form) = discriminated(schema, value) {
            let (more, names) = self.examine(&form, value, place);
            faults.extend(more);
            return (faults, join(known, names));
        }
        for kind in ["oneOf", "anyOf"] {
            let Some(branches) = schema[kind].as_array() else {
                continue;
            };
            let examined = branches.iter().map(|branch| self.examine(branch, value, place));
            let (fit, unfit): (Vec<_>, Vec<_>) =
                examined.partition(|(faults, _)| faults.is_empty());
            if fit.is_empty() {
                let why: Vec<Vec<Fault>> = unfit.into_iter().map(|(faults, _)| faults).collect();
                return fault(format!("it fits no form of {kind}: {why:?}"));
            }
            if kind == "oneOf" && fit.len() > 1 {
                faults.push(Fault::new(place, format!("it fits {} forms of oneOf", fit.len())));
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
        faults: &mut Vec<Fault>,
    ) -> Known {
        let object = value.as_object()?;
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                faults.push(Fault::new(place, format!("`{name}` is missing")));
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

pub(crate) fn is_hole(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn join(a: Known, b: Known) -> Known {
    Some(a?.into_iter().chain(b?).collect())
}

/// Says of faults found under a reference, or in what extends one, which schema it leads to, unless an inner one was
/// blamed already.
fn attribute(schema: &Value, place: &str, faults: &mut [Fault]) {
    let extended = schema["allOf"].get(0).unwrap_or(schema);
    let reference = schema["$ref"].as_str().or_else(|| extended["$ref"].as_str());
    let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) else {
        return;
    };
    for fault in faults.iter_mut().filter(|fault| fault.schema.is_none()) {
        let within = fault.place.strip_prefix(place).unwrap_or_default();
        fault.schema = Some(format!("{name}{}", unnumbered(within)));
    }
}

/// A place with `*` for the index of any element of a list.
pub(crate) fn unnumbered(place: &str) -> String {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    let parts = place.split('.').map(|part| if number(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

/// The one form that a `discriminator` names for this value, as a reference.
fn discriminated(schema: &Value, value: &Value) -> Option<Value> {
    let discriminator = schema.get("discriminator")?;
    let name = value.get(discriminator["propertyName"].as_str()?)?.as_str()?;
    Some(serde_json::json!({ "$ref": discriminator["mapping"].get(name)? }))
}
