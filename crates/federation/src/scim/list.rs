//! A list of resources and what is asked of it (RFC 7644, section 3.4.2).

use serde_json::{Value, json};

use super::{Filter, ScimError, ScimType};

/// The most resources of one answer.
pub const MAX_PAGE: usize = 200;

/// What the query of a list asks for.
#[derive(Debug, Default)]
pub struct ListAsked {
    /// Only those that match.
    pub filter: Option<Filter>,
    /// The place of the first, from 1.
    pub start: usize,
    /// How many at most; 0 asks for the number alone.
    pub count: usize,
}

impl ListAsked {
    /// Reads a query. What is not known is passed over, as RFC 7644 asks.
    ///
    /// # Errors
    /// When the filter cannot be read, or a number is none.
    pub fn of_query(query: &str) -> Result<Self, ScimError> {
        let mut asked = Self { filter: None, start: 1, count: MAX_PAGE };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // Below 1 means 1, and below 0 means 0 (section 3.4.2.4).
            let number = || {
                let parsed: Option<i64> = value.trim().parse().ok();
                let refuse = || ScimError::bad(ScimType::InvalidValue, format!("`{name}` is no number"));
                Ok::<_, ScimError>(usize::try_from(parsed.ok_or_else(refuse)?).unwrap_or(0))
            };
            match &*name {
                "filter" => asked.filter = Some(value.parse()?),
                "startIndex" => asked.start = number()?.max(1),
                "count" => asked.count = number()?.min(MAX_PAGE),
                _ => {}
            }
        }
        Ok(asked)
    }

    /// The asked-for part of everything that was found.
    pub fn page(&self, found: &[Value]) -> Value {
        let from = (self.start - 1).min(found.len());
        let to = (from + self.count).min(found.len());
        list_response(found.get(from..to).unwrap_or_default(), found.len(), self.start)
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
        let page = |query: &str| ListAsked::of_query(query).unwrap().page(&found);
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
}
