//! Which attributes of a resource are shown (RFC 7644, section 3.9): `attributes` names those that are,
//! `excludedAttributes` those that are not. `id` and `schemas` are shown whatever was asked.

use serde_json::{Map, Value};

use super::ScimError;
use super::path::Path;
use super::schema::ENTERPRISE;

/// What is shown whatever was asked.
const ALWAYS: [&str; 2] = ["id", "schemas"];
/// The most names that are read.
const MAX_NAMES: usize = 100;

/// Which attributes are shown; everything, when nothing was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    only: Vec<Path>,
    without: Vec<Path>,
}

impl Shape {
    /// Reads a query.
    ///
    /// # Errors
    /// When a name cannot be read.
    pub fn of_query(query: &str) -> Result<Self, ScimError> {
        let (mut only, mut without) = (Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let into = match &*name {
                "attributes" => &mut only,
                "excludedAttributes" => &mut without,
                _ => continue,
            };
            into.extend(value.split(',').map(str::to_owned));
        }
        Self::of_names(&only, &without)
    }

    /// The shape with only these names, or without those.
    ///
    /// # Errors
    /// When a name cannot be read.
    pub fn of_names(only: &[String], without: &[String]) -> Result<Self, ScimError> {
        let paths = |names: &[String]| -> Result<Vec<Path>, ScimError> {
            let named = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
            named.take(MAX_NAMES).map(str::parse).collect()
        };
        Ok(Self { only: paths(only)?, without: paths(without)? })
    }

    /// Whether a group's members are to be seen.
    pub fn shows_members(&self) -> bool {
        let named = |paths: &[Path]| paths.iter().any(|path| path.attribute.eq_ignore_ascii_case("members"));
        !named(&self.without) && (self.only.is_empty() || named(&self.only))
    }

    /// The resource in this shape.
    pub fn apply(&self, resource: Value) -> Value {
        let Value::Object(mut whole) = resource else { return resource };
        if !self.only.is_empty() {
            whole = self.picked(&whole);
        }
        for path in &self.without {
            match (path.extension, path.attribute.is_empty()) {
                (true, true) => drop(whole.remove(ENTERPRISE)),
                (true, false) => {
                    if let Some(Value::Object(holder)) = whole.get_mut(ENTERPRISE) {
                        leave_out(holder, path);
                    }
                }
                (false, _) => leave_out(&mut whole, path),
            }
        }
        Value::Object(whole)
    }

    fn picked(&self, whole: &Map<String, Value>) -> Map<String, Value> {
        let always = |(name, _): &(&String, &Value)| ALWAYS.contains(&name.as_str());
        let mut picked: Map<String, Value> =
            whole.iter().filter(always).map(|(name, value)| (name.clone(), value.clone())).collect();
        for path in &self.only {
            if !path.extension {
                pick(whole, path, &mut picked);
            } else if let Some(Value::Object(holder)) = whole.get(ENTERPRISE) {
                let entry = picked.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(entry) = entry {
                    if path.attribute.is_empty() {
                        entry.clone_from(holder);
                    } else {
                        pick(holder, path, entry);
                    }
                }
            }
        }
        picked
    }
}

fn key<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m String> {
    members.keys().find(|key| key.eq_ignore_ascii_case(name))
}

/// Picks what a path names, beside what was picked before.
fn pick(from: &Map<String, Value>, path: &Path, into: &mut Map<String, Value>) {
    let Some(name) = key(from, &path.attribute) else { return };
    let Some(value) = from.get(name) else { return };
    let Some(part) = &path.part else {
        into.insert(name.clone(), value.clone());
        return;
    };
    let part_of = |one: &Value| -> Map<String, Value> {
        let parts = one.as_object();
        let found = parts.and_then(|parts| Some((key(parts, part)?, parts)));
        found.and_then(|(key, parts)| Some((key.clone(), parts.get(key)?.clone()))).into_iter().collect()
    };
    match (value, into.get_mut(name)) {
        (Value::Array(list), Some(Value::Array(old))) => {
            for (one, old) in list.iter().zip(old) {
                if let Value::Object(old) = old {
                    old.extend(part_of(one));
                }
            }
        }
        (Value::Array(list), _) => {
            let list: Vec<Value> = list.iter().map(|one| Value::Object(part_of(one))).collect();
            into.insert(name.clone(), list.into());
        }
        (one, Some(Value::Object(old))) => old.extend(part_of(one)),
        (one, _) => drop(into.insert(name.clone(), Value::Object(part_of(one)))),
    }
}

fn leave_out(members: &mut Map<String, Value>, path: &Path) {
    let Some(name) = key(members, &path.attribute).cloned() else { return };
    if ALWAYS.contains(&name.as_str()) {
        return;
    }
    let Some(part) = &path.part else {
        members.remove(&name);
        return;
    };
    let strip = |one: &mut Value| {
        if let Value::Object(parts) = one
            && let Some(part) = key(parts, part).cloned()
        {
            parts.remove(&part);
        }
    };
    match members.get_mut(&name) {
        Some(Value::Array(list)) => list.iter_mut().for_each(strip),
        Some(one) => strip(one),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shaped(query: &str) -> Value {
        let whole = json!({
            "schemas": ["u"], "id": "1", "userName": "a", "name": { "givenName": "A", "familyName": "B" },
            "emails": [{ "value": "a@x.example", "type": "work" }], ENTERPRISE: { "department": "d", "employeeNumber": "7" },
        });
        Shape::of_query(query).unwrap().apply(whole)
    }

    #[test]
    fn only_what_was_asked_for_is_shown_and_always_the_id() {
        assert_eq!(
            shaped("attributes=USERNAME,name.givenName,emails.value"),
            json!({
                "schemas": ["u"], "id": "1", "userName": "a", "name": { "givenName": "A" },
                "emails": [{ "value": "a@x.example" }],
            })
        );
        let both = shaped("attributes=name.givenName,name.familyName&attributes=noSuch");
        assert_eq!(both["name"], json!({ "givenName": "A", "familyName": "B" }));
        assert_eq!(
            shaped(&format!("attributes={ENTERPRISE}:department"))[ENTERPRISE],
            json!({ "department": "d" })
        );
    }

    #[test]
    fn what_is_excluded_is_gone_and_the_id_stays() {
        let rest = shaped(&format!("excludedAttributes=id,emails,name.givenName,{ENTERPRISE}"));
        assert_eq!(
            rest,
            json!({ "schemas": ["u"], "id": "1", "userName": "a", "name": { "familyName": "B" } })
        );
    }

    #[test]
    fn entra_asks_for_groups_without_their_members() {
        assert!(!Shape::of_query("excludedAttributes=members").unwrap().shows_members());
        assert!(!Shape::of_query("attributes=displayName").unwrap().shows_members());
        assert!(Shape::of_query("attributes=members").unwrap().shows_members());
        assert!(Shape::default().shows_members());
        assert!(Shape::of_query("attributes=a[").is_err());
    }
}
