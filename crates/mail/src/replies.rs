//! Reading what a relay says, line by line, within bounds (RFC 5321, section 4.2).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Words;

/// A line is at most this long. The standard says 512; relays say more.
const LONGEST: usize = 2048;
/// A reply has at most so many lines.
const MOST: usize = 100;

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// What each line says after the code.
    pub(crate) lines: Vec<String>,
}

impl Reply {
    pub(crate) fn words(&self) -> Words {
        Words::new(&self.lines.join(" "))
    }

    /// Whether it says yes: 2xx, or 3xx, which says go on.
    pub(crate) fn is_yes(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// What follows a keyword of an answer to EHLO, in upper case.
    pub(crate) fn offer(&self, keyword: &str) -> Option<String> {
        self.lines.iter().skip(1).find_map(|line| {
            let line = line.to_ascii_uppercase();
            let (word, rest) = line.split_once([' ', '=']).unwrap_or((&line, ""));
            (word == keyword).then(|| rest.trim().to_owned())
        })
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The connection broke or ended.
    Broken(std::io::Error),
    /// What came is no reply.
    Malformed,
}

impl From<std::io::Error> for Unread {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A connection on which replies are read.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    /// What was read and not used yet.
    ahead: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The bare connection. `None` when more was said on it than was read: nobody may answer a question
    /// that was not asked yet.
    pub(crate) fn into_bare(self) -> Option<S> {
        self.ahead.is_empty().then_some(self.stream)
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads one reply.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Unread> {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        loop {
            let (code, more, text) = parse(&self.line().await?).ok_or(Unread::Malformed)?;
            if (reply.code != 0 && reply.code != code) || reply.lines.len() == MOST {
                return Err(Unread::Malformed);
            }
            reply.code = code;
            reply.lines.push(text);
            if !more {
                return Ok(reply);
            }
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Unread> {
        loop {
            if let Some(end) = self.ahead.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.ahead.drain(..=end).collect();
                while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                    line.pop();
                }
                return Ok(line);
            }
            if self.ahead.len() > LONGEST {
                return Err(Unread::Malformed);
            }
            let mut some = [0; 1024];
            let read = self.stream.read(&mut some).await?;
            if read == 0 {
                return Err(Unread::Broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.ahead.extend_from_slice(some.get(..read).unwrap_or_default());
        }
    }
}

/// The code of a line, whether more lines follow, and its text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok().filter(|code| (200..600).contains(code))?;
    let (more, text) = match rest.split_first() {
        None => (false, rest),
        Some((b' ', text)) => (false, text),
        Some((b'-', text)) => (true, text),
        Some(_) => return None,
    };
    Some((code, more, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(said: &[u8]) -> Result<Reply, Unread> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(said).await.unwrap();
        drop(far);
        Wire::new(near).reply().await
    }

    #[tokio::test]
    async fn a_reply_of_several_lines_is_one() {
        let reply =
            read(b"250-relay\r\n250-STARTTLS\r\n250-auth=plain LOGIN\n250 8BITMIME\r\n").await.unwrap();
        assert_eq!((reply.code, reply.lines.len(), reply.is_yes()), (250, 4, true));
        assert_eq!(reply.offer("STARTTLS").as_deref(), Some(""));
        assert_eq!(reply.offer("AUTH").as_deref(), Some("PLAIN LOGIN"));
        assert_eq!((reply.offer("RELAY"), reply.offer("BITMIME")), (None, None));
        assert_eq!(read(b"220\r\n").await.unwrap().lines, [""]);
    }

    #[tokio::test]
    async fn what_is_no_reply_is_refused_within_bounds() {
        let mut long = b"250 ".to_vec();
        long.extend([b'a'; 5000]);
        let many = "250-a\r\n".repeat(200).into_bytes();
        let mixed = b"250-a\r\n251 b\r\n".to_vec();
        let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        let others =
            [b"25\r\n".to_vec(), b"150 a\r\n".to_vec(), b"600 a\r\n".to_vec(), b"+50 a\r\n".to_vec()];
        let tls = vec![0x15, 3, 3, 0, 2, 2, 10, b'\n'];
        for said in [vec![long, many, mixed, http, tls], others.to_vec()].concat() {
            assert!(
                matches!(read(&said).await, Err(Unread::Malformed)),
                "{:?}",
                String::from_utf8_lossy(&said)
            );
        }
        assert!(matches!(read(b"250-a\r\n").await, Err(Unread::Broken(_))));
        assert!(matches!(read(b"").await, Err(Unread::Broken(_))));
    }

    #[tokio::test]
    async fn what_was_said_too_early_is_seen() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"220 go on\r\n250 smuggled\r\n").await.unwrap();
        let mut wire = Wire::new(near);
        assert_eq!(wire.reply().await.unwrap().code, 220);
        assert!(wire.into_bare().is_none());
    }

    #[test]
    fn what_a_relay_says_is_shown_in_part_and_harmless() {
        let words = Words::new(&format!("\u{1b}[31mno\r\nsuch {}", "x".repeat(500)));
        assert_eq!(words.as_str().chars().count(), 300);
        assert!(words.as_str().starts_with("[31mno  such x") && !format!("{words:?}").contains("such"));
    }
}
