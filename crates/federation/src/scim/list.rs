//! A list of resources and what is asked of it (RFC 7644, section 3.4.2).

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::path::Path;
use super::schema::ENTERPRISE;
use super::{Filter, ScimError, ScimType, Shape};

/// The most resources of one answer.
pub const MAX_PAGE: usize = 200;

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct ListAsked {
    /// Only those that match.
    pub filter: Option<Filter>,
    /// The place of the first, from 1.
    pub start: usize,
    /// How many at most; 0 asks for the number alone.
    pub count: usize,
    /// In which order; none is the order in which they were made.
    pub order: Option<Order>,
    /// Which attributes.
    pub shape: Shape,
}

/// An order of resources: by an attribute, the least first or last (section 3.4.2.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    by: Path,
    descending: bool,
}

/// The body of a `.search` (section 3.4.3).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Search {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    attributes: Vec<String>,
    excluded_attributes: Vec<String>,
}

impl ListAsked {
    /// Reads a query. What is not known is passed over, as RFC 7644 asks.
    ///
    /// # Errors
    /// When the filter or the attribute to sort by cannot be read, or a number is none.
    pub fn of_query(query: &str) -> Result<Self, ScimError> {
        let mut search = Search::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = |value: Cow<'_, str>| {
                let refuse = |_| ScimError::bad(ScimType::InvalidValue, format!("`{name}` is no number"));
                value.trim().parse::<i64>().map(Some).map_err(refuse)
            };
            match &*name {
                "filter" => search.filter = Some(value.into_owned()),
                "startIndex" => search.start_index = number(value)?,
                "count" => search.count = number(value)?,
                "sortBy" => search.sort_by = Some(value.into_owned()),
                "sortOrder" => search.sort_order = Some(value.into_owned()),
                _ => {}
            }
        }
        Self::of(&search, Shape::of_query(query)?)
    }

    /// Reads the body of a `.search`.
    ///
    /// # Errors
    /// As for [`ListAsked::of_query`], and when it is no such body.
    pub fn of_body(body: &[u8]) -> Result<Self, ScimError> {
        let search: Search = serde_json::from_slice(body)
            .map_err(|_| ScimError::bad(ScimType::InvalidSyntax, "the body is no search request"))?;
        let shape = Shape::of_names(&search.attributes, &search.excluded_attributes)?;
        Self::of(&search, shape)
    }

    fn of(search: &Search, shape: Shape) -> Result<Self, ScimError> {
        // Below 1 means 1, and below 0 means 0 (section 3.4.2.4).
        let bounded = |number: i64| usize::try_from(number).unwrap_or(0);
        let order = match search.sort_by.as_deref().map(str::trim).filter(|by| !by.is_empty()) {
            None => None,
            Some(by) => {
                let said = search.sort_order.as_deref().unwrap_or_default();
                Some(Order { by: by.parse()?, descending: said.eq_ignore_ascii_case("descending") })
            }
        };
        Ok(Self {
            filter: search.filter.as_deref().map(str::parse).transpose()?,
            start: search.start_index.map_or(1, bounded).max(1),
            count: search.count.map_or(MAX_PAGE, bounded).min(MAX_PAGE),
            order,
            shape,
        })
    }

    /// The asked-for part of everything that was found, in the asked-for order.
    pub fn page(&self, mut found: Vec<Value>) -> Value {
        if let Some(order) = &self.order {
            found.sort_by(|a, b| order.compare(a, b));
        }
        let from = (self.start - 1).min(found.len());
        let to = (from + self.count).min(found.len());
        let total = found.len();
        let page: Vec<Value> = found.drain(from..to).collect();
        self.list(page, total)
    }

    /// The answer with these resources of `total` that there are.
    pub fn list(&self, page: Vec<Value>, total: usize) -> Value {
        let page: Vec<Value> = page.into_iter().map(|one| self.shape.apply(one)).collect();
        list_response(&page, total, self.start)
    }
}

impl Order {
    /// Whoever has no such value comes last, and first when the order is turned around.
    fn compare(&self, a: &Value, b: &Value) -> Ordering {
        let order = match (self.text(a), self.text(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if self.descending { order.reverse() } else { order }
    }

    /// The value to sort by, in small letters: of a list the primary one, or else the first.
    fn text(&self, resource: &Value) -> Option<String> {
        let holder = if self.by.extension { resource.get(ENTERPRISE)? } else { resource };
        let members = holder.as_object()?;
        let found = members.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.by.attribute))?.1;
        let one = match found {
            Value::Array(list) => list.iter().find(|one| one["primary"] == true).or_else(|| list.first())?,
            one => one,
        };
        let leaf = match (one, &self.by.part) {
            (Value::Object(parts), Some(part)) => {
                parts.iter().find(|(name, _)| name.eq_ignore_ascii_case(part))?.1
            }
            (Value::Object(parts), None) => parts.get("value")?,
            (leaf, _) => leaf,
        };
        match leaf {
            Value::String(text) => Some(text.to_lowercase()),
            other => Some(other.to_string()),
        }
    }
}

/// A list response with these resources, of `total` that there are, the first at place `start`.
pub fn list_response(resources: &[Value], total: usize, start: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_was_asked_for_and_tells_how_many_there_are() {
        let found: Vec<Value> = (0..5).map(|n| json!({ "id": n })).collect();
        let page = |query: &str| ListAsked::of_query(query).unwrap().page(found.clone());
        let two = page("startIndex=2&count=2");
        assert_eq!(
            (&two["Resources"], &two["totalResults"]),
            (&json!([{ "id": 1 }, { "id": 2 }]), &json!(5))
        );
        let none = page("count=0");
        assert_eq!((&none["Resources"], &none["totalResults"]), (&json!([]), &json!(5)));
        assert_eq!(page("startIndex=-3&count=-1")["itemsPerPage"], 0);
        assert_eq!(page("startIndex=99")["Resources"], json!([]));
        assert_eq!(ListAsked::of_query("count=many").unwrap_err().status, 400);
        assert!(ListAsked::of_query("sortBy=userName&attributes=id").is_ok());
    }

    #[test]
    fn resources_are_sorted_by_what_they_have_and_those_without_come_last() {
        let found: Vec<Value> = ["b", "A", "c"].iter().map(|n| json!({ "userName": n })).collect();
        let found = [found, vec![json!({ "id": "none" })]].concat();
        let names = |query: &str| -> Vec<Value> {
            let page = ListAsked::of_query(query).unwrap().page(found.clone());
            page["Resources"].as_array().unwrap().iter().map(|one| one["userName"].clone()).collect()
        };
        assert_eq!(names("sortBy=userName"), [json!("A"), json!("b"), json!("c"), json!(null)]);
        assert_eq!(names("sortBy=USERNAME&sortOrder=descending&count=2"), [json!(null), json!("c")]);
        assert_eq!(ListAsked::of_query("sortBy=a[").unwrap_err().status, 400);
    }

    #[test]
    fn a_search_is_a_query_in_a_body() {
        let body = br#"{"filter":"id eq \"3\"","startIndex":0,"count":-1,"attributes":["id"],"more":1}"#;
        let asked = ListAsked::of_body(body).unwrap();
        assert_eq!((asked.start, asked.count), (1, 0));
        assert_eq!(asked.filter.unwrap().equalities(), [("id", "3")]);
        assert_eq!(ListAsked::of_body(b"[").unwrap_err().kind, Some(ScimType::InvalidSyntax));
    }
}
