//! A user or a group as we keep it: known attributes under their proper names, of the right type.

use serde_json::{Map, Value};

use super::schema::{self, Attribute, COMMON, ENTERPRISE, Kind, ValueKind};
use super::{Filter, ScimError, ScimType};

/// The most values of one attribute; a group's members are the reason that it is large.
const MAX_VALUES: usize = 20_000;
/// The longest text, in bytes.
const MAX_TEXT: usize = 2_000;

/// A resource that holds only what its kind may hold.
#[derive(Clone, PartialEq)]
pub struct Resource {
    kind: Kind,
    members: Map<String, Value>,
}

/// People's names and addresses stay out of logs.
impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resource({})", self.kind.name())
    }
}

impl Resource {
    /// Reads what a directory sent as a whole. What we do not keep, and what nobody may set, is passed
    /// over.
    ///
    /// # Errors
    /// When it is no object, a value has the wrong type, or what is required is missing.
    pub fn of_body(kind: Kind, body: &Value) -> Result<Self, ScimError> {
        let Value::Object(body) = body else {
            return Err(ScimError::bad(ScimType::InvalidSyntax, "the body is no JSON object"));
        };
        let mut members = Map::new();
        for (name, value) in body {
            if let Some((urn, attributes)) = kind.extension()
                && name.eq_ignore_ascii_case(urn)
            {
                if let Value::Object(said) = value {
                    let kept = cleaned(attributes, said)?;
                    if !kept.is_empty() {
                        members.insert(ENTERPRISE.to_owned(), Value::Object(kept));
                    }
                }
            } else if let Some(attribute) = kind.find(name).filter(|attribute| !attribute.read_only)
                && let Some(value) = clean(attribute, value)?
            {
                members.insert(attribute.name.to_owned(), value);
            }
        }
        Self { kind, members }.checked()
    }

    /// A resource that was read from the store.
    ///
    /// # Errors
    /// As for [`Resource::of_body`]: what was stored by an earlier release is read as if it were sent.
    pub fn of_stored(kind: Kind, stored: &[u8]) -> Result<Self, ScimError> {
        let body = serde_json::from_slice(stored)
            .map_err(|_| ScimError::bad(ScimType::InvalidSyntax, "the stored resource cannot be read"))?;
        Self::of_body(kind, &body)
    }

    /// The bytes to seal and store.
    pub fn to_stored(&self) -> Vec<u8> {
        Value::Object(self.members.clone()).to_string().into_bytes()
    }

    pub(crate) fn of_members(kind: Kind, members: Map<String, Value>) -> Result<Self, ScimError> {
        Self { kind, members }.checked()
    }

    fn checked(mut self) -> Result<Self, ScimError> {
        for attribute in self.kind.attributes().iter().filter(|attribute| attribute.required) {
            let there = self.text(attribute.name).is_some_and(|text| !text.trim().is_empty());
            if !there {
                let detail = format!("`{}` is required and must not be empty", attribute.name);
                return Err(ScimError::bad(ScimType::InvalidValue, detail));
            }
        }
        if let Some(Value::Object(extension)) = self.members.get(ENTERPRISE)
            && extension.is_empty()
        {
            self.members.remove(ENTERPRISE);
        }
        Ok(self)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The name to sign in with, of a user.
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// The name by which it is looked for: a user's user name, a group's name.
    pub fn name(&self) -> Option<&str> {
        match self.kind {
            Kind::User => self.user_name(),
            Kind::Group => self.text("displayName"),
        }
    }

    /// The directory's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// Whether a user may sign in. Said nothing means yes.
    pub fn active(&self) -> bool {
        self.members.get("active").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The name to show: of a group its own, of a user the best there is.
    pub fn display_name(&self) -> Option<String> {
        let name = |part: &str| self.members.get("name")?.get(part)?.as_str();
        let both = || Some(format!("{} {}", name("givenName")?, name("familyName")?));
        self.text("displayName")
            .or_else(|| name("formatted"))
            .map(str::to_owned)
            .or_else(both)
            .or_else(|| self.user_name().map(str::to_owned))
            .filter(|name| !name.trim().is_empty())
    }

    /// The e-mail address to use: the primary one, else the first, else a user name that looks like one.
    pub fn email(&self) -> Option<&str> {
        let list =
            self.members.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let primary = list.iter().find(|email| email["primary"] == true).or_else(|| list.first());
        primary
            .and_then(|email| email["value"].as_str())
            .or_else(|| self.user_name().filter(|name| name.contains('@')))
    }

    /// The ids of a group's members.
    pub fn member_ids(&self) -> impl Iterator<Item = &str> {
        let list =
            self.members.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|member| member["value"].as_str())
    }

    /// The same with what a directory means that does not say it: a person may sign in.
    #[must_use]
    pub fn said_in_full(mut self) -> Self {
        if self.kind == Kind::User {
            self.members.entry("active").or_insert(Value::Bool(true));
        }
        self
    }

    /// Takes the ids of a group's members out: they are kept as rows of their own.
    pub fn take_members(&mut self) -> Vec<String> {
        let mut ids: Vec<String> = self.member_ids().map(str::to_owned).collect();
        ids.sort_unstable();
        ids.dedup();
        self.members.remove("members");
        ids
    }

    /// Puts the ids of a group's members back.
    pub fn put_members<'i>(&mut self, ids: impl IntoIterator<Item = &'i str>) {
        let list: Vec<Value> = ids.into_iter().map(|id| serde_json::json!({ "value": id })).collect();
        if !list.is_empty() {
            self.members.insert("members".to_owned(), list.into());
        }
    }

    /// The resource as it is shown, with what only we know: id, version, times, the groups that a user is
    /// in (`(id, name)`).
    pub fn shown(&self, known: &Known<'_>) -> Value {
        let Known { id, base, version, created, changed, groups } = known;
        let endpoint = self.kind.endpoint();
        let mut shown = self.members.clone();
        let mut schemas = vec![self.kind.schema()];
        if shown.contains_key(ENTERPRISE) {
            schemas.push(ENTERPRISE);
        }
        if self.kind == Kind::User {
            let groups = groups.iter().map(|(id, name)| {
                serde_json::json!({ "value": id, "display": name, "$ref": format!("{base}/Groups/{id}") })
            });
            let groups: Vec<Value> = groups.collect();
            if !groups.is_empty() {
                shown.insert("groups".to_owned(), groups.into());
            }
        }
        if let Some(Value::Array(list)) = shown.get_mut("members").filter(|_| self.kind == Kind::Group) {
            for member in list {
                let id = member["value"].as_str().unwrap_or_default().to_owned();
                *member =
                    serde_json::json!({ "value": id, "type": "User", "$ref": format!("{base}/Users/{id}") });
            }
        }
        shown.insert("schemas".to_owned(), schemas.into());
        shown.insert("id".to_owned(), (*id).into());
        let meta = serde_json::json!({
            "resourceType": self.kind.name(), "created": created, "lastModified": changed,
            "location": format!("{base}{endpoint}/{id}"), "version": etag(*version),
        });
        shown.insert("meta".to_owned(), meta);
        Value::Object(shown)
    }

    /// Whether it matches a filter, as it is shown.
    pub fn matches(&self, filter: &Filter, known: &Known<'_>) -> bool {
        self.shown(known).as_object().is_some_and(|shown| filter.matches(self.kind, shown))
    }
}

/// What only we know of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its id here.
    pub id: &'a str,
    /// The address of the service.
    pub base: &'a str,
    /// Counts its changes.
    pub version: u64,
    /// When it was made (RFC 3339).
    pub created: &'a str,
    /// When it was last changed (RFC 3339).
    pub changed: &'a str,
    /// The groups that a user is in: ids and names.
    pub groups: &'a [(String, String)],
}

/// A version as an entity tag. It is a weak one: two answers of a version differ in what was asked for.
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The version of an entity tag of ours.
pub fn version_of(etag: &str) -> Option<u64> {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn cleaned(
    attributes: &'static [Attribute],
    said: &Map<String, Value>,
) -> Result<Map<String, Value>, ScimError> {
    let mut kept = Map::new();
    for (name, value) in said {
        if let Some(attribute) = schema::find(attributes, name).filter(|attribute| !attribute.read_only)
            && let Some(value) = clean(attribute, value)?
        {
            kept.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(kept)
}

/// A value of an attribute as we keep it; `None` for what is nothing.
pub(crate) fn clean(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.many {
        return clean_one(attribute, value);
    }
    // One value where a list should be is a list of one.
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.len() > MAX_VALUES {
        return Err(wrong(attribute, "has too many values"));
    }
    let mut kept: Vec<Value> = Vec::with_capacity(list.len());
    for value in list {
        if let Some(value) = clean_one(attribute, value)? {
            kept.push(value);
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

pub(crate) fn clean_one(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    match (&attribute.value, value) {
        (_, Value::Null) => Ok(None),
        (ValueKind::Text | ValueKind::Reference(_), Value::String(text)) => {
            let plain = text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
            if plain {
                Ok(Some(value.clone()))
            } else {
                Err(wrong(attribute, "is too long or has control characters"))
            }
        }
        // Employee numbers come as numbers.
        (ValueKind::Text, Value::Number(number)) => Ok(Some(number.to_string().into())),
        (ValueKind::Truth, Value::Bool(_)) => Ok(Some(value.clone())),
        (ValueKind::Truth, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(Value::Bool(true))),
            "false" => Ok(Some(Value::Bool(false))),
            _ => Err(wrong(attribute, "is neither true nor false")),
        },
        (ValueKind::Parts(parts), Value::Object(said)) => {
            let kept = cleaned(parts, said)?;
            Ok((!kept.is_empty()).then_some(Value::Object(kept)))
        }
        // A list of plain texts where objects should be: each is a `value`.
        (ValueKind::Parts(parts), Value::String(_)) if schema::find(parts, "value").is_some() => {
            let mut one = Map::new();
            one.insert("value".to_owned(), value.clone());
            Ok(Some(Value::Object(one)))
        }
        _ => Err(wrong(attribute, "has a value of the wrong type")),
    }
}

fn wrong(attribute: &Attribute, why: &str) -> ScimError {
    ScimError::bad(ScimType::InvalidValue, format!("`{}` {why}", attribute.name))
}

/// Whether a name is one that every resource has and nobody sets.
pub(crate) fn is_ours(name: &str) -> bool {
    schema::find(COMMON, name).is_some_and(|attribute| attribute.read_only)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(body: Value) -> Result<Resource, ScimError> {
        Resource::of_body(Kind::User, &body)
    }

    #[test]
    fn only_what_is_known_is_kept_under_its_proper_name() {
        let kept = user(json!({
            "schemas": ["x"], "id": "mine", "USERNAME": "alice", "Active": "False", "password": "secret",
            "emails": [{ "value": "a@b.example", "primary": "True", "extra": 1 }], "phoneNumbers": [{ "value": "1" }],
            "name": { "GivenName": "Alice", "honorificPrefix": "Dr" }, "groups": [{ "value": "g" }], "title": null,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "employeeNumber": 7, "costCenter": "x" },
        }))
        .unwrap();
        assert_eq!(
            Value::Object(kept.members.clone()),
            json!({
                "userName": "alice", "active": false, "emails": [{ "value": "a@b.example", "primary": true }],
                "name": { "givenName": "Alice" }, ENTERPRISE: { "employeeNumber": "7" },
            })
        );
        assert_eq!(Resource::of_stored(Kind::User, &kept.to_stored()).unwrap(), kept);
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_type_is_named() {
        for (body, words) in [
            (json!({}), "`userName` is required"),
            (json!({ "userName": " " }), "`userName` is required"),
            (json!({ "userName": ["a"] }), "`userName` has a value of the wrong type"),
            (json!({ "userName": "a", "active": "maybe" }), "`active` is neither true nor false"),
            (json!({ "userName": "a", "emails": [7] }), "`emails` has a value of the wrong type"),
            (json!({ "userName": "a\u{0}" }), "control characters"),
        ] {
            let error = user(body.clone()).unwrap_err();
            assert!(error.detail.contains(words), "{body}: {error}");
            assert_eq!(error.body()["scimType"], "invalidValue");
        }
        assert_eq!(user(json!([])).unwrap_err().kind, Some(ScimType::InvalidSyntax));
    }

    #[test]
    fn members_are_taken_out_once_each_and_shown_with_their_address() {
        let body =
            json!({ "displayName": "g", "members": [{ "value": "2" }, { "value": "1" }, { "value": "2" }] });
        let mut group = Resource::of_body(Kind::Group, &body).unwrap();
        let ids = group.take_members();
        assert_eq!((ids.as_slice(), group.member_ids().count()), (&["1".to_owned(), "2".to_owned()][..], 0));
        group.put_members(["1"]);
        let known =
            Known { id: "g", base: "https://x/scim/v2", version: 3, created: "c", changed: "d", groups: &[] };
        let shown = group.shown(&known);
        assert_eq!(shown["members"][0]["$ref"], "https://x/scim/v2/Users/1");
        assert_eq!(shown["meta"]["version"], "W/\"3\"");
        assert!(group.matches(&"id eq \"g\" and members eq \"1\"".parse().unwrap(), &known));
        assert_eq!((version_of("W/\"3\""), version_of("\"3\""), version_of("3")), (Some(3), Some(3), None));
    }

    #[test]
    fn name_and_address_are_the_best_there_are() {
        let best = |body: Value| {
            let user = user(body).unwrap();
            (user.display_name(), user.email().map(str::to_owned))
        };
        let of = |name: &str, email: &str| (Some(name.to_owned()), Some(email.to_owned()));
        assert_eq!(best(json!({ "userName": "a@b.example" })), of("a@b.example", "a@b.example"));
        assert_eq!(
            best(json!({ "userName": "a", "name": { "givenName": "Al", "familyName": "Ice" },
                "emails": [{ "value": "x@b.example" }, { "value": "y@b.example", "primary": true }] })),
            of("Al Ice", "y@b.example")
        );
        assert_eq!(best(json!({ "userName": "a" })), (Some("a".to_owned()), None));
    }
}
