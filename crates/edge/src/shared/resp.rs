//! The protocol of Valkey and Redis (RESP 3), as far as an edge speaks it. What the server sends is
//! bounded before it is kept: a broken server costs us a connection, not our memory.

use bytes::Bytes;

/// The longest line, the longest string and the most elements that are read.
const LINE: usize = 4096;
const STRING: usize = 64 * 1024;
const ELEMENTS: usize = 16 * 1024;
/// How deep answers nest.
const DEPTH: u8 = 4;

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Text or bytes.
    Text(Bytes),
    /// A number.
    Number(i64),
    /// Nothing.
    Nothing,
    /// Several; a map is its keys and values in turn.
    Many(Vec<Reply>),
    /// Said without being asked: a message of a channel.
    Push(Vec<Reply>),
    /// The command was refused; the first word says why.
    Refused(String),
}

/// What came is not this protocol, or more than is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Writes a command to `out`.
pub(crate) fn command<'a>(out: &mut Vec<u8>, parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) {
    let parts = parts.into_iter();
    out.extend_from_slice(format!("*{}\r\n", parts.clone().count()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one answer from the beginning of `bytes`, and how long it was; `None` while it is not all there.
///
/// # Errors
/// When it never will be an answer.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.value(0) {
        Ok(reply) => Ok(Some((reply, reader.at))),
        Err(Stop::Short) => Ok(None),
        Err(Stop::Malformed) => Err(Malformed),
    }
}

enum Stop {
    Short,
    Malformed,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u8) -> Result<Reply, Stop> {
        let line = self.line()?;
        let (kind, rest) = line.split_first().ok_or(Stop::Malformed)?;
        match kind {
            b'+' | b',' | b'(' | b'#' => Ok(Reply::Text(Bytes::copy_from_slice(rest))),
            b'-' => Ok(Reply::Refused(String::from_utf8_lossy(rest).into_owned())),
            b':' => Ok(Reply::Number(number(rest)?)),
            b'_' => Ok(Reply::Nothing),
            b'$' | b'=' | b'!' => {
                let Some(length) = length(rest, STRING)? else { return Ok(Reply::Nothing) };
                let text = Bytes::copy_from_slice(self.exactly(length)?);
                match kind {
                    b'!' => Ok(Reply::Refused(String::from_utf8_lossy(&text).into_owned())),
                    _ => Ok(Reply::Text(text)),
                }
            }
            b'*' | b'~' => Ok(self.many(rest, 1, depth)?.map_or(Reply::Nothing, Reply::Many)),
            b'%' => Ok(self.many(rest, 2, depth)?.map_or(Reply::Nothing, Reply::Many)),
            b'>' => Ok(Reply::Push(self.many(rest, 1, depth)?.unwrap_or_default())),
            _ => Err(Stop::Malformed),
        }
    }

    fn many(&mut self, count: &[u8], each: usize, depth: u8) -> Result<Option<Vec<Reply>>, Stop> {
        if depth >= DEPTH {
            return Err(Stop::Malformed);
        }
        let Some(count) = length(count, ELEMENTS / each)? else { return Ok(None) };
        // Room for what came, not for what is claimed.
        let mut all = Vec::new();
        for _ in 0..count * each {
            all.push(self.value(depth + 1)?);
        }
        Ok(Some(all))
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let window = rest.get(..LINE).unwrap_or(rest);
        let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
            return Err(if rest.len() >= LINE { Stop::Malformed } else { Stop::Short });
        };
        self.at += end + 2;
        Ok(rest.get(..end).unwrap_or_default())
    }

    fn exactly(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (text, after) = rest.split_at_checked(length).ok_or(Stop::Short)?;
        match after.get(..2) {
            None => Err(Stop::Short),
            Some(b"\r\n") => {
                self.at += length + 2;
                Ok(text)
            }
            Some(_) => Err(Stop::Malformed),
        }
    }
}

fn number(text: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Malformed)
}

/// A length; none where there is nothing.
fn length(text: &[u8], most: usize) -> Result<Option<usize>, Stop> {
    match number(text)? {
        -1 => Ok(None),
        length => usize::try_from(length).ok().filter(|l| *l <= most).map(Some).ok_or(Stop::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Text(Bytes::from_static(text.as_bytes()))
    }

    fn whole(bytes: &[u8]) -> Reply {
        let (reply, used) = parse(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        reply
    }

    #[test]
    fn a_command_is_counted_strings() {
        let mut out = Vec::new();
        command(&mut out, [&b"SET"[..], b"k", b"a\r\nb"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
    }

    #[test]
    fn every_kind_of_answer_is_read_and_its_end_found() {
        assert_eq!(whole(b"+OK\r\n"), text("OK"));
        assert_eq!(whole(b":-7\r\n"), Reply::Number(-7));
        assert_eq!(whole(b"$3\r\na\r\n\r\n"), text("a\r\n"));
        assert_eq!(whole(b"$-1\r\n"), Reply::Nothing);
        assert_eq!(whole(b"_\r\n"), Reply::Nothing);
        assert_eq!(whole(b"-NOSCRIPT no\r\n"), Reply::Refused("NOSCRIPT no".into()));
        assert_eq!(whole(b"!3\r\nBAD\r\n"), Reply::Refused("BAD".into()));
        assert_eq!(
            whole(b"*2\r\n:1\r\n*1\r\n+x\r\n"),
            Reply::Many(vec![Reply::Number(1), Reply::Many(vec![text("x")])])
        );
        assert_eq!(whole(b"%1\r\n+k\r\n+v\r\n"), Reply::Many(vec![text("k"), text("v")]));
        assert_eq!(whole(b">2\r\n+a\r\n+b\r\n"), Reply::Push(vec![text("a"), text("b")]));
    }

    #[test]
    fn what_is_too_large_or_no_answer_ends_the_talk() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"$65537\r\n",
            b"*99999999\r\n",
            b"$-2\r\n",
            b":x\r\n",
            b"$1\r\nabc",
            b"\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert_eq!(parse(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(parse(&[b'+'; LINE]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
            let mut headed = b"*3\r\n".to_vec();
            headed.extend(bytes);
            let _ = parse(&headed);
        }
    }
}
