//! `normalizePath` and `normalizePathWin`: what a path means once `.` and `..` are followed.

use std::borrow::Cow;

/// Follows `.`, `..` and repeated slashes. `..` never climbs above the root of an absolute path and
/// stays in front of a relative one.
pub(super) fn normalize(value: &[u8]) -> Cow<'_, [u8]> {
    resolve(value, |byte| byte == b'/')
}

/// As [`normalize`], with backslashes as slashes.
pub(super) fn normalize_win(value: &[u8]) -> Cow<'_, [u8]> {
    resolve(value, |byte| byte == b'/' || byte == b'\\')
}

fn resolve(value: &[u8], slash: impl Fn(u8) -> bool + Copy) -> Cow<'_, [u8]> {
    let (Some(first), Some(last)) = (value.first(), value.last()) else { return Cow::Borrowed(value) };
    let mut path = Path { out: Vec::with_capacity(value.len()), relative: !slash(*first), at_root: false };
    let mut rest = value;
    loop {
        let end = rest.iter().position(|&byte| slash(byte)).unwrap_or(rest.len());
        let (segment, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        path.segment(segment);
        let Some((_, after)) = tail.split_first() else { break };
        path.slash();
        rest = after;
    }
    let mut out = path.out;
    if !slash(*last) && out.last() == Some(&b'/') {
        out.pop();
    }
    if out == value { Cow::Borrowed(value) } else { Cow::Owned(out) }
}

/// The path so far. ModSecurity works on bytes, not on names; where that shows (a name that ends in
/// `..` takes itself away) this does as ModSecurity does, because rules are written against it.
struct Path {
    out: Vec<u8>,
    relative: bool,
    /// A relative path has climbed as far as it can: further `..` stay.
    at_root: bool,
}

impl Path {
    fn segment(&mut self, segment: &[u8]) {
        match segment {
            [] | b"." => {}
            [head @ .., b'.'] if head.ends_with(b".") => self.back(segment, head),
            _ => {
                // A name that ends in a dot does not count as one to come back from.
                if !segment.ends_with(b".") && self.out.len() + segment.len() > 1 {
                    self.at_root = false;
                }
                self.out.extend_from_slice(segment);
            }
        }
    }

    fn back(&mut self, segment: &[u8], head: &[u8]) {
        let written = self.out.len() + head.len();
        if self.relative && (self.at_root || written <= 2) {
            self.at_root = true;
            self.out.extend_from_slice(segment);
            return;
        }
        self.out.extend_from_slice(head);
        // Back over the dots and the slash before them, to the slash before that.
        let keep = written
            .checked_sub(3)
            .and_then(|from| self.out.get(..=from))
            .and_then(|kept| kept.iter().rposition(|&byte| byte == b'/'));
        let keep = keep.unwrap_or(0);
        self.at_root |= keep == 0;
        self.out.truncate(keep);
    }

    fn slash(&mut self) {
        if self.out.last() != Some(&b'/') && !(self.relative && self.out.is_empty()) {
            self.out.push(b'/');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::tests::{holds, unchanged};

    #[test]
    fn dots_and_slashes_are_followed() {
        holds(
            normalize,
            &[
                (b"/a/./b/../c", b"/a/c"),
                (b"a//b/", b"a/b/"),
                (b"/../../etc/passwd", b"/etc/passwd"),
                (b"a/../../b", b"../b"),
                (b"./a", b"a"),
                (b"/a/b/..", b"/a"),
                (b"//", b"/"),
                (b"/..", b""),
                (b"./", b""),
                (b"/foo/bar../baz", b"/foo/baz"),
            ],
        );
        unchanged(normalize, &[b"", b"/", b"/a/b", b"a../b", b"../a", b"..", b"\\a\\..\\b"]);
    }

    #[test]
    fn backslashes_are_slashes_on_windows() {
        holds(normalize_win, &[(b"\\a\\..\\b", b"/b"), (b"a\\b/c", b"a/b/c"), (b"/a\\/b", b"/a/b")]);
    }
}
