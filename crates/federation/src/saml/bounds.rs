//! A look at a text before the parser takes it: how many attributes its tags have, and how many namespaces
//! are in scope.
//!
//! The parser compares each attribute of a tag with every other, copies what is in scope to each element that
//! declares something, and sets no limit to either: a message that declares thousands of namespaces costs the
//! square of its length, and whoever can begin a login can post one. This look is linear. It judges nothing
//! else: where the text is not well-formed it may count wrongly, and the parser refuses.

use super::refusal::Refusal;

/// The most attributes of one tag, declarations among them. Genuine ones stay under 15.
const ATTRIBUTES: usize = 64;
/// The most declarations that one element sees, its own and those around it, each time that one is repeated.
const IN_SCOPE: usize = 64;

/// Holds a text against the bounds. It has no comments, instructions, CDATA sections or document type, so
/// each `<` outside of a value begins a tag.
pub(crate) fn check(text: &str) -> Result<(), Refusal> {
    // Of each element that is open, how many declarations it sees.
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let tag = Tag::read(after);
        rest = tag.after;
        if tag.closes {
            open.pop();
            continue;
        }
        if tag.attributes > ATTRIBUTES {
            return Err(Refusal::Attributes);
        }
        let in_scope = open.last().copied().unwrap_or(0) + tag.declarations;
        if in_scope > IN_SCOPE {
            return Err(Refusal::Namespaces);
        }
        if !tag.empty {
            open.push(in_scope);
        }
    }
    Ok(())
}

/// A tag, counted.
struct Tag<'a> {
    closes: bool,
    empty: bool,
    attributes: usize,
    declarations: usize,
    /// What stands behind it.
    after: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads a tag from behind its `<`.
    fn read(text: &'a str) -> Self {
        let closes = text.starts_with('/');
        let mut tag = Self { closes, empty: false, attributes: 0, declarations: 0, after: "" };
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\'', '>']) {
            let (before, from) = rest.split_at(at);
            let mut marks = from.chars();
            let mark = marks.next();
            rest = marks.as_str();
            let Some(quote) = mark.filter(|mark| *mark != '>') else {
                tag.empty = before.ends_with('/');
                tag.after = rest;
                return tag;
            };
            tag.attributes += 1;
            tag.declarations += usize::from(name(before).starts_with("xmlns"));
            rest = rest.split_once(quote).map_or("", |(_, behind)| behind);
        }
        tag
    }
}

/// The name of the attribute whose value follows.
fn name(before: &str) -> &str {
    let blank = [' ', '\t', '\r', '\n'];
    let named = before.trim_end_matches(blank).trim_end_matches('=').trim_end_matches(blank);
    named.rsplit(blank).next().unwrap_or_default()
}
