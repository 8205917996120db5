//! A filter: read into a tree of bounded depth, weighed against a resource (RFC 7644, section 3.4.2.2).

use std::cmp::Ordering;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::path::{is_name, split_urn};
use super::schema::{self, Attribute, ENTERPRISE, Kind};
use super::{ScimError, ScimType};

/// The deepest nesting of brackets and negations.
const MAX_DEPTH: u8 = 16;
/// The longest filter, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// A filter over resources, or over the values of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// `emails[type eq "work"]`
    Within(Name, Box<Node>),
    Present(Name),
    Compare(Name, Comparison, Value),
}

/// An attribute as a filter names it.
#[derive(Debug, Clone, PartialEq)]
struct Name {
    extension: bool,
    attribute: String,
    part: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Contains,
    Begins,
    Ends,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl FromStr for Filter {
    type Err = ScimError;

    fn from_str(text: &str) -> Result<Self, ScimError> {
        let mut reader = Reader::new(text);
        if text.len() > MAX_LENGTH {
            return Err(reader.refuse("is too long"));
        }
        let node = reader.any(0)?;
        reader.space();
        if reader.rest.is_empty() {
            Ok(Self(node))
        } else {
            Err(reader.refuse("has something after its end"))
        }
    }
}

impl Filter {
    /// Whether a resource of this kind matches.
    pub fn matches(&self, kind: Kind, resource: &Map<String, Value>) -> bool {
        self.0.weigh(&Scope::Resource(kind), resource)
    }

    /// Whether one value of an attribute matches, for `emails[type eq "work"]`.
    pub(crate) fn matches_value(&self, parts: &'static [Attribute], value: &Value) -> bool {
        match value {
            Value::Object(members) => self.0.weigh(&Scope::Value(parts), members),
            _ => false,
        }
    }

    /// Every `attribute eq "text"` that a resource must satisfy to match: what an index can look for before
    /// the rest is weighed. Entra asks `id eq "G" and members eq "U"`.
    pub fn equalities(&self) -> Vec<(&str, &str)> {
        fn gather<'n>(node: &'n Node, into: &mut Vec<(&'n str, &'n str)>) {
            match node {
                Node::And(a, b) => {
                    gather(a, into);
                    gather(b, into);
                }
                Node::Compare(name, Comparison::Equal, Value::String(text))
                    if name.part.is_none() && !name.extension =>
                {
                    into.push((&name.attribute, text));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        gather(&self.0, &mut found);
        found
    }

    /// `(attribute, text)` when the filter is exactly `attribute eq "text"`.
    pub(crate) fn as_equality(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Node::Compare(name, Comparison::Equal, Value::String(text))
                if name.part.is_none() && !name.extension =>
            {
                Some((&name.attribute, text))
            }
            _ => None,
        }
    }
}

/// What names mean here.
enum Scope {
    Resource(Kind),
    Value(&'static [Attribute]),
}

impl Scope {
    fn find(&self, name: &Name) -> Option<&'static Attribute> {
        match self {
            Self::Resource(kind) if name.extension => schema::find(kind.extension()?.1, &name.attribute),
            Self::Resource(kind) => kind.find(&name.attribute),
            Self::Value(parts) => schema::find(parts, &name.attribute),
        }
    }
}

impl Node {
    fn weigh(&self, scope: &Scope, members: &Map<String, Value>) -> bool {
        match self {
            Self::And(a, b) => a.weigh(scope, members) && b.weigh(scope, members),
            Self::Or(a, b) => a.weigh(scope, members) || b.weigh(scope, members),
            Self::Not(a) => !a.weigh(scope, members),
            Self::Within(name, inner) => {
                let Some(attribute) = scope.find(name) else { return false };
                let scope = Scope::Value(attribute.parts());
                values(name, attribute, members)
                    .iter()
                    .any(|value| value.as_object().is_some_and(|members| inner.weigh(&scope, members)))
            }
            Self::Present(name) => {
                let Some(attribute) = scope.find(name) else { return false };
                leaves(name, attribute, members).iter().any(|(_, value)| is_present(value))
            }
            Self::Compare(name, comparison, wanted) => {
                let Some(attribute) = scope.find(name) else { return *comparison == Comparison::NotEqual };
                let found = leaves(name, attribute, members);
                match comparison {
                    Comparison::NotEqual => {
                        !found.iter().any(|(exact, value)| compare(value, Comparison::Equal, wanted, *exact))
                    }
                    other => found.iter().any(|(exact, value)| compare(value, *other, wanted, *exact)),
                }
            }
        }
    }
}

/// The values that an attribute has: each of a list, or the one.
fn values<'v>(name: &Name, attribute: &Attribute, members: &'v Map<String, Value>) -> Vec<&'v Value> {
    let holder =
        if name.extension { members.get(ENTERPRISE).and_then(Value::as_object) } else { Some(members) };
    match holder.and_then(|holder| holder.get(attribute.name)) {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    }
}

/// The simple values that a name leads to, each with whether its case counts. Of an attribute with parts
/// and no part named it is the part `value`.
fn leaves<'v>(
    name: &Name,
    attribute: &'static Attribute,
    members: &'v Map<String, Value>,
) -> Vec<(bool, &'v Value)> {
    let found = values(name, attribute, members);
    if attribute.parts().is_empty() {
        return found.into_iter().map(|value| (attribute.exact, value)).collect();
    }
    let Some(part) = &name.part else {
        // For `pr`: an object that is there is present.
        let value = |whole: &'v Value| whole.get("value").unwrap_or(whole);
        return found.into_iter().map(|whole| (false, value(whole))).collect();
    };
    let Some(part) = schema::find(attribute.parts(), part) else { return Vec::new() };
    found.into_iter().filter_map(|whole| Some((part.exact, whole.get(part.name)?))).collect()
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

fn compare(found: &Value, how: Comparison, wanted: &Value, exact: bool) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) if exact => compare_text(found, how, wanted),
        (Value::String(found), Value::String(wanted)) => {
            compare_text(&found.to_lowercase(), how, &wanted.to_lowercase())
        }
        // Some directories put truth values into quotation marks.
        (Value::Bool(found), Value::String(wanted)) if how == Comparison::Equal => {
            wanted.eq_ignore_ascii_case(if *found { "true" } else { "false" })
        }
        (found, wanted) => how == Comparison::Equal && found == wanted,
    }
}

fn compare_text(found: &str, how: Comparison, wanted: &str) -> bool {
    let order = found.cmp(wanted);
    match how {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Contains => found.contains(wanted),
        Comparison::Begins => found.starts_with(wanted),
        Comparison::Ends => found.ends_with(wanted),
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
    }
}

/// Reads a filter from the front of a text.
pub(crate) struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// The filter up to the `]` that ends it.
    pub(crate) fn filter_until_bracket(&mut self) -> Result<Filter, ScimError> {
        let node = self.any(1)?;
        if self.take("]") { Ok(Filter(node)) } else { Err(self.refuse("has no `]`")) }
    }

    /// What was not read.
    pub(crate) fn rest(&self) -> &'t str {
        self.rest
    }

    fn refuse(&self, why: &str) -> ScimError {
        ScimError::bad(ScimType::InvalidFilter, format!("the filter {why}"))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, mark: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word in whatever case, when it stands here as a whole word.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let Some((head, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        let ends = rest.is_empty() || rest.starts_with([' ', '(', ')', ']', '\t']);
        let is = head.eq_ignore_ascii_case(word) && ends;
        if is {
            self.rest = rest;
        }
        is
    }

    /// `or` binds weaker than `and` (RFC 7644, section 3.4.2.2).
    fn any(&mut self, depth: u8) -> Result<Node, ScimError> {
        let mut node = self.all(depth)?;
        while self.word("or") {
            node = Node::Or(Box::new(node), Box::new(self.all(depth)?));
        }
        Ok(node)
    }

    fn all(&mut self, depth: u8) -> Result<Node, ScimError> {
        let mut node = self.one(depth)?;
        while self.word("and") {
            node = Node::And(Box::new(node), Box::new(self.one(depth)?));
        }
        Ok(node)
    }

    fn one(&mut self, depth: u8) -> Result<Node, ScimError> {
        if depth > MAX_DEPTH {
            return Err(self.refuse("is nested too deeply"));
        }
        if self.word("not") {
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let node = self.any(depth + 1)?;
            return if self.take(")") { Ok(node) } else { Err(self.refuse("has no `)`")) };
        }
        let name = self.name()?;
        if self.rest.starts_with('[') {
            self.rest = self.rest.get(1..).unwrap_or_default();
            let inner = self.any(depth + 1)?;
            return match self.take("]") {
                true => Ok(Node::Within(name, Box::new(inner))),
                false => Err(self.refuse("has no `]`")),
            };
        }
        if self.word("pr") {
            return Ok(Node::Present(name));
        }
        const WORDS: [(&str, Comparison); 9] = [
            ("eq", Comparison::Equal),
            ("ne", Comparison::NotEqual),
            ("co", Comparison::Contains),
            ("sw", Comparison::Begins),
            ("ew", Comparison::Ends),
            ("gt", Comparison::Greater),
            ("ge", Comparison::GreaterOrEqual),
            ("lt", Comparison::Less),
            ("le", Comparison::LessOrEqual),
        ];
        for (word, comparison) in WORDS {
            if self.word(word) {
                return Ok(Node::Compare(name, comparison, self.value()?));
            }
        }
        Err(self.refuse("compares with none of eq, ne, co, sw, ew, gt, ge, lt, le, pr"))
    }

    fn name(&mut self) -> Result<Name, ScimError> {
        self.space();
        let (extension, rest) = split_urn(self.rest);
        let end = rest.find([' ', '[', ']', '(', ')', '\t']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let (attribute, part) = match name.split_once('.') {
            Some((attribute, part)) => (attribute, Some(part)),
            None => (name, None),
        };
        if !is_name(attribute) || !part.is_none_or(is_name) {
            return Err(self.refuse("names no attribute where one should be"));
        }
        self.rest = rest;
        Ok(Name { extension, attribute: attribute.to_owned(), part: part.map(str::to_owned) })
    }

    /// A JSON string, number, truth value or null.
    fn value(&mut self) -> Result<Value, ScimError> {
        self.space();
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) if !value.is_object() && !value.is_array() => value,
            _ => return self.bare(),
        };
        let end = values.byte_offset();
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(value)
    }

    /// `True` and `False`, which some directories write like that.
    fn bare(&mut self) -> Result<Value, ScimError> {
        for (word, truth) in [("true", true), ("false", false)] {
            if self.word(word) {
                return Ok(Value::Bool(truth));
            }
        }
        Err(self.refuse("compares with no value; texts stand in quotation marks"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(filter: &str) -> bool {
        let user = json!({
            "id": "Ab1", "userName": "Alice@Example.org", "active": true, "displayName": "",
            "name": { "givenName": "Alice" },
            "emails": [{ "value": "a@work.example", "type": "work" }, { "value": "b@home.example", "type": "home" }],
            ENTERPRISE: { "department": "Cards" },
        });
        filter.parse::<Filter>().unwrap().matches(Kind::User, user.as_object().unwrap())
    }

    #[test]
    fn each_comparison_weighs_as_the_rfc_says() {
        for yes in [
            "userName eq \"alice@example.ORG\"",
            "USERNAME sw \"ALICE\"",
            "userName co \"@\"",
            "userName ew \".org\"",
            "userName ne \"bob\"",
            "userName gt \"a\" and userName le \"b\"",
            "name.givenName pr",
            "active eq true",
            "active eq True",
            "active eq \"true\"",
            "emails pr",
            "emails eq \"a@work.example\"",
            "emails.type eq \"home\"",
            "emails[type eq \"work\" and value co \"@work\"]",
            "not (userName eq \"bob\")",
            "userName eq \"x\" or userName eq \"y\" or id eq \"Ab1\"",
            "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"a\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"cards\"",
            "noSuch ne \"x\"",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in [
            "userName eq \"alice\"",
            "id eq \"ab1\"",
            "displayName pr",
            "title pr",
            "active eq false",
            "emails[type eq \"work\" and value co \"@home\"]",
            "not (active eq true)",
            "userName eq \"x\" and id eq \"Ab1\"",
            "noSuch eq \"x\"",
        ] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(matches("id eq \"Ab1\" or id eq \"x\" and id eq \"y\""));
        assert!(!matches("(id eq \"Ab1\" or id eq \"x\") and id eq \"y\""));
    }

    #[test]
    fn the_question_that_directories_ask_all_day_is_recognised() {
        let asked: Filter = "userName eq \"alice\"".parse().unwrap();
        assert_eq!(asked.as_equality(), Some(("userName", "alice")));
        assert_eq!("userName sw \"a\"".parse::<Filter>().unwrap().as_equality(), None);
        let both: Filter = "id eq \"g\" and members eq \"u\"".parse().unwrap();
        assert_eq!(both.equalities(), [("id", "g"), ("members", "u")]);
        let either: Filter = "id eq \"g\" or id eq \"u\"".parse().unwrap();
        assert!(either.equalities().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_nothing_is_nested_without_end() {
        let deep = format!("{}id pr{}", "(".repeat(5000), ")".repeat(5000));
        let nots = format!("{}id pr", "not ".repeat(5000));
        for bad in [
            "",
            "id",
            "id eq",
            "id eq x",
            "id is \"x\"",
            "id eq \"x\" and",
            "(id pr",
            "id pr)",
            "emails[type eq \"w\"",
            "id eq {}",
            "1 eq 1 2",
            &deep,
            &nots,
        ] {
            assert_eq!(bad.parse::<Filter>().unwrap_err().kind, Some(ScimType::InvalidFilter), "{bad:.40}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_filter_makes_the_reader_fall(text in "[a-z\\[\\]() .\"eq:0-9]{0,60}") {
            let _ = text.parse::<Filter>();
        }
    }
}
