//! What a PATCH does to a resource (RFC 7644, section 3.5.2), in every dialect that directories speak.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::path::Path;
use super::resource::{clean, clean_one, is_ours};
use super::schema::{self, Attribute, ENTERPRISE, Kind};
use super::{Resource, ScimError, ScimType};

/// The most operations of one request.
const MAX_OPERATIONS: usize = 1_000;

/// The body of a PATCH.
#[derive(Debug, Clone, Deserialize)]
pub struct Patch {
    #[serde(rename = "Operations", alias = "operations")]
    operations: Vec<Operation>,
}

#[derive(Clone, Deserialize)]
struct Operation {
    op: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    value: Option<Value>,
}

/// Values are people's names and addresses.
impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Operation({})", self.op)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

impl Patch {
    /// Reads the body.
    ///
    /// # Errors
    /// When it is no list of operations, or has too many.
    pub fn of_body(body: &[u8]) -> Result<Self, ScimError> {
        let refuse = |why: &str| ScimError::bad(ScimType::InvalidSyntax, why);
        let patch: Self = serde_json::from_slice(body)
            .map_err(|_| refuse("the body is no list of `Operations`, each with `op`, `path` and `value`"))?;
        match patch.operations.len() {
            0 => Err(refuse("there is no operation")),
            more if more > MAX_OPERATIONS => Err(refuse("there are too many operations")),
            _ => Ok(patch),
        }
    }
}

/// The resource after all operations; if one cannot be done, none is.
///
/// # Errors
/// When an operation or its path cannot be read, a value has the wrong type, it would change what nobody
/// may change, or what is required would be missing.
pub fn apply(resource: &Resource, patch: &Patch) -> Result<Resource, ScimError> {
    let kind = resource.kind();
    let mut members = resource.members().clone();
    for operation in &patch.operations {
        let op = match operation.op.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "replace" => Op::Replace,
            "remove" => Op::Remove,
            _ => return Err(ScimError::bad(ScimType::InvalidSyntax, "`op` is none of add, replace, remove")),
        };
        let path = operation.path.as_deref().map(str::trim).filter(|path| !path.is_empty());
        match (path, &operation.value) {
            (Some(path), value) => at(kind, &mut members, op, &path.parse()?, value.as_ref())?,
            (None, Some(Value::Object(said))) if op != Op::Remove => whole(kind, &mut members, op, said)?,
            (None, _) if op == Op::Remove => {
                return Err(ScimError::bad(ScimType::NoTarget, "`remove` needs a `path`"));
            }
            (None, _) => {
                return Err(ScimError::bad(ScimType::InvalidValue, "without `path` the value is an object"));
            }
        }
    }
    Resource::of_members(kind, members)
}

/// An operation without a path: each name of the value is a path of its own, dotted or not.
fn whole(
    kind: Kind,
    members: &mut Map<String, Value>,
    op: Op,
    said: &Map<String, Value>,
) -> Result<(), ScimError> {
    for (name, value) in said {
        if name.eq_ignore_ascii_case("schemas") || is_ours(name) {
            continue;
        }
        at(kind, members, op, &name.parse()?, Some(value))?;
    }
    Ok(())
}

/// One operation at one path.
fn at(
    kind: Kind,
    members: &mut Map<String, Value>,
    op: Op,
    path: &Path,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    if path.extension {
        let Some((_, attributes)) = kind.extension() else { return Ok(()) };
        if path.attribute.is_empty() {
            return extension(members, op, value, attributes);
        }
        let Some(attribute) = schema::find(attributes, &path.attribute) else { return Ok(()) };
        let holder = members.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(holder) = holder else { return Ok(()) };
        return change(holder, attribute, op, path, value);
    }
    if is_ours(&path.attribute) {
        return Err(ScimError::bad(ScimType::Mutability, format!("`{}` cannot be set", path.attribute)));
    }
    // What we do not keep is passed over, so that a directory that sends it goes on with the rest.
    let Some(attribute) = kind.find(&path.attribute) else { return Ok(()) };
    change(members, attribute, op, path, value)
}

fn extension(
    members: &mut Map<String, Value>,
    op: Op,
    value: Option<&Value>,
    attributes: &'static [Attribute],
) -> Result<(), ScimError> {
    if op == Op::Remove {
        members.remove(ENTERPRISE);
        return Ok(());
    }
    let Some(Value::Object(said)) = value else {
        return Err(ScimError::bad(ScimType::InvalidValue, "the value of an extension is an object"));
    };
    let holder = members.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(holder) = holder else { return Ok(()) };
    for (name, value) in said {
        if let Some(attribute) = schema::find(attributes, name) {
            let path = Path { extension: true, attribute: name.clone(), filter: None, part: None };
            change(holder, attribute, op, &path, Some(value))?;
        }
    }
    Ok(())
}

/// Changes one attribute of a holder.
fn change(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    op: Op,
    path: &Path,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    if attribute.read_only {
        return Err(ScimError::bad(ScimType::Mutability, format!("`{}` cannot be set", attribute.name)));
    }
    let part = match &path.part {
        None => None,
        Some(part) => match schema::find(attribute.parts(), part) {
            Some(part) => Some(part),
            None => return Ok(()),
        },
    };
    let value = value.unwrap_or(&Value::Null);
    if attribute.many {
        change_many(holder, attribute, op, path, part, value)
    } else if let Some(part) = part {
        change_part(holder, attribute, op, part, value)
    } else {
        change_one(holder, attribute, op, value)
    }
}

fn change_one(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    op: Op,
    value: &Value,
) -> Result<(), ScimError> {
    let kept = if op == Op::Remove { None } else { clean(attribute, value)? };
    match kept {
        None => {
            holder.remove(attribute.name);
        }
        // Parts that are not named stay (section 3.5.2.3).
        Some(Value::Object(new)) => match holder.get_mut(attribute.name) {
            Some(Value::Object(old)) => old.extend(new),
            _ => {
                holder.insert(attribute.name.to_owned(), Value::Object(new));
            }
        },
        Some(new) => {
            holder.insert(attribute.name.to_owned(), new);
        }
    }
    Ok(())
}

fn change_part(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    op: Op,
    part: &'static Attribute,
    value: &Value,
) -> Result<(), ScimError> {
    if part.read_only {
        return Err(ScimError::bad(ScimType::Mutability, format!("`{}` cannot be set", part.name)));
    }
    let kept = if op == Op::Remove { None } else { clean(part, value)? };
    let whole = holder.entry(attribute.name).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(whole) = whole {
        match kept {
            Some(kept) => whole.insert(part.name.to_owned(), kept),
            None => whole.remove(part.name),
        };
        if whole.is_empty() {
            holder.remove(attribute.name);
        }
    }
    Ok(())
}

/// Changes an attribute that has many values.
fn change_many(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    op: Op,
    path: &Path,
    part: Option<&'static Attribute>,
    value: &Value,
) -> Result<(), ScimError> {
    let mut list = match holder.remove(attribute.name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let chosen =
        |one: &Value| path.filter.as_ref().is_none_or(|filter| filter.matches_value(attribute.parts(), one));
    match (op, part) {
        (Op::Remove, Some(part)) => {
            for one in list.iter_mut().filter(|one| chosen(one)) {
                if let Value::Object(one) = one {
                    one.remove(part.name);
                }
            }
            list.retain(|one| one.as_object().is_some_and(|one| !one.is_empty()));
        }
        // Entra names the members to remove in the value.
        (Op::Remove, None) => match clean(attribute, value)? {
            Some(Value::Array(gone)) if path.filter.is_none() => {
                let places = places_of(&gone);
                list.retain(|one| place_of(&places, &gone, one).is_none());
            }
            _ => list.retain(|one| !chosen(one)),
        },
        (_, Some(part)) => {
            let kept = clean(part, value)?;
            let mut found = false;
            for one in list.iter_mut().filter(|one| chosen(one)) {
                found = true;
                if let Value::Object(one) = one {
                    match &kept {
                        Some(kept) => one.insert(part.name.to_owned(), kept.clone()),
                        None => one.remove(part.name),
                    };
                }
            }
            // Entra replaces `emails[type eq "work"].value` where there is none yet, and means: make it.
            if !found && let Some(kept) = kept {
                let mut new = Map::new();
                if let Some((name, text)) = path.filter.as_ref().and_then(|filter| filter.as_equality())
                    && let Some(told) = schema::find(attribute.parts(), name)
                    && let Some(told_value) = clean_one(told, &Value::String(text.to_owned()))?
                {
                    new.insert(told.name.to_owned(), told_value);
                }
                new.insert(part.name.to_owned(), kept);
                list.push(Value::Object(new));
            }
        }
        (_, None) => {
            let Some(Value::Array(new)) = clean(attribute, value)? else {
                if op == Op::Replace && path.filter.is_none() {
                    list.clear();
                }
                return put_back(holder, attribute, list);
            };
            if op == Op::Replace && path.filter.is_none() {
                list.clear();
            } else if op == Op::Replace {
                list.retain(|one| !chosen(one));
            }
            add(&mut list, new);
        }
    }
    put_back(holder, attribute, list)
}

fn put_back(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    mut list: Vec<Value>,
) -> Result<(), ScimError> {
    // One value is the primary one: the last that was said to be (section 2.4 of RFC 7643).
    if let Some(last) = list.iter().rposition(|one| one["primary"] == true) {
        for (at, one) in list.iter_mut().enumerate() {
            if at != last && one["primary"] == true {
                one["primary"] = Value::Bool(false);
            }
        }
    }
    if !list.is_empty() {
        // Once more through the bounds on the number of values.
        if let Some(list) = clean(attribute, &Value::Array(list))? {
            holder.insert(attribute.name.to_owned(), list);
        }
    }
    Ok(())
}

/// Adds values that are not there yet; one that is there is made what the new one says.
fn add(list: &mut Vec<Value>, new: Vec<Value>) {
    let mut places = places_of(list);
    for one in new {
        match place_of(&places, list, &one).and_then(|at| list.get_mut(at)) {
            Some(Value::Object(old)) => {
                if let Value::Object(one) = one {
                    old.extend(one);
                }
            }
            Some(_) => {}
            None => {
                if let Some(text) = text_of(&one) {
                    places.entry(text.to_owned()).or_default().push(list.len());
                }
                list.push(one);
            }
        }
    }
}

/// Where in a list which `value` is: groups have thousands of members, and each is looked for.
type Places = HashMap<String, Vec<usize>>;

fn text_of(one: &Value) -> Option<&str> {
    one.get("value")?.as_str()
}

fn places_of(list: &[Value]) -> Places {
    let mut places = Places::new();
    for (at, one) in list.iter().enumerate() {
        if let Some(text) = text_of(one) {
            places.entry(text.to_owned()).or_default().push(at);
        }
    }
    places
}

/// The place of what means the same.
fn place_of(places: &Places, list: &[Value], one: &Value) -> Option<usize> {
    let is_same = |at: &usize| list.get(*at).is_some_and(|other| same(other, one));
    match text_of(one) {
        Some(text) => places.get(text)?.iter().copied().find(is_same),
        None => (0..list.len()).find(is_same),
    }
}

/// Whether two values mean the same: their `value` (or all of them) and their `type`, if both say one.
fn same(a: &Value, b: &Value) -> bool {
    match (a.get("value"), b.get("value")) {
        (Some(x), Some(y)) => {
            let kinds = a.get("type").zip(b.get("type"));
            x == y && kinds.is_none_or(|(x, y)| x == y)
        }
        _ => a == b,
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
