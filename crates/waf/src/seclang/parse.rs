//! Words to directives.

use super::{
    Directive, DirectiveKind, LoadError, OperatorText, Pick, Place, RuleText,
    actions::{self, Wrong},
    lex, targets,
};
use std::{path::Path, sync::Arc};

/// A directive, or a file to read in its place.
pub(super) enum Parsed {
    Directive(Directive),
    Include(Place, String),
}

/// The directives of one text.
pub(super) fn parse(
    file: &Arc<str>,
    folder: Option<&Arc<Path>>,
    text: &str,
) -> Result<Vec<Parsed>, LoadError> {
    let lines = lex::lines(text).map_err(|line| {
        LoadError::at(
            &Place { file: file.clone(), line },
            "a quote does not close",
            "close it on the same directive",
        )
    })?;
    lines
        .into_iter()
        .map(|line| {
            let place = Place { file: file.clone(), line: line.number };
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            let wrong = |(what, mend): Wrong| LoadError::at(&place, what, mend);
            if let ["Include" | "include", path] = words.as_slice() {
                return Ok(Parsed::Include(place.clone(), (*path).to_owned()));
            }
            let kind = directive(&words).map_err(wrong)?;
            Ok(Parsed::Directive(Directive { place: place.clone(), folder: folder.cloned(), kind }))
        })
        .collect()
}

fn directive(words: &[&str]) -> Result<DirectiveKind, Wrong> {
    let (name, arguments) =
        words.split_first().ok_or_else(|| ("an empty line".to_owned(), "remove it".to_owned()))?;
    Ok(match (name.to_ascii_lowercase().as_str(), arguments) {
        ("secrule", [target, condition]) => rule(target, condition, "")?,
        ("secrule", [target, condition, acts]) => rule(target, condition, acts)?,
        ("secaction", [acts]) => DirectiveKind::Rule(RuleText {
            targets: Vec::new(),
            operator: None,
            actions: actions::parse(acts)?,
        }),
        ("secmarker", [marker]) => DirectiveKind::Marker((*marker).to_owned()),
        ("secdefaultaction", [acts]) => DirectiveKind::DefaultAction(actions::parse(acts)?),
        ("seccomponentsignature", [_]) => DirectiveKind::Signature,
        ("secruleremovebyid", [_, ..]) => {
            DirectiveKind::Remove(Pick::Ids(actions::ids(&arguments.join(" "))?))
        }
        ("secruleremovebytag", [tag]) => DirectiveKind::Remove(Pick::Tag((*tag).to_owned())),
        ("secruleremovebymsg", [message]) => DirectiveKind::Remove(Pick::Message((*message).to_owned())),
        ("secruleupdatetargetbyid", [id, target]) => {
            DirectiveKind::UpdateTarget(Pick::Ids(actions::ids(id)?), targets::parse(target)?)
        }
        ("secruleupdatetargetbytag", [tag, target]) => {
            DirectiveKind::UpdateTarget(Pick::Tag((*tag).to_owned()), targets::parse(target)?)
        }
        ("secruleupdatetargetbymsg", [message, target]) => {
            DirectiveKind::UpdateTarget(Pick::Message((*message).to_owned()), targets::parse(target)?)
        }
        ("secruleupdateactionbyid", [id, acts]) => {
            let id =
                id.parse().map_err(|_| (format!("`{id}` is not a rule id"), "write digits".to_owned()))?;
            DirectiveKind::UpdateAction(id, actions::parse(acts)?)
        }
        ("secruleengine" | "secrequestbodyaccess" | "secresponsebodyaccess", _) => {
            return Err((
                format!("`{name}` is not set by rules here"),
                "remove the line; mode and inspection are set per route in the `waf` section of the configuration"
                    .to_owned(),
            ));
        }
        (known, _) if ["secrule", "secaction", "secmarker", "secdefaultaction"].contains(&known) => {
            return Err((
                format!("`{name}` has {} words after it", arguments.len()),
                "put targets, operator and actions each in one pair of double quotes".to_owned(),
            ));
        }
        _ => {
            return Err((
                format!("the directive `{name}` is not one this engine does"),
                "remove the line; limits, logging and storage are set in the configuration".to_owned(),
            ));
        }
    })
}

fn rule(target: &str, condition: &str, acts: &str) -> Result<DirectiveKind, Wrong> {
    Ok(DirectiveKind::Rule(RuleText {
        targets: targets::parse(target)?,
        operator: Some(operator(condition)),
        actions: actions::parse(acts)?,
    }))
}

/// `!@rx ^a$`, or a bare pattern, which means `@rx`.
fn operator(text: &str) -> OperatorText {
    let text = text.trim_start();
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) if rest.trim_start().starts_with('@') => (true, rest.trim_start()),
        Some(rest) => {
            return OperatorText { negated: true, name: "rx".to_owned(), argument: rest.to_owned() };
        }
        None => (false, text),
    };
    match rest.strip_prefix('@') {
        Some(named) => {
            let end = named.find(char::is_whitespace).unwrap_or(named.len());
            let (name, argument) = named.split_at(end);
            OperatorText {
                negated,
                name: name.to_ascii_lowercase(),
                argument: argument.trim_start().to_owned(),
            }
        }
        None => OperatorText { negated, name: "rx".to_owned(), argument: rest.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_directive_is_an_error_that_names_file_line_and_mend() {
        let file: Arc<str> = "mine.conf".into();
        let trouble =
            parse(&file, None, "SecMarker A\nSecHashEngine On\n").map(|_| ()).unwrap_err().to_string();
        assert!(trouble.starts_with("mine.conf:2: the directive `SecHashEngine`"), "{trouble}");
        assert!(trouble.contains("remove the line"), "{trouble}");
    }

    #[test]
    fn a_bare_pattern_is_rx_and_a_bang_negates() {
        assert_eq!(operator("^a$").name, "rx");
        let found = operator("!@within a b");
        assert!(found.negated);
        assert_eq!((found.name.as_str(), found.argument.as_str()), ("within", "a b"));
        assert_eq!(operator("!^a").argument, "^a");
    }
}
