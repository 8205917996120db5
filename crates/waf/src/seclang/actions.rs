//! Actions: `id:1,phase:2,t:none,setvar:'tx.score=+5'`.

use super::{Action, Allow, Change, ControlText, EngineMode, Pick, SetVarText};
use crate::{Processor, Transformation};

/// What is wrong, and the mend.
pub(super) type Wrong = (String, String);

/// The actions of a rule, in order.
pub(super) fn parse(text: &str) -> Result<Vec<Action>, Wrong> {
    split(text).into_iter().map(|(name, value)| action(&name, value.as_deref())).collect()
}

/// `name` or `name:value`, cut at commas outside single quotes.
fn split(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while letters.peek().is_some() {
        let mut name = String::new();
        let mut value: Option<String> = None;
        let mut quoted = false;
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if quoted && letters.peek() == Some(&'\'') => {
                    if let (Some(value), Some(quote)) = (value.as_mut(), letters.next()) {
                        value.push(quote);
                    }
                }
                '\'' => quoted = !quoted,
                ',' if !quoted => break,
                ':' if value.is_none() => value = Some(String::new()),
                other => value.as_mut().unwrap_or(&mut name).push(other),
            }
        }
        let name = name.trim().to_owned();
        if !name.is_empty() {
            found.push((name, value));
        }
    }
    found
}

fn action(name: &str, value: Option<&str>) -> Result<Action, Wrong> {
    let needed = || {
        value.map(str::trim).filter(|value| !value.is_empty()).ok_or_else(|| {
            (format!("`{name}` says nothing"), format!("write `{name}:` and what it shall be"))
        })
    };
    Ok(match name.to_ascii_lowercase().as_str() {
        "id" => Action::Id(number(name, needed()?)?),
        "phase" => Action::Phase(phase(needed()?)?),
        "msg" => Action::Message(value.unwrap_or_default().to_owned()),
        "logdata" => Action::LogData(value.unwrap_or_default().to_owned()),
        "severity" => Action::Severity(severity(needed()?)?),
        "tag" => Action::Tag(needed()?.to_owned()),
        "ver" | "rev" | "maturity" | "accuracy" => Action::Version,
        "t" => match needed()? {
            none if none.eq_ignore_ascii_case("none") => Action::NoTransformation,
            kind => Action::Transform(Transformation::named(kind).ok_or_else(|| {
                (
                    format!("`t:{kind}` is not a transformation this engine has"),
                    "leave it out or use a known one".to_owned(),
                )
            })?),
        },
        "pass" => Action::Pass,
        "block" => Action::Block,
        "deny" | "drop" => Action::Deny,
        "allow" => Action::Allow(match value.map(str::trim) {
            None => Allow::Transaction,
            Some("phase") => Allow::Phase,
            Some("request") => Allow::Request,
            Some(other) => {
                return Err((
                    format!("`allow:{other}` is unknown"),
                    "write allow, allow:phase or allow:request".to_owned(),
                ));
            }
        }),
        "status" => {
            Action::Status(needed()?.parse().ok().filter(|code| (400..=599).contains(code)).ok_or_else(
                || ("a refusal's status is 400 to 599".to_owned(), "write for example status:403".to_owned()),
            )?)
        }
        "log" => Action::Log,
        "nolog" => Action::NoLog,
        "auditlog" | "noauditlog" => Action::Audit,
        "capture" => Action::Capture,
        "multimatch" => Action::MultiMatch,
        "chain" => Action::Chain,
        "skip" => Action::Skip(number(name, needed()?)?),
        "skipafter" => Action::SkipAfter(needed()?.to_owned()),
        "setvar" => Action::SetVar(set_var(needed()?)?),
        "initcol" => Action::InitCollection,
        "ctl" => Action::Control(control(needed()?)?),
        _ => {
            return Err((
                format!("the action `{name}` is not one this engine does"),
                "leave it out, or say the same with setvar, ctl, skipAfter, pass or deny".to_owned(),
            ));
        }
    })
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, Wrong> {
    text.parse().map_err(|_| {
        (format!("`{name}` wants a whole number, not `{text}`"), format!("write `{name}:` and digits"))
    })
}

fn phase(text: &str) -> Result<u8, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "1" => Ok(1),
        "2" | "request" => Ok(2),
        "3" => Ok(3),
        "4" | "response" => Ok(4),
        "5" | "logging" => Ok(5),
        _ => Err((
            format!("phase `{text}` does not exist"),
            "write 1 to 5, request, response or logging".to_owned(),
        )),
    }
}

fn severity(text: &str) -> Result<u8, Wrong> {
    let names = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
    names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .or_else(|| text.parse::<usize>().ok().filter(|level| *level < names.len()))
        .and_then(|level| u8::try_from(level).ok())
        .ok_or_else(|| {
            (
                format!("severity `{text}` does not exist"),
                "write CRITICAL, ERROR, WARNING, NOTICE..".to_owned(),
            )
        })
}

fn set_var(text: &str) -> Result<SetVarText, Wrong> {
    let (whole, value) = match text.split_once('=') {
        Some((whole, value)) => (whole, Some(value)),
        None => (text, None),
    };
    let (unset, whole) = match whole.strip_prefix('!') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    let name = match whole.split_once('.') {
        Some((collection, name)) if collection.trim().eq_ignore_ascii_case("tx") => name.trim(),
        _ => {
            return Err((
                format!("`setvar:{whole}` writes outside of TX"),
                "write `setvar:tx.NAME=VALUE`; nothing is kept beyond one request".to_owned(),
            ));
        }
    };
    let (change, value) = match (unset, value) {
        (true, _) => (Change::Unset, ""),
        (false, None) => (Change::Set, "1"),
        (false, Some(value)) => match value.as_bytes().first() {
            Some(b'+') => (Change::Add, value.get(1..).unwrap_or_default()),
            Some(b'-') => (Change::Subtract, value.get(1..).unwrap_or_default()),
            _ => (Change::Set, value),
        },
    };
    Ok(SetVarText { name: name.to_owned(), change, value: value.to_owned() })
}

fn control(text: &str) -> Result<ControlText, Wrong> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim();
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "ruleremovebyid" => ControlText::Remove(Pick::Ids(ids(value)?)),
        "ruleremovebytag" => ControlText::Remove(Pick::Tag(value.to_owned())),
        "ruleremovebymsg" => ControlText::Remove(Pick::Message(value.to_owned())),
        "ruleremovetargetbyid" => remove_target(value, |pick| Ok(Pick::Ids(ids(pick)?)))?,
        "ruleremovetargetbytag" => remove_target(value, |pick| Ok(Pick::Tag(pick.to_owned())))?,
        "ruleremovetargetbymsg" => remove_target(value, |pick| Ok(Pick::Message(pick.to_owned())))?,
        "requestbodyprocessor" => {
            ControlText::RequestBodyProcessor(match value.to_ascii_uppercase().as_str() {
                "URLENCODED" => Processor::Urlencoded,
                "MULTIPART" => Processor::Multipart,
                "JSON" => Processor::Json,
                "XML" => Processor::Xml,
                _ => {
                    return Err((
                        format!("there is no body reader `{value}`"),
                        "write URLENCODED, MULTIPART, JSON or XML".to_owned(),
                    ));
                }
            })
        }
        "forcerequestbodyvariable" | "requestbodyaccess" => ControlText::ForceRequestBody,
        "auditengine" | "auditlogparts" | "debugloglevel" => ControlText::Audit,
        "ruleengine" => ControlText::Engine(match value.to_ascii_lowercase().as_str() {
            "on" => EngineMode::On,
            "off" => EngineMode::Off,
            "detectiononly" => EngineMode::Observe,
            _ => {
                return Err((
                    format!("`ruleEngine={value}` is unknown"),
                    "write On, Off or DetectionOnly".to_owned(),
                ));
            }
        }),
        other => {
            return Err((format!("`ctl:{other}` is not one this engine does"), "leave it out".to_owned()));
        }
    })
}

fn remove_target(text: &str, pick: impl Fn(&str) -> Result<Pick, Wrong>) -> Result<ControlText, Wrong> {
    let (rules, target) = text.split_once(';').ok_or_else(|| {
        ("it names no target".to_owned(), "write RULES;TARGET, for example 942100;ARGS:note".to_owned())
    })?;
    Ok(ControlText::RemoveTarget(pick(rules)?, super::target(target)?))
}

/// `1-5,7 9`: ids and ranges of ids.
pub(super) fn ids(text: &str) -> Result<Vec<std::ops::RangeInclusive<u32>>, Wrong> {
    text.split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('-') {
            Some((from, to)) => Ok(number("id", from)?..=number("id", to)?),
            None => number("id", part).map(|id| id..=id),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_shield_commas_and_colons() {
        let found =
            parse("id:7,msg:'a, b: it\\'s',t:none,t:lowercase,setvar:'tx.a_%{tx.0}=+%{tx.b}',pass").unwrap();
        assert_eq!(found[0], Action::Id(7));
        assert_eq!(found[1], Action::Message("a, b: it's".to_owned()));
        assert_eq!(
            found[4],
            Action::SetVar(SetVarText {
                name: "a_%{tx.0}".into(),
                change: Change::Add,
                value: "%{tx.b}".into()
            })
        );
    }

    #[test]
    fn what_it_does_not_do_it_refuses() {
        for text in ["exec:/bin/ls", "t:rot13", "ctl:hashEngine=On", "setvar:ip.x=1", "phase:6", "status:200"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
