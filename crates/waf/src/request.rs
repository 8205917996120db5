//! The head of a request, decoded into what rules call it, as ModSecurity 3 decodes it.

use memchr::memchr;

use crate::transform::{Transformation, apply, has_broken_escape};
use crate::value::{Head, Pair, Request};

/// Decodes the head of a request. Never fails: what is malformed is handed on for rules to see.
#[must_use]
pub fn head(request: &Request<'_>) -> Head {
    // A fragment is not for us; rules see it in the raw target.
    let target = until(request.target, b'#');
    let filename = percent_decoded(until(target, b'?'));
    let query = after(target, b'?').unwrap_or_default();
    // An absolute target that reached us is an odd one: nothing is cut from it but its query.
    let basename = match filename.iter().rposition(|byte| matches!(byte, b'/' | b'\\')) {
        Some(at) => filename.get(at + 1..).unwrap_or_default().to_vec(),
        None => Vec::new(),
    };
    let args = pairs(query);
    let cookies = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
    Head {
        line: [request.method, request.target, request.protocol].join(&b' '),
        uri: without_origin(&percent_decoded(target)).to_vec(),
        basename,
        query: query.to_vec(),
        cookies: cookies.flat_map(|(_, value)| self::cookies(value)).collect(),
        urlencoded_error: has_broken_escape(query),
        filename,
        args,
    }
}

/// The pairs of a query or of a form, decoded: `a=1&b`. A pair without a name and without a value is
/// a pair all the same, as it is to ModSecurity.
pub(crate) fn pairs(text: &[u8]) -> Vec<Pair> {
    if text.is_empty() {
        return Vec::new();
    }
    let decoded = |part: &[u8]| apply(Transformation::UrlDecode, part).into_owned();
    let mut rest = Some(text.strip_suffix(b"&").unwrap_or(text));
    std::iter::from_fn(|| {
        let whole = rest?;
        rest = after(whole, b'&');
        let pair = until(whole, b'&');
        Some(Pair::new(decoded(until(pair, b'=')), decoded(after(pair, b'=').unwrap_or_default())))
    })
    .collect()
}

/// The cookies of one `Cookie` header: split at `;`, names without white space before them, values as
/// sent. What has no name is passed over.
fn cookies(header: &[u8]) -> impl Iterator<Item = Pair> {
    let end = header.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    header.get(..end).unwrap_or_default().split(|&byte| byte == b';').filter_map(|cookie| {
        let (name, value) = (until(cookie, b'='), after(cookie, b'=').unwrap_or_default());
        let start = name.iter().position(|&byte| !is_space(byte))?;
        Some(Pair::new(name.get(start..)?, value))
    })
}

/// White space as C has it: what `u8::is_ascii_whitespace` has, and the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn until(text: &[u8], sign: u8) -> &[u8] {
    memchr(sign, text).and_then(|at| text.get(..at)).unwrap_or(text)
}

fn after(text: &[u8], sign: u8) -> Option<&[u8]> {
    memchr(sign, text).and_then(|at| text.get(at + 1..))
}

/// `%XX` decoded; a plus sign is a plus sign in a path.
fn percent_decoded(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    for (at, part) in target.split(|&byte| byte == b'+').enumerate() {
        if at > 0 {
            out.push(b'+');
        }
        out.extend_from_slice(&apply(Transformation::UrlDecode, part));
    }
    out
}

/// A target in absolute form without scheme and host.
fn without_origin(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let host = after(target, b':').and_then(|rest| rest.strip_prefix(b"//"));
    let path = host.and_then(|host| memchr(b'/', host).and_then(|at| host.get(at..)));
    path.unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn seen(target: &[u8], headers: &[(&[u8], &[u8])]) -> Head {
        let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
        head(&Request { remote, method: b"GET", target, protocol: b"HTTP/1.1", headers, body: b"" })
    }

    #[test]
    fn a_target_falls_into_its_parts() {
        let head = seen(b"/a/b%2fc.php;x?q=%41+1&&b&=c&d=e=f", &[]);
        assert_eq!(head.line, b"GET /a/b%2fc.php;x?q=%41+1&&b&=c&d=e=f HTTP/1.1");
        assert_eq!(head.uri, b"/a/b/c.php;x?q=A+1&&b&=c&d=e=f");
        assert_eq!(head.filename, b"/a/b/c.php;x");
        assert_eq!(head.basename, b"c.php;x");
        assert_eq!(head.query, b"q=%41+1&&b&=c&d=e=f");
        let pair = |name: &str, value: &str| Pair::new(name, value);
        assert_eq!(
            head.args,
            [pair("q", "A 1"), pair("", ""), pair("b", ""), pair("", "c"), pair("d", "e=f")]
        );
        assert!(!head.urlencoded_error);
        assert!(seen(b"/?a=%zz", &[]).urlencoded_error);
    }

    #[test]
    fn odd_targets_are_read_as_they_are() {
        let head = seen(b"http://h.example/p?q#f", &[]);
        assert_eq!(
            (&head.uri[..], &head.filename[..], &head.basename[..]),
            (&b"/p?q"[..], &b"http://h.example/p"[..], &b"p"[..])
        );
        let head = seen(b"/x%3fy=1?z", &[]);
        assert_eq!((&head.filename[..], &head.query[..]), (&b"/x?y=1"[..], &b"z"[..]));
        assert_eq!(seen(b"/dir/", &[]).basename, b"");
        assert_eq!(seen(b"*", &[]).uri, b"*");
        assert_eq!(seen(b"/a+b", &[]).filename, b"/a+b");
        assert_eq!(seen(b"/?", &[]).args, []);
    }

    #[test]
    fn cookies_keep_their_values_as_sent() {
        let head = seen(b"/", &[(b"COOKIE", b"a=b; c = d ;=x;;e;  f=g=h "), (b"cookie", b"z=%41")]);
        let pair = |name: &str, value: &str| Pair::new(name, value);
        assert_eq!(
            head.cookies,
            [pair("a", "b"), pair("c ", " d "), pair("e", ""), pair("f", "g=h"), pair("z", "%41")]
        );
    }

    proptest! {
        #[test]
        fn nothing_upsets_the_reading(target in prop::collection::vec(any::<u8>(), 0..80), cookie in prop::collection::vec(any::<u8>(), 0..40)) {
            let head = seen(&target, &[(b"Cookie", &cookie)]);
            prop_assert!(head.args.len() <= target.len());
            prop_assert!(head.filename.len() <= target.len());
        }

        #[test]
        fn plain_pairs_come_back(names in prop::collection::vec("[a-z]{1,5}", 1..6)) {
            let text = names.iter().map(|name| format!("{name}={name}")).collect::<Vec<_>>().join("&");
            let read = pairs(text.as_bytes());
            prop_assert_eq!(read, names.iter().map(|name| Pair::new(name.as_str(), name.as_str())).collect::<Vec<_>>());
        }
    }
}
