//! What the firewall must bear: any request, any rules, any body, any value. A target panics when something
//! does not hold.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use waf::{BodyLimits, Inspector, Policy, Processor, Request, Response, Rules, Source, Transformation};

/// A target's name, what it does, and inputs to begin with.
pub(crate) type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All of them.
pub(crate) const ALL: [Target; 5] = [
    ("request", request, &REQUESTS),
    ("seclang", seclang, &RULES),
    ("body", body, &BODIES),
    ("transformation", transformation, &VALUES),
    ("operator", operator, &VALUES),
];

/// What inputs are made richer with.
pub(crate) const PIECES: [&[u8]; 40] = [
    b"'",
    b"\"",
    b"<",
    b">",
    b"%",
    b"%u0027",
    b"%27",
    b"&#x3c;",
    b"\\u003c",
    b"\\x3c",
    b"\0",
    b"\xff",
    b"\r\n",
    b"\r\n\r\n",
    b"--b",
    b"--b--\r\n",
    b"{",
    b"}",
    b"[",
    b"],",
    b":",
    b"=",
    b"&",
    b"; ",
    b"union select",
    b"<script>",
    b"javascript:",
    b"../",
    b"$(id)",
    b"/etc/passwd",
    b"<![CDATA[",
    b"<!ENTITY",
    b"SecRule ARGS \"@rx a\" \"id:1\"\n",
    b"chain",
    b"t:urlDecodeUni,",
    b"setvar:tx.a=+1,",
    b"%{TX.0}",
    b"Content-Type: application/json\r\n",
    b"(a+)+",
    b"@pm x y",
];

const REQUESTS: [&[u8]; 4] = [
    b"POST /m?a=1%27 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n{\"a\":[\"<script>\",{\"b\":1}]}",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.php\"\r\n\r\nx\r\n--b--\r\n",
    b"POST /a/../b HTTP/1.1\r\nHost: x\r\nCookie: a=b; c=%3cscript%3e\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=1&b=%u0027+or+1%3d1--&c=;cat+/etc/passwd",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n\r\n<a b=\"c\"><![CDATA[x]]>&lt;</a>",
];
const RULES: [&[u8]; 3] = [
    b"SecRule ARGS|!ARGS:a|REQUEST_HEADERS:/^x/ \"@rx (?i)a(b|c)+\" \\\n \"id:1,phase:2,deny,t:none,t:lowercase,capture,setvar:tx.a=+%{TX.b},chain\"\n SecRule &TX:/a/ \"@gt 0\" \"t:length\"\n",
    b"SecDefaultAction \"phase:1,log,pass\"\nSecMarker END\nSecAction \"id:2,phase:1,nolog,skipAfter:Z,ctl:ruleRemoveTargetById=1;ARGS:x\"\nSecMarker Z\n",
    b"SecRule REQUEST_URI \"@pm a |62| c\" \"id:3,phase:1,block,msg:'x',logdata:'%{MATCHED_VAR}',tag:'t',severity:2\"\nSecRuleRemoveById 3\nSecRuleUpdateTargetById 1 !ARGS:b\n",
];
const BODIES: [&[u8]; 4] = [
    b"\x01a=1&b=%41+c&&=",
    b"\x02--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nbytes\r\n--b--\r\n",
    b"\x03{\"a\":{\"b\":[1,true,null,\"\\u00e9\\ud83d\\ude00\"]},\"c\":-1.5e3}",
    b"\x04<?xml version=\"1.0\"?><a b='c'>d<e/>&amp;<![CDATA[f]]><!-- g --></a>",
];
const VALUES: [&[u8]; 4] = [
    b"%3cScript%3e alert(1) // \\x41 &#65; YWJj 414243",
    b"1' or '1'='1'/* c */ union--\n select #",
    b" \t a\xc2\xa0b\xe2\x82\xac \0 %u0041%zz+",
    b"/a/./b//../c\\d;c^at \"x\"",
];

/// Steps for each byte of a request, at most; what one more argument costs is within it.
const STEPS_A_BYTE: u64 = 2_000;

/// The most steps that an inspection took for one byte of its request.
pub(crate) static MOST_STEPS: AtomicU64 = AtomicU64::new(0);

/// The built-in rules, and those of a folder if the environment names one, at every level.
#[expect(clippy::panic, reason = "a target ends at once when it has nothing to run")]
static INSPECTOR: LazyLock<Inspector> = LazyLock::new(|| {
    let folder = std::env::var_os("WARDROOM_FUZZ_RULES");
    // Rules that would refuse go on, so that those behind them are met as well.
    let policy = if folder.is_some() { Policy::observe(4) } else { Policy::block(1) };
    let more = folder.map(|at| Source::Folder(at.into()));
    let sources: Vec<Source> = [Some(Source::BuiltIn), more].into_iter().flatten().collect();
    let rules = match Rules::load(&sources) {
        Ok(rules) => rules,
        Err(refused) => panic!("{refused}"),
    };
    let conversation_text = vec!["json.text".to_owned()];
    rules.under(Policy { conversation_text, ..policy })
});

/// Bytes as a request: a line, fields, an empty line and a body.
pub(crate) fn request(data: &[u8]) {
    let end = find(data, b"\r\n\r\n").unwrap_or(data.len());
    let (head, body) = (&data[..end], data.get(end + 4..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next().unwrap_or_default().splitn(3, |byte| *byte == b' ');
    let mut word = || words.next().unwrap_or_default();
    let (method, target, protocol) = (word(), word(), word());
    let headers: Vec<(&[u8], &[u8])> = lines
        .map(|line| match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], line[at + 1..].trim_ascii()),
            None => (line, &b""[..]),
        })
        .collect();
    let asked = Request { headers: &headers, ..plain(method, target, protocol, body) };
    let (verdict, carried) = INSPECTOR.inspect_request(&asked);
    let again = INSPECTOR.inspect(&asked);
    assert_eq!(verdict.decision, again.decision, "a verdict depends on the request alone");
    let rules = |verdict: &waf::Verdict| verdict.matches.iter().map(|found| found.rule).collect::<Vec<_>>();
    assert_eq!(rules(&verdict), rules(&again));
    let size = data.len() as u64 + 200;
    let bound = STEPS_A_BYTE * size;
    assert!(verdict.effort.steps <= bound, "{} steps for {} bytes", verdict.effort.steps, data.len());
    MOST_STEPS.fetch_max(verdict.effort.steps / size, Ordering::Relaxed);
    let answered = Response { status: 200, protocol: b"HTTP/1.1", headers: &headers, body };
    let withheld = INSPECTOR.inspect_response(carried, &asked, &answered);
    assert!(withheld.effort.steps <= 2 * bound, "{} steps with the answer", withheld.effort.steps);
}

/// Bytes as rules; what loads is run.
pub(crate) fn seclang(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source::Text { name: "fuzz.conf".into(), text: text.into() };
    match Rules::load(&[source]) {
        Err(refused) => assert!(!refused.to_string().is_empty()),
        Ok(rules) => {
            let asked = plain(b"GET", b"/a?a=abcb&x=1", b"HTTP/1.1", b"");
            let verdict = rules.inspect(&asked, &Policy::block(4));
            assert_eq!(verdict.decision, rules.inspect(&asked, &Policy::block(4)).decision);
        }
    }
}

/// Bytes as a body, the first of which chooses its reader.
pub(crate) fn body(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (processor, kind): (_, &[u8]) = match first % 5 {
        0 => (Processor::None, b"text/plain"),
        1 => (Processor::Urlencoded, b"application/x-www-form-urlencoded"),
        2 => (Processor::Multipart, b"multipart/form-data; boundary=b"),
        3 => (Processor::Json, b"application/json"),
        _ => (Processor::Xml, b"text/xml"),
    };
    let limits = BodyLimits { args: 20, depth: 8 };
    let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", kind)];
    let asked = Request { headers: &headers, ..plain(b"POST", b"/", b"HTTP/1.1", rest) };
    let read = waf::body::read(processor, &asked, &limits);
    assert!(read.args.len() <= limits.args && read.files.len() <= limits.args, "more than allowed");
    let sizes: usize = read.args.iter().map(|pair| pair.value.len()).sum();
    assert!(sizes <= rest.len() * 2, "{sizes} bytes of values out of {}", rest.len());
    assert!(read.files.iter().all(|file| file.size <= rest.len()));
    assert!(read.xml_text.is_none_or(|text| text.len() <= rest.len() * 3), "text that was not sent");
}

/// Bytes as a value, through every transformation.
pub(crate) fn transformation(data: &[u8]) {
    for (name, kind) in Transformation::ALL {
        let became = waf::transform::apply(*kind, data);
        assert!(became.len() <= data.len() * 6 + 64, "{name} makes much of little");
        if let Some(expected) = simple(*kind, data) {
            assert_eq!(became.as_ref(), expected, "{name}");
        }
        if let Cow::Borrowed(part) = became {
            assert!(part.len() <= data.len());
        }
    }
}

/// What a transformation makes of a value, said as simply as can be.
fn simple(kind: Transformation, value: &[u8]) -> Option<Vec<u8>> {
    use Transformation as T;
    let space = |byte: &u8| matches!(byte, b' ' | 9..=13);
    let hex = |byte: u8| char::from(byte).to_digit(16);
    Some(match kind {
        T::Lowercase => value.to_ascii_lowercase(),
        T::Uppercase => value.to_ascii_uppercase(),
        T::Length => value.len().to_string().into_bytes(),
        T::RemoveNulls => value.iter().copied().filter(|byte| *byte != 0).collect(),
        T::ReplaceNulls => value.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect(),
        T::RemoveWhitespace => {
            value.iter().copied().filter(|byte| !space(byte) && *byte != 0xa0 && *byte != 0xc2).collect()
        }
        T::CompressWhitespace => {
            let mut out = Vec::new();
            for (at, byte) in value.iter().enumerate() {
                let after = at > 0 && space(&value[at - 1]);
                match space(byte) {
                    true if after => {}
                    true => out.push(b' '),
                    false => out.push(*byte),
                }
            }
            out
        }
        T::Trim => trimmed(value, true, true),
        T::TrimLeft => trimmed(value, true, false),
        T::TrimRight => trimmed(value, false, true),
        T::HexEncode => value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        T::UrlDecode => {
            let (mut out, mut at) = (Vec::new(), 0);
            while at < value.len() {
                let pair =
                    value.get(at + 1..at + 3).and_then(|pair| Some(hex(pair[0])? * 16 + hex(pair[1])?));
                match (value[at], pair) {
                    (b'+', _) => out.push(b' '),
                    (b'%', Some(code)) => {
                        out.push(u8::try_from(code).unwrap_or(0));
                        at += 2;
                    }
                    (byte, _) => out.push(byte),
                }
                at += 1;
            }
            out
        }
        _ => return None,
    })
}

fn trimmed(value: &[u8], left: bool, right: bool) -> Vec<u8> {
    let space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | 9..=13));
    let mut value = value.to_vec();
    while right && space(value.last()) {
        value.pop();
    }
    while left && space(value.first()) {
        value.remove(0);
    }
    value
}

/// Bytes as a value and what is looked for in it.
pub(crate) fn operator(data: &[u8]) {
    let (needle, value) = data.split_at(data.len().min(usize::from(data.first().copied().unwrap_or(0)) % 5));
    let found = waf::operator::contains(value, needle);
    let naive = (0..=value.len()).find(|at| value[*at..].starts_with(needle));
    assert_eq!(found.map(|range| range.start), naive, "contains");
    if waf::operator::detect_xss(value) {
        assert!(value.iter().any(|byte| b"<=".contains(byte)), "script out of nothing");
    }
    let _ = waf::operator::detect_sqli(value);
    let _ = waf::operator::number(value);
    if let Ok(phrases) = waf::operator::PhraseSet::new(vec![needle.to_vec()]) {
        let (value, needle) = (value.to_ascii_lowercase(), needle.to_ascii_lowercase());
        assert_eq!(phrases.find(&value).map(|range| range.start), find(&value, &needle), "phrases");
    }
}

fn find(value: &[u8], needle: &[u8]) -> Option<usize> {
    (0..=value.len()).find(|at| value[*at..].starts_with(needle))
}

fn plain<'a>(method: &'a [u8], target: &'a [u8], protocol: &'a [u8], body: &'a [u8]) -> Request<'a> {
    Request { remote: IpAddr::V4(Ipv4Addr::LOCALHOST), method, target, protocol, headers: &[], body }
}
