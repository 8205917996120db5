//! A rule's operator, ready to be asked.

use super::{Field, Names, Template, literals::Literals, pattern, prefilter::Gathering};
use crate::{
    operator::{AddressSet, ByteSet, PhraseSet},
    seclang::OperatorText,
};
use regex::bytes::Regex;
use std::path::Path;

/// What is asked of a value.
pub(crate) enum Condition {
    /// `unconditionalMatch`, and every `SecAction`
    Always,
    /// `noMatch`
    Never,
    Pattern(Regex),
    Phrases(PhraseSet),
    /// Numbers compared.
    Number(Relation, Template),
    /// Texts compared.
    Text(Comparison, Template),
    Bytes(ByteSet),
    Addresses(AddressSet),
    UrlEncoding,
    Utf8,
    SqlInjection,
    Script,
}

impl Condition {
    /// Whether the answer depends on the text alone and costs more than remembering it.
    pub(crate) fn is_pure(&self) -> bool {
        matches!(self, Self::Pattern(_) | Self::Phrases(_) | Self::SqlInjection | Self::Script)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    AtLeast,
    Above,
    AtMost,
    Below,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Contains,
    Begins,
    Ends,
    Within,
}

/// A condition with the literals a text must hold for it to be true.
pub(super) struct Built {
    pub(super) condition: Condition,
    pub(super) needs: Vec<Literals>,
    /// See [`super::Rule::of_form`].
    pub(super) of_form: bool,
}

/// Builds an operator; the error says what is wrong and the mend.
pub(super) fn build(
    text: &OperatorText,
    folder: Option<&Path>,
    names: &mut Names,
) -> Result<Built, (String, String)> {
    let argument = text.argument.as_str();
    let mut needs = Vec::new();
    let mut of_form = false;
    let number = |relation, names: &mut Names| {
        Template::parse(argument, names).map(|value| Condition::Number(relation, value))
    };
    let compare =
        |kind, names: &mut Names| Template::parse(argument, names).map(|value| Condition::Text(kind, value));
    let condition = match text.name.as_str() {
        "rx" => {
            let wrong = |what: String| {
                (
                    format!("the pattern is not understood: {what}"),
                    "mend the pattern; look-around and back-references do not exist here".to_owned(),
                )
            };
            needs = super::literals::clauses(&pattern::syntax(argument).map_err(wrong)?);
            Condition::Pattern(pattern::regex(argument).map_err(wrong)?)
        }
        "pm" | "pmfromfile" | "pmf" => {
            let bad = |trouble: crate::operator::OperatorError| {
                (trouble.to_string(), "write at least one phrase".to_owned())
            };
            let set = if text.name == "pm" {
                PhraseSet::parse(argument)
            } else {
                PhraseSet::parse_list(&data(argument, folder)?)
            }
            .map_err(bad)?;
            let literals: Literals = set.phrases().iter().map(|phrase| phrase.to_ascii_lowercase()).collect();
            if Gathering::is_useful(&literals) {
                needs.push(literals);
            }
            Condition::Phrases(set)
        }
        "eq" => number(Relation::Equal, names)?,
        "ge" => number(Relation::AtLeast, names)?,
        "gt" => number(Relation::Above, names)?,
        "le" => number(Relation::AtMost, names)?,
        "lt" => number(Relation::Below, names)?,
        "streq" => compare(Comparison::Equal, names)?,
        "contains" => compare(Comparison::Contains, names)?,
        "beginswith" => compare(Comparison::Begins, names)?,
        "endswith" => compare(Comparison::Ends, names)?,
        "within" => compare(Comparison::Within, names)?,
        "validatebyterange" => {
            let set = ByteSet::parse(argument)
                .map_err(|trouble| (trouble.to_string(), "write for example 9,10,13,32-126".to_owned()))?;
            // A range that ordinary text leaves judges meaning; one that it stays in judges form.
            let ordinary: Vec<u8> = [9, 10, 13].into_iter().chain(32..=126).chain(128..=255).collect();
            of_form = set.first_outside(&ordinary).is_none();
            Condition::Bytes(set)
        }
        "ipmatch" => Condition::Addresses(AddressSet::parse(argument).map_err(|trouble| {
            (trouble.to_string(), "write addresses and networks with commas".to_owned())
        })?),
        "validateurlencoding" => {
            of_form = true;
            Condition::UrlEncoding
        }
        "validateutf8encoding" => {
            of_form = true;
            Condition::Utf8
        }
        "detectsqli" => Condition::SqlInjection,
        "detectxss" => {
            // Without a tag and without an attribute's value there is nothing that could run.
            needs.push(crate::operator::SCRIPT_NEEDS.iter().map(|sign| vec![*sign]).collect());
            Condition::Script
        }
        "unconditionalmatch" => Condition::Always,
        "nomatch" => Condition::Never,
        other => {
            return Err((
                format!("the operator `@{other}` is not one this engine has"),
                "say it with @rx, @pm, @within or a comparison".to_owned(),
            ));
        }
    };
    if matches!(condition, Condition::Number(..)) {
        of_form = true;
    }
    if text.negated {
        needs.clear();
    }
    Ok(Built { condition, needs, of_form })
}

/// A data file beside the rules; it may not be looked for elsewhere.
fn data(name: &str, folder: Option<&Path>) -> Result<Vec<u8>, (String, String)> {
    let name = name.trim();
    let folder = folder.ok_or_else(|| {
        ("rules held in memory name no files".to_owned(), "use @pm with the phrases themselves".to_owned())
    })?;
    if name.contains("..") || Path::new(name).is_absolute() {
        return Err((
            format!("`{name}` is not beside the rules"),
            "put the file into the rules' folder".to_owned(),
        ));
    }
    std::fs::read(folder.join(name)).map_err(|trouble| {
        (
            match trouble.kind() {
                std::io::ErrorKind::NotFound => format!("there is no file `{name}`"),
                kind => format!("`{name}` could not be read ({kind})"),
            },
            "put the file beside the rules".to_owned(),
        )
    })
}

/// What a field is worth in a numeric comparison, if the template is one slot or a number.
pub(crate) fn simple(template: &Template) -> Option<Simple> {
    match template {
        Template::Fixed { number, bytes } => {
            Some(Simple::Number(number.unwrap_or_else(|| crate::operator::number(bytes))))
        }
        Template::Macro(Field { variable: crate::Variable::Tx, choice: super::Choice::Slot(slot) }) => {
            Some(Simple::Slot(*slot))
        }
        _ => None,
    }
}

/// A number at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Simple {
    Number(i64),
    Slot(u32),
}
