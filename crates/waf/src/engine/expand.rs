//! Macros filled in.

use super::{Run, values::Name};
use crate::{
    Variable,
    compile::{Choice, Field, Part, Template},
};
use std::borrow::Cow;

/// Longest text a template may become.
const LONGEST: usize = 64 << 10;

impl Run<'_> {
    /// A template with its macros filled in; what does not exist is empty.
    pub(super) fn expanded<'a>(&'a self, template: &'a Template) -> Cow<'a, [u8]> {
        match template {
            Template::Fixed { bytes, .. } => Cow::Borrowed(bytes),
            Template::Macro(field) => self.macro_value(field),
            Template::Parts(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    match part {
                        Part::Text(text) => out.extend_from_slice(text),
                        Part::Macro(field) => out.extend_from_slice(&self.macro_value(field)),
                    }
                }
                out.truncate(LONGEST);
                Cow::Owned(out)
            }
        }
    }

    fn macro_value(&self, field: &Field) -> Cow<'_, [u8]> {
        match field.variable {
            Variable::Tx => match &field.choice {
                Choice::Slot(slot) => self.tx.get(*slot).map(super::TxValue::as_bytes).unwrap_or_default(),
                _ => Cow::default(),
            },
            Variable::MatchedVar | Variable::MatchedVars => {
                self.matched.last().map(|last| Cow::Borrowed(self.texts.bytes(last.text))).unwrap_or_default()
            }
            Variable::MatchedVarName | Variable::MatchedVarsNames => {
                self.matched.last().map(|last| Cow::Owned(self.full_name(last))).unwrap_or_default()
            }
            variable => {
                let named = |name: Name<'_>| match name {
                    Name::Of(name) => field.takes(name),
                    Name::None | Name::Kept(_) => matches!(field.choice, Choice::All),
                };
                self.values
                    .of(variable)
                    .iter()
                    .find(|value| named(value.name))
                    .map(|value| Cow::Borrowed(self.texts.bytes(value.text)))
                    .unwrap_or_default()
            }
        }
    }
}
