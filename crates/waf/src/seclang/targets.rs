//! Targets: `REQUEST_COOKIES|!REQUEST_COOKIES:/__utm/|ARGS`.

use super::{Selector, Target, TargetKind};
use crate::Variable;

/// The targets of a rule; the error says what is wrong and the mend.
pub(super) fn parse(text: &str) -> Result<Vec<Target>, (String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (kind, after) = match rest.as_bytes().first() {
            Some(b'!') => (TargetKind::Exclude, rest.get(1..).unwrap_or_default()),
            Some(b'&') => (TargetKind::Count, rest.get(1..).unwrap_or_default()),
            _ => (TargetKind::Include, rest),
        };
        let end = after.find(['|', ':', ',']).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let variable = Variable::named(name).ok_or_else(|| {
            (
                format!("`{name}` is not a variable this engine has"),
                format!("take it out, or write one of {}", Variable::all_names()),
            )
        })?;
        let (selector, after) = match after.strip_prefix(':') {
            Some(selector) => selection(variable, selector)?,
            None => (Selector::All, after),
        };
        if selector != Selector::All && !variable.is_collection() {
            return Err((
                format!("`{name}` is one value and takes no selector"),
                format!("write `{name}` alone"),
            ));
        }
        found.push(Target { kind, variable, selector });
        rest = after.strip_prefix(['|', ',']).unwrap_or(after).trim_start();
    }
    if found.is_empty() {
        return Err(("no target".to_owned(), "name at least one variable".to_owned()));
    }
    Ok(found)
}

/// What stands after the colon, and what follows it.
fn selection(variable: Variable, text: &str) -> Result<(Selector, &str), (String, String)> {
    if variable == Variable::Xml {
        let end = text.find('|').unwrap_or(text.len());
        let (path, rest) = text.split_at(end);
        return match path {
            "/*" | "//@*" => Ok((Selector::Name(path.to_owned()), rest)),
            _ => Err((
                format!("the path `{path}` is not one this engine walks"),
                "use `XML:/*` for all text or `XML://@*` for all attributes".to_owned(),
            )),
        };
    }
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    if let Some(pattern) = body.strip_prefix('/') {
        let mut escaped = false;
        for (at, letter) in pattern.char_indices() {
            match letter {
                '\\' if !escaped => escaped = true,
                '/' if !escaped => {
                    let (pattern, rest) = pattern.split_at(at);
                    let rest = rest.strip_prefix('/').unwrap_or(rest);
                    let rest = if quoted { rest.strip_prefix('\'').unwrap_or(rest) } else { rest };
                    return Ok((Selector::Pattern(pattern.replace("\\/", "/")), rest));
                }
                _ => escaped = false,
            }
        }
        return Err(("a pattern over names does not end".to_owned(), "close it with `/`".to_owned()));
    }
    let stop = if quoted { body.find('\'') } else { body.find(['|', ',']) };
    let (name, rest) = body.split_at(stop.unwrap_or(body.len()));
    let rest = if quoted { rest.strip_prefix('\'').unwrap_or(rest) } else { rest };
    if name.is_empty() {
        return Err(("a selector is empty".to_owned(), "name a member or leave the colon out".to_owned()));
    }
    Ok((Selector::Name(name.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_names_and_patterns_are_told_apart() {
        let found = parse("&ARGS|!ARGS:/^a|b$/|REQUEST_HEADERS:'X-A'|XML://@*|TX:0").unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(found[0].kind, TargetKind::Count);
        assert_eq!(found[1].kind, TargetKind::Exclude);
        assert_eq!(found[1].selector, Selector::Pattern("^a|b$".to_owned()));
        assert_eq!(found[2].selector, Selector::Name("X-A".to_owned()));
        assert_eq!(found[3].selector, Selector::Name("//@*".to_owned()));
        assert_eq!(found[4].variable, Variable::Tx);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(parse("ARGS|WEATHER").is_err());
        assert!(parse("XML:/a/b").is_err());
        assert!(parse("REQUEST_METHOD:x").is_err());
        assert!(parse("ARGS:/open").is_err());
    }
}
