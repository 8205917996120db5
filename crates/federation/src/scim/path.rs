//! Where an attribute is: `userName`, `name.givenName`, `emails[type eq "work"].value`, each with or
//! without the URN of its schema in front (RFC 7644, section 3.10 and figure 7).

use std::str::FromStr;

use super::filter::Reader;
use super::schema::{ENTERPRISE, GROUP, USER};
use super::{Filter, ScimError, ScimType};

/// The longest path, in bytes, its filter included: a chain of comparisons is a tree as deep as it is long, and
/// is weighed against each value of a list. Directories write one or two comparisons.
const MAX_LENGTH: usize = 512;

/// A path to an attribute, to a part of it, or to some of its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// Whether it begins in the enterprise extension.
    pub(crate) extension: bool,
    /// The attribute; empty for the extension as a whole.
    pub(crate) attribute: String,
    /// Which of its values.
    pub(crate) filter: Option<Filter>,
    /// Which part.
    pub(crate) part: Option<String>,
}

impl FromStr for Path {
    type Err = ScimError;

    fn from_str(text: &str) -> Result<Self, ScimError> {
        let refuse = || ScimError::bad(ScimType::InvalidPath, "a path cannot be read");
        if text.len() > MAX_LENGTH {
            return Err(ScimError::bad(ScimType::InvalidPath, "a path is too long"));
        }
        let (extension, rest) = split_urn(text.trim());
        if extension && rest.is_empty() {
            return Ok(Self { extension, attribute: String::new(), filter: None, part: None });
        }
        let (attribute, filter, part) = match rest.split_once('[') {
            Some((attribute, after)) => {
                let mut reader = Reader::new(after);
                let filter = reader.filter_until_bracket().map_err(|_| refuse())?;
                let part = match reader.rest() {
                    "" => None,
                    after => Some(after.strip_prefix('.').ok_or_else(refuse)?),
                };
                (attribute, Some(filter), part)
            }
            None => match rest.split_once('.') {
                Some((attribute, part)) => (attribute, None, Some(part)),
                None => (rest, None, None),
            },
        };
        let named = |name: &str| is_name(name).then(|| name.to_owned()).ok_or_else(refuse);
        Ok(Self { extension, attribute: named(attribute)?, filter, part: part.map(named).transpose()? })
    }
}

/// Takes the URN of a schema off the front. Both `urn:..:User:department` and `urn:..:User.department`
/// are said.
pub(crate) fn split_urn(text: &str) -> (bool, &str) {
    for (urn, extension) in [(ENTERPRISE, true), (USER, false), (GROUP, false)] {
        if let (Some(head), Some(rest)) = (text.get(..urn.len()), text.get(urn.len()..))
            && head.eq_ignore_ascii_case(urn)
        {
            return (extension, rest.trim_start_matches([':', '.']));
        }
    }
    (false, text)
}

pub(crate) fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
    !text.is_empty() && text.len() <= 100 && plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_is_read() {
        let read = |text: &str| text.parse::<Path>().unwrap();
        assert_eq!(read("userName").attribute, "userName");
        assert_eq!(read("name.givenName").part.as_deref(), Some("givenName"));
        let work = read("emails[type eq \"work\"].value");
        assert!(work.filter.is_some() && work.part.as_deref() == Some("value"));
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert!(read(urn).extension && read(urn).attribute.is_empty());
        for manager in [format!("{urn}:manager"), format!("{urn}.manager"), format!("{urn}:manager.value")] {
            assert!(read(&manager).extension && read(&manager).attribute == "manager", "{manager}");
        }
        assert_eq!(read("URN:ietf:params:scim:schemas:core:2.0:user:userName").attribute, "userName");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = format!("emails[{}type pr]", "type pr or ".repeat(50));
        for bad in
            [&long, "", ".", "a.b.c d", "emails[", "emails[type eq]", "emails[type eq \"x\"]value", "a b"]
        {
            assert_eq!(bad.parse::<Path>().unwrap_err().kind, Some(ScimType::InvalidPath), "{bad}");
        }
    }
}
