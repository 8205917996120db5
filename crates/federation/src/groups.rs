//! The groups that a provider says somebody is in. The three ways of saying nothing are kept apart,
//! because roles hang on the difference: nothing said is not the same as "in no group", and neither is
//! a list that was cut off.

use serde_json::Value;

/// What was said about somebody's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// Nothing. What follows is the connection's choice.
    Unsaid,
    /// These, and no others; none at all, too.
    Said(Vec<String>),
    /// More than fit: the provider says where to ask instead (`_claim_names`, as Entra does past 150 to
    /// 200 groups), or there are more than [`Groups::MAX`]. Roles cannot be told from a part of a list.
    TooMany,
    /// Something that is no list of names.
    Unreadable,
}

impl Groups {
    /// The most groups of one person.
    pub const MAX: usize = 500;
    /// The most bytes of a group's name.
    pub const MAX_NAME: usize = 512;

    /// Reads a claim; `elsewhere` is the claim `_claim_names`, which tells what was left out.
    pub fn of_claim(name: &str, claim: Option<&Value>, elsewhere: Option<&Value>) -> Self {
        if elsewhere.and_then(|names| names.get(name)).is_some() {
            return Self::TooMany;
        }
        match claim {
            None | Some(Value::Null) => Self::Unsaid,
            Some(Value::String(one)) => Self::of_names([one.as_str()]),
            Some(Value::Array(list)) => {
                let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                names.map_or(Self::Unreadable, Self::of_names)
            }
            Some(_) => Self::Unreadable,
        }
    }

    /// Reads the values of an attribute that was there.
    pub fn of_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut said = Vec::new();
        for name in names {
            if said.len() == Self::MAX {
                return Self::TooMany;
            }
            if name.is_empty() || name.len() > Self::MAX_NAME {
                return Self::Unreadable;
            }
            said.push(name.to_owned());
        }
        Self::Said(said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unsaid_none_and_too_many_are_three_things() {
        let of = |claim: Option<Value>| Groups::of_claim("groups", claim.as_ref(), None);
        assert_eq!(of(None), Groups::Unsaid);
        assert_eq!(of(Some(json!([]))), Groups::Said(vec![]));
        assert_eq!(of(Some(json!(["a", "b"]))), Groups::Said(vec!["a".into(), "b".into()]));
        assert_eq!(of(Some(json!("a"))), Groups::Said(vec!["a".into()]));
        assert_eq!(of(Some(json!(["a", 7]))), Groups::Unreadable);
        assert_eq!(of(Some(json!({"a": 1}))), Groups::Unreadable);
        assert_eq!(of(Some(json!([""]))), Groups::Unreadable);
        assert_eq!(of(Some(json!(vec!["a"; 501]))), Groups::TooMany);
        let overage = json!({"groups": "src1"});
        assert_eq!(Groups::of_claim("groups", None, Some(&overage)), Groups::TooMany);
        assert_eq!(Groups::of_claim("groups", Some(&json!([])), Some(&overage)), Groups::TooMany);
        assert_eq!(Groups::of_claim("roles", None, Some(&overage)), Groups::Unsaid);
    }
}
