//! Search requests and the rules they must obey.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Most filters that Intercom takes in one group.
const MAX_FILTERS: usize = 15;
/// Deepest nesting of groups that Intercom takes.
const MAX_DEPTH: usize = 2;

/// What a search looks for.
///
/// ```
/// use intercom_client::Query;
///
/// let query = Query::and([
///     Query::eq("role", "user"),
///     Query::or([Query::eq("email", "anna@example.com"), Query::eq("phone", "+358401234567")]),
/// ]);
/// ```
///
/// Intercom's rules (vendor documentation): groups nest at most two deep, a group has at most 15
/// filters. They are checked when the search starts. A filter beside a group is wrapped into a
/// group of its own, as the description of the API demands.
///
/// - Search lags behind writes by up to a few minutes: finding nothing proves nothing.
/// - On contacts, dates match whole days in the time zone of the workspace, up to version 2.16.
/// - On conversations, `>` and `<` include the bound, and `source.body` matches single words.
#[derive(Clone, PartialEq)]
pub struct Query(Node);

#[derive(Clone, PartialEq)]
enum Node {
    Filter { field: String, operator: Operator, value: Value },
    Group { operator: &'static str, queries: Vec<Query> },
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Operator {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// One of a list; for texts.
    #[serde(rename = "IN")]
    In,
    /// None of a list; for texts.
    #[serde(rename = "NIN")]
    NotIn,
    /// Less, or before.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// Greater, or after.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// Contains.
    #[serde(rename = "~")]
    Contains,
    /// Does not contain.
    #[serde(rename = "!~")]
    NotContains,
    /// Starts with.
    #[serde(rename = "^")]
    StartsWith,
    /// Ends with.
    #[serde(rename = "$")]
    EndsWith,
}

impl Query {
    /// One filter. Values are texts, whole numbers (times as UNIX seconds), booleans, null or,
    /// for `IN` and `NIN`, lists of texts or whole numbers.
    pub fn new(field: impl Into<String>, operator: Operator, value: impl Into<Value>) -> Self {
        let (field, value) = (field.into(), value.into());
        Self(Node::Filter { field, operator, value })
    }

    /// The field equals the value.
    pub fn eq(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, Operator::Equal, value)
    }

    /// The field differs from the value.
    pub fn ne(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, Operator::NotEqual, value)
    }

    /// The field is greater, or later, than the value (on conversations: or equal).
    pub fn gt(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, Operator::Greater, value)
    }

    /// The field is less, or earlier, than the value (on conversations: or equal).
    pub fn lt(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, Operator::Less, value)
    }

    /// The field is one of the values.
    pub fn one_of<V: Into<Value>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect::<Vec<Value>>();
        Self::new(field, Operator::In, values)
    }

    /// The field contains the text.
    pub fn contains(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(field, Operator::Contains, text.into())
    }

    /// All of these.
    pub fn and(queries: impl IntoIterator<Item = Query>) -> Self {
        let queries = queries.into_iter().collect();
        Self(Node::Group { operator: "AND", queries })
    }

    /// Any of these.
    pub fn or(queries: impl IntoIterator<Item = Query>) -> Self {
        let queries = queries.into_iter().collect();
        Self(Node::Group { operator: "OR", queries })
    }

    /// The JSON of this query, or the rule it breaks.
    pub(crate) fn to_json(&self) -> Result<Value, String> {
        self.at_depth(0)
    }

    fn at_depth(&self, depth: usize) -> Result<Value, String> {
        match &self.0 {
            Node::Filter { field, operator, value } => {
                if !is_searchable(value, true) {
                    return Err(format!(
                        "the value of the filter on `{field}` is neither text, whole number, \
                         boolean, null nor a list of texts or whole numbers"
                    ));
                }
                Ok(json!({ "field": field, "operator": operator, "value": value }))
            }
            Node::Group { operator, queries } => {
                if depth == MAX_DEPTH {
                    return Err(format!("groups nest at most {MAX_DEPTH} deep"));
                }
                if queries.is_empty() {
                    return Err("a group of no filters matches nothing".to_owned());
                }
                if queries.len() > MAX_FILTERS {
                    return Err(format!(
                        "a group has at most {MAX_FILTERS} filters, this one has {}",
                        queries.len()
                    ));
                }
                let mixed = queries.iter().any(Query::is_group);
                let mut values = Vec::with_capacity(queries.len());
                for query in queries {
                    let value = query.at_depth(depth + 1)?;
                    if !mixed || query.is_group() {
                        values.push(value);
                    } else {
                        values.push(json!({ "operator": "AND", "value": [value] }));
                    }
                }
                Ok(json!({ "operator": operator, "value": values }))
            }
        }
    }

    fn is_group(&self) -> bool {
        matches!(self.0, Node::Group { .. })
    }
}

impl std::fmt::Debug for Query {
    /// Fields and operators; the values may be people's data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Node::Filter { field, operator, .. } => write!(f, "{field} {operator:?} .."),
            Node::Group { operator, queries } => f.debug_tuple(operator).field(queries).finish(),
        }
    }
}

fn is_searchable(value: &Value, lists: bool) -> bool {
    match value {
        Value::String(_) => true,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::Null | Value::Bool(_) => lists,
        Value::Array(values) => lists && values.iter().all(|value| is_searchable(value, false)),
        Value::Object(_) => false,
    }
}

/// A search: a query and how its result is cut and ordered. Made from a [`Query`] by `into()`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Search {
    /// What to look for.
    pub query: Query,
    /// Results per page; Intercom's own default otherwise. At most 150 (documented for
    /// conversations, said by third parties for contacts).
    pub per_page: Option<u32>,
    /// Field and direction. Documented for contacts only.
    pub sort: Option<(String, Order)>,
}

/// Direction of a sorted search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest or oldest first.
    Ascending,
    /// Largest or newest first.
    Descending,
}

impl Search {
    /// A search in Intercom's own order and page size.
    pub fn new(query: Query) -> Self {
        Self { query, per_page: None, sort: None }
    }

    /// Results per page.
    #[must_use]
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.per_page = Some(per_page);
        self
    }

    /// The order of the results.
    #[must_use]
    pub fn sort(mut self, field: impl Into<String>, order: Order) -> Self {
        self.sort = Some((field.into(), order));
        self
    }

    /// The body of the request for the page after `cursor`, or the rule the query breaks.
    pub(crate) fn body(&self, cursor: Option<&str>) -> Result<Value, String> {
        let mut pagination = Map::new();
        if let Some(per_page) = self.per_page {
            pagination.insert("per_page".to_owned(), per_page.into());
        }
        if let Some(cursor) = cursor {
            pagination.insert("starting_after".to_owned(), cursor.into());
        }
        let mut body = json!({ "query": self.query.to_json()? });
        if !pagination.is_empty() {
            body["pagination"] = pagination.into();
        }
        if let Some((field, order)) = &self.sort {
            body["sort"] = json!({ "field": field, "order": order });
        }
        Ok(body)
    }
}

impl From<Query> for Search {
    fn from(query: Query) -> Self {
        Self::new(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(count: usize) -> Vec<Query> {
        vec![Query::eq("email", "a@example.com"); count]
    }

    #[test]
    fn one_filter_stands_alone() {
        let body = Search::from(Query::eq("email", "a@example.com")).body(None).unwrap();
        assert_eq!(
            body,
            json!({ "query": { "field": "email", "operator": "=", "value": "a@example.com" } })
        );
    }

    #[test]
    fn a_filter_beside_a_group_is_wrapped() {
        let query = Query::and([Query::eq("role", "user"), Query::or(filters(2))]);
        let json = query.to_json().unwrap();
        assert_eq!(json["value"][0]["operator"], "AND");
        assert_eq!(json["value"][0]["value"][0]["field"], "role");
        assert_eq!(json["value"][1]["operator"], "OR");
    }

    #[test]
    fn the_limits_are_checked() {
        assert!(Query::and(filters(15)).to_json().is_ok());
        assert!(Query::and(filters(16)).to_json().unwrap_err().contains("at most 15"));
        assert!(Query::and([]).to_json().is_err());
        let two = Query::or([Query::and(filters(1))]);
        assert!(two.to_json().is_ok());
        assert!(Query::and([two]).to_json().unwrap_err().contains("2 deep"));
        assert!(Query::eq("size", 1.5).to_json().is_err());
        assert!(Query::eq("size", json!({})).to_json().is_err());
        assert!(Query::eq("email", Value::Null).to_json().is_ok());
        assert!(Query::one_of("id", ["a", "b"]).to_json().is_ok());
        assert!(Query::one_of("id", [true]).to_json().is_err());
    }

    #[test]
    fn page_size_cursor_and_order_are_sent() {
        let search = Search::new(Query::gt("created_at", 1_600_000_000))
            .per_page(50)
            .sort("created_at", Order::Ascending);
        let body = search.body(Some("abc")).unwrap();
        assert_eq!(body["pagination"], json!({ "per_page": 50, "starting_after": "abc" }));
        assert_eq!(body["sort"], json!({ "field": "created_at", "order": "ascending" }));
    }

    #[test]
    fn debug_hides_values() {
        let shown = format!("{:?}", Query::and(filters(1)));
        assert!(shown.contains("email") && !shown.contains("example.com"));
    }
}
