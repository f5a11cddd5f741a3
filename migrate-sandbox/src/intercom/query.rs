//! The search grammar: filters, groups of them, two levels deep.

use serde_json::{Map, Value};

use super::Failure;

const MOST_FILTERS: usize = 15;
const DEEPEST: usize = 2;

/// A parsed `query`.
#[derive(Debug)]
pub(super) enum Query {
    And(Vec<Query>),
    Or(Vec<Query>),
    Filter(Filter),
}

#[derive(Debug)]
pub(super) struct Filter {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    In,
    NotIn,
    Contains,
    ContainsNot,
    StartsWith,
    EndsWith,
}

/// What kind of values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// UNIX seconds.
    Date,
    Number,
    Flag,
}

impl Query {
    pub(super) fn parse(body: &Map<String, Value>) -> Result<Self, Failure> {
        let query = body
            .get("query")
            .ok_or_else(|| Failure::new(400, "missing_parameter", "query is missing"))?;
        parse(query, 1)
    }

    pub(super) fn filters(&self) -> Vec<&Filter> {
        match self {
            Self::Filter(filter) => vec![filter],
            Self::And(inner) | Self::Or(inner) => inner.iter().flat_map(Self::filters).collect(),
        }
    }

    pub(super) fn holds(&self, filter: &dyn Fn(&Filter) -> bool) -> bool {
        match self {
            Self::Filter(own) => filter(own),
            Self::And(inner) => inner.iter().all(|query| query.holds(filter)),
            Self::Or(inner) => inner.iter().any(|query| query.holds(filter)),
        }
    }

    /// A field and value that every result must have, if one of these fields is asked for by equality.
    pub(super) fn term(&self, indexed: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
        match self {
            Self::Filter(filter)
                if filter.operator == Operator::Equal && indexed(&filter.field) =>
            {
                Some((filter.field.clone(), filter.value.as_str()?.to_lowercase()))
            }
            Self::And(inner) => inner.iter().find_map(|query| query.term(indexed)),
            _ => None,
        }
    }
}

fn parse(query: &Value, level: usize) -> Result<Query, Failure> {
    let Value::Object(fields) = query else {
        return Err(Failure::invalid("a filter must be an object"));
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let operator = text("operator").ok_or_else(|| Failure::invalid("operator is missing"))?;
    let group = match operator {
        "AND" => Some(Query::And as fn(Vec<Query>) -> Query),
        "OR" => Some(Query::Or as fn(Vec<Query>) -> Query),
        _ => None,
    };
    if let Some(group) = group {
        let Some(Value::Array(inner)) = fields.get("value") else {
            return Err(Failure::invalid("the value of a group must be an array"));
        };
        if inner.is_empty() || inner.len() > MOST_FILTERS {
            return Err(Failure::invalid(format!(
                "a group must have 1 to {MOST_FILTERS} filters"
            )));
        }
        if level > DEEPEST {
            return Err(Failure::invalid(format!(
                "groups can be nested {DEEPEST} levels deep"
            )));
        }
        let is_group = |filter: &Value| {
            matches!(
                filter.get("operator").and_then(Value::as_str),
                Some("AND" | "OR")
            )
        };
        if inner.iter().any(is_group) != inner.iter().all(is_group) {
            return Err(Failure::invalid("filters and groups cannot be mixed"));
        }
        return inner
            .iter()
            .map(|filter| parse(filter, level + 1))
            .collect::<Result<_, _>>()
            .map(group);
    }
    let operator = match operator {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        "IN" => Operator::In,
        "NIN" => Operator::NotIn,
        "~" => Operator::Contains,
        "!~" => Operator::ContainsNot,
        "^" => Operator::StartsWith,
        "$" => Operator::EndsWith,
        other => return Err(Failure::invalid(format!("operator {other} is not known"))),
    };
    let field = text("field")
        .ok_or_else(|| Failure::invalid("field is missing"))?
        .to_owned();
    let value = fields
        .get("value")
        .cloned()
        .ok_or_else(|| Failure::invalid("value is missing"))?;
    let is_list = matches!(operator, Operator::In | Operator::NotIn);
    if value.is_array() != is_list {
        return Err(Failure::invalid(format!(
            "the value of {field} does not fit its operator"
        )));
    }
    Ok(Query::Filter(Filter {
        field,
        operator,
        value,
    }))
}

impl Filter {
    /// Refuses operators and values that do not fit the kind of field.
    pub(super) fn check(&self, kind: Kind, day_precision: bool) -> Result<(), Failure> {
        use Operator::{Equal, Greater, In, Less, NotEqual, NotIn};
        let comparison = matches!(self.operator, Equal | Greater | Less);
        let fits = match kind {
            Kind::Date if day_precision => comparison,
            Kind::Date | Kind::Number => {
                comparison || matches!(self.operator, NotEqual | In | NotIn)
            }
            Kind::Flag => matches!(self.operator, Equal | NotEqual),
            Kind::Text => true,
        };
        if !fits {
            return Err(Failure::invalid(format!(
                "operator is not supported for {}",
                self.field
            )));
        }
        let values = self
            .value
            .as_array()
            .map_or(std::slice::from_ref(&self.value), Vec::as_slice);
        let typed = values.iter().all(|value| match kind {
            Kind::Text => value.is_string() || value.is_null(),
            Kind::Flag => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
            // Numbers as text are read as numbers.
            Kind::Date | Kind::Number => number(value).is_some() || value.is_null(),
        });
        if typed {
            Ok(())
        } else {
            Err(Failure::invalid(format!(
                "the value of {} has the wrong type",
                self.field
            )))
        }
    }

    /// Whether any of the field's values (none: the field is empty) fulfils the filter.
    /// `or_equal` widens `>` and `<`; `day` cuts times down to days.
    pub(super) fn matches(
        &self,
        kind: Kind,
        values: &[Value],
        or_equal: bool,
        day: &dyn Fn(i64) -> i64,
    ) -> bool {
        let equal = |asked: &Value| {
            if asked.is_null() || asked.as_str() == Some("") {
                return values.is_empty();
            }
            values.iter().any(|own| match kind {
                Kind::Text => text(own).to_lowercase() == text(asked).to_lowercase(),
                Kind::Flag => text(own) == text(asked),
                Kind::Number => number(own) == number(asked),
                Kind::Date => number(own).map(day) == number(asked).map(day),
            })
        };
        let compare = |fulfils: fn(i64, i64) -> bool| {
            let asked = number(&self.value).map(day);
            values.iter().any(|own| {
                number(own)
                    .map(day)
                    .zip(asked)
                    .is_some_and(|(own, asked)| fulfils(own, asked) || (or_equal && own == asked))
            })
        };
        let any = |fulfils: fn(&str, &str) -> bool| {
            let asked = text(&self.value).to_lowercase();
            values
                .iter()
                .any(|own| fulfils(&text(own).to_lowercase(), &asked))
        };
        let listed = || {
            self.value
                .as_array()
                .is_some_and(|asked| asked.iter().any(equal))
        };
        match self.operator {
            Operator::Equal => equal(&self.value),
            Operator::NotEqual => !equal(&self.value),
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Greater => compare(|own, asked| own > asked),
            Operator::Less => compare(|own, asked| own < asked),
            Operator::Contains => any(|own, asked| own.contains(asked)),
            Operator::ContainsNot => !any(|own, asked| own.contains(asked)),
            Operator::StartsWith => any(|own, asked| own.starts_with(asked)),
            Operator::EndsWith => any(|own, asked| own.ends_with(asked)),
        }
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
