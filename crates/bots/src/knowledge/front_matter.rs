//! The lines between `---` at the head of a document: `title: ..` and `url: ..`. Other keys are what
//! other programs wrote there; they are named in a warning and mean nothing here.

use crate::folder::File;
use crate::report::{Finding, Position, meant};

use super::urls;

/// What a document says about itself.
#[derive(Debug, Default)]
pub(crate) struct FrontMatter {
    pub(crate) title: Option<String>,
    pub(crate) url: Option<String>,
}

/// Takes the front matter off a file's text.
pub(crate) fn take<'f>(file: &'f File, findings: &mut Vec<Finding>) -> (FrontMatter, &'f str) {
    let mut matter = FrontMatter::default();
    let text = file.text.as_str();
    let Some(rest) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else {
        return (matter, text);
    };
    let mut offset = text.len() - rest.len();
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        offset += line.len();
        let line = line.trim_end();
        let position = Position { line: number + 2, column: 1 };
        if line == "---" {
            return (matter, text.get(offset..).unwrap_or_default());
        }
        let Some((key, value)) = line.split_once(':') else {
            if !line.trim().is_empty() && !line.starts_with([' ', '#', '-']) {
                let what = "a line of the front matter that is not `key: value`";
                let mend = "write `title: ..` or `url: ..`, and end the front matter with `---`";
                findings.push(Finding::error(&file.path, what, mend).at(position));
                return (matter, text);
            }
            continue;
        };
        let value = unquote(value.trim());
        match key {
            "title" if !value.is_empty() => matter.title = Some(value.to_owned()),
            "url" => match urls::checked(value) {
                Ok(()) => matter.url = Some(value.to_owned()),
                Err(mend) => {
                    let what = "`url` is not an address that can be cited";
                    findings.push(Finding::error(&file.path, what, mend).at(position));
                }
            },
            _ if key.starts_with([' ', '#']) => {}
            _ => {
                let what = format!("the front matter's `{key}` means nothing here");
                let mend = meant(key, &["title", "url"]);
                findings.push(Finding::warning(&file.path, what, mend).at(position));
            }
        }
    }
    // A page may begin with a thematic break; then it has no second one, and no front matter.
    (FrontMatter::default(), text)
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_from(text: &str) -> (Option<String>, Option<String>, String, Vec<Finding>) {
        let file = File { path: "a.md".into(), text: text.into() };
        let mut findings = Vec::new();
        let (matter, body) = take(&file, &mut findings);
        (matter.title, matter.url, body.to_owned(), findings)
    }

    #[test]
    fn title_and_url_are_taken_off() {
        let (title, url, body, findings) = take_from("---\ntitle: \"A: b\"\nurl: /docs/a\n---\n# Hello\n");
        assert_eq!(title.as_deref(), Some("A: b"));
        assert_eq!(url.as_deref(), Some("/docs/a"));
        assert_eq!((body.as_str(), findings.len()), ("# Hello\n", 0));
    }

    #[test]
    fn foreign_keys_are_named_and_a_script_address_is_refused() {
        let (_, url, _, findings) = take_from("---\ntags:\n  - x\nurl: javascript:alert(1)\n---\n");
        assert_eq!(url, None);
        let whats: Vec<_> = findings.iter().map(|f| f.to_string()).collect();
        assert!(whats[0].starts_with("warning: a.md:2:1: the front matter's `tags`"), "{whats:?}");
        assert!(whats[1].starts_with("error: a.md:4:1: `url`"), "{whats:?}");
    }

    #[test]
    fn a_thematic_break_is_not_front_matter() {
        let (title, _, body, findings) = take_from("---\n\ntitle: x\n");
        assert_eq!((title, body.as_str(), findings.len()), (None, "---\n\ntitle: x\n", 0));
    }
}
