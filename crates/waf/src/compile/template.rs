//! Texts with macros: `/%{tx.0}/`.

use super::{Field, Names};
use crate::{Variable, seclang::Selector};
use std::sync::Arc;

/// A text in which `%{..}` stands for a value of the request.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// No macro at all.
    Fixed { bytes: Arc<[u8]>, number: Option<i64> },
    /// Nothing but one macro.
    Macro(Field),
    /// Parts.
    Parts(Box<[Part]>),
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Box<[u8]>),
    Macro(Field),
}

impl Template {
    /// Reads a text; the error says which macro is unknown.
    pub(super) fn parse(text: &str, names: &mut Names) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            let (before, from) = rest.split_at(at);
            let Some((name, after)) = from.strip_prefix("%{").and_then(|body| body.split_once('}')) else {
                break;
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.as_bytes().into()));
            }
            parts.push(Part::Macro(field(name, names)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().into()));
        }
        Ok(match (parts.pop(), parts.is_empty()) {
            (None, _) => Self::fixed(""),
            (Some(Part::Text(bytes)), true) => Self::fixed(&String::from_utf8_lossy(&bytes)),
            (Some(Part::Macro(field)), true) => Self::Macro(field),
            (Some(last), false) => {
                parts.push(last);
                Self::Parts(parts.into())
            }
        })
    }

    fn fixed(text: &str) -> Self {
        Self::Fixed { bytes: text.as_bytes().into(), number: whole_number(text.as_bytes()) }
    }
}

/// A number written as it would be printed, so that it may be kept as a number.
pub(crate) fn whole_number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

fn field(text: &str, names: &mut Names) -> Result<Field, (String, String)> {
    let (name, member) = match text.split_once(['.', ':']) {
        Some((name, member)) => (name, Some(member)),
        None => (text, None),
    };
    let variable = Variable::named(name.trim()).ok_or_else(|| {
        (format!("the macro `%{{{text}}}` names no variable this engine has"), "leave it out".to_owned())
    })?;
    let selector = member.map_or(Selector::All, |member| Selector::Name(member.trim().to_owned()));
    Field::new(variable, &selector, names).map_err(|what| (what, "mend the macro".to_owned()))
}
