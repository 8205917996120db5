//! The operator's list of breached passwords (ASVS 5.0, 6.2.12): a local file in the published form of "Pwned
//! Passwords", ordered by hash. Each line is the SHA-1 of a password in forty upper-case hexadecimal digits, a
//! colon and how often it was seen. Such a file has tens of gigabytes and is searched by bisection where it
//! lies: some thirty short reads, and no memory. Nothing is sent anywhere.
//!
//! SHA-1 is what the list is made of. It protects nothing here: what is looked up is forgotten, and what is
//! stored of a password is another hash ([`crate::password`]).
//!
//! Not promised: that each of a billion lines was looked at. When it is opened, a small file is read as a whole
//! and of a large one some thousand lines over its whole length; every search looks again at the lines it
//! passes. A list that is found to be mangled lets no password through.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::digest;

/// Digits of a hash.
const DIGITS: usize = 40;
/// The longest line: hash, colon, twenty digits, carriage return and line feed.
const LONGEST: u64 = 64;
/// Files up to this size are read as a whole when they are opened.
const SMALL: u64 = 8 * 1024 * 1024;
/// Places that are looked at in a larger one.
const PLACES: u64 = 4096;

/// A list that is open. Another file that takes its place is read from the next start on.
#[derive(Debug)]
pub struct Breached {
    file: File,
    length: u64,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    /// It is not there, or not readable.
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// It has no line.
    #[error("the file is empty")]
    Empty,
    /// A line is not a hash and a count.
    #[error("at byte {at} there is no line of the form HASH:COUNT, with the hash in 40 upper-case digits")]
    Line {
        /// Where in the file.
        at: u64,
    },
    /// A line is not after the one before it.
    #[error("the line at byte {at} is out of order; take the list that is ordered by hash")]
    Order {
        /// Where in the file.
        at: u64,
    },
}

/// A password as the list spells it. It says nothing in `Debug`, and does not outlive the question.
pub struct Sought([u8; DIGITS]);

impl Sought {
    /// The spelling of a password.
    pub fn of(password: &str) -> Self {
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let mut digits = [0; DIGITS];
        data_encoding::HEXUPPER.encode_mut(sha1.as_ref(), &mut digits);
        Self(digits)
    }
}

impl std::fmt::Debug for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sought")
    }
}

/// A line of the file, and where it and the next one begin.
struct Line {
    begins: u64,
    next: u64,
    hash: [u8; DIGITS],
}

impl Breached {
    /// Opens a list and looks it over.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or what was looked at is not a list in order.
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let list = Self { file, length };
        if length == 0 {
            return Err(BreachedError::Empty);
        }
        let (mut at, mut last) = (0, None::<[u8; DIGITS]>);
        while at < length {
            let line = list.line_over(at)?;
            if last.is_some_and(|last| last >= line.hash) {
                return Err(BreachedError::Order { at: line.begins });
            }
            last = Some(line.hash);
            let step = if length <= SMALL { 0 } else { length / PLACES };
            at = line.next.saturating_add(step);
        }
        // The end of a download that was cut off.
        list.line_over(length - 1)?;
        Ok(list)
    }

    /// Whether the list has a password.
    ///
    /// # Errors
    /// When the file cannot be read any more, or is mangled where the search came by.
    pub fn contains(&self, Sought(sought): &Sought) -> Result<bool, BreachedError> {
        let (mut low, mut high) = (0, self.length);
        // What the lines between must lie between.
        let (mut above, mut below) = (None::<[u8; DIGITS]>, None::<[u8; DIGITS]>);
        while low < high {
            let line = self.line_over(low + (high - low) / 2)?;
            if line.begins < low || line.next > high {
                return Err(BreachedError::Line { at: line.begins });
            }
            if above.is_some_and(|above| line.hash <= above) || below.is_some_and(|below| line.hash >= below)
            {
                return Err(BreachedError::Order { at: line.begins });
            }
            match line.hash.cmp(sought) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => (low, above) = (line.next, Some(line.hash)),
                std::cmp::Ordering::Greater => (high, below) = (line.begins, Some(line.hash)),
            }
        }
        Ok(false)
    }

    /// The line that a byte of the file lies in. A line feed belongs to the line that it ends.
    fn line_over(&self, at: u64) -> Result<Line, BreachedError> {
        let mangled = BreachedError::Line { at };
        let from = at.saturating_sub(LONGEST);
        let until = at.saturating_add(LONGEST).min(self.length);
        let mut window = vec![0; usize::try_from(until - from).unwrap_or_default()];
        self.file.read_exact_at(&mut window, from)?;
        let middle = usize::try_from(at - from).unwrap_or_default();
        let (before, after) = window.split_at_checked(middle).unwrap_or_default();
        let start = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(feed) => feed + 1,
            None if from == 0 => 0,
            None => return Err(mangled),
        };
        let (end, next) = match after.iter().position(|byte| *byte == b'\n') {
            Some(feed) => (middle + feed, middle + feed + 1),
            None if until == self.length => (window.len(), window.len()),
            None => return Err(mangled),
        };
        let text = window.get(start..end).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let begins = from + start as u64;
        let hash = hash_of_line(text).ok_or(BreachedError::Line { at: begins })?;
        Ok(Line { begins, next: from + next as u64, hash })
    }
}

/// The hash of a line, if it is one.
fn hash_of_line(text: &[u8]) -> Option<[u8; DIGITS]> {
    let (hash, rest) = text.split_first_chunk::<DIGITS>()?;
    let digits = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let count = rest.strip_prefix(b":")?;
    let counts = !count.is_empty() && count.len() <= 20 && count.iter().all(u8::is_ascii_digit);
    (digits && counts).then_some(*hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use tempfile::NamedTempFile;

    use super::*;

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn spelled(password: &str) -> String {
        String::from_utf8(Sought::of(password).0.to_vec()).unwrap()
    }

    /// The lines of these passwords, in order, with either end of line.
    fn lines(passwords: &[&str], end: &str) -> String {
        let mut hashes: Vec<String> = passwords.iter().map(|password| spelled(password)).collect();
        hashes.sort_unstable();
        hashes.iter().enumerate().map(|(at, hash)| format!("{hash}:{}{end}", at * 977 + 1)).collect()
    }

    #[test]
    fn a_hash_is_spelled_as_the_list_spells_it() {
        assert_eq!(spelled("password"), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
        assert_eq!(format!("{:?}", Sought::of("password")), "Sought");
    }

    #[test]
    fn listed_passwords_are_found_and_no_others_whatever_ends_the_lines() {
        let listed = ["password", "letmein", "dragon", "correct horse battery staple", "Åsa1987"];
        for end in ["\r\n", "\n"] {
            let all = lines(&listed, end);
            for text in [all.clone(), all.trim_end().to_owned()] {
                let file = file(&text);
                let list = Breached::open(file.path()).unwrap();
                for password in listed {
                    assert!(list.contains(&Sought::of(password)).unwrap(), "{password}");
                }
                for other in ["herring tidal copper lantern", "", "passwore"] {
                    assert!(!list.contains(&Sought::of(other)).unwrap(), "{other}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_list_in_order_is_refused_when_it_is_opened() {
        let (one, two) = ("0".repeat(40), "F".repeat(40));
        let refused = |text: &str| Breached::open(file(text).path()).unwrap_err();
        assert!(matches!(refused(""), BreachedError::Empty));
        assert!(matches!(refused("a picture\0of a cat"), BreachedError::Line { at: 0 }));
        assert!(matches!(refused(&format!("{two}:1\n{one}:1\n")), BreachedError::Order { at: 43 }));
        assert!(matches!(refused(&format!("{one}:1\n{one}:2\n")), BreachedError::Order { at: 43 }));
        assert!(matches!(refused(&format!("{one}:1\n{}\n", &two[..20])), BreachedError::Line { at: 43 }));
        assert!(matches!(refused(&format!("{one}:1\n{}", &two[..20])), BreachedError::Line { at: 43 }));
        for line in ["{}", "{}:", "{}:x", "{} 1", "{}:1:1"] {
            let text = line.replace("{}", &one);
            assert!(matches!(refused(&text), BreachedError::Line { at: 0 }), "{text}");
        }
        assert!(matches!(refused(&format!("{}:1\n", "a".repeat(40))), BreachedError::Line { .. }));
        let missing = Breached::open(Path::new("/nonexistent/pwned-passwords.txt"));
        assert!(matches!(missing, Err(BreachedError::File(_))));
    }

    #[test]
    fn a_large_list_is_looked_over_in_many_places() {
        // Larger than what is read as a whole: 200,000 lines in order, one block of which is then mangled.
        let mut text: String = (0..200_000_u64).map(|n| format!("{:016X}{:024X}:1\n", n << 44, 0)).collect();
        assert!(text.len() as u64 > SMALL);
        let list = file(&text);
        let opened = Breached::open(list.path()).unwrap();
        let there = Sought(format!("{:016X}{:024X}", 77_777_u64 << 44, 0).into_bytes().try_into().unwrap());
        assert!(opened.contains(&there).unwrap());
        let middle = text.len() / 2;
        text.replace_range(middle..middle + 64 * 1024, &"\0".repeat(64 * 1024));
        assert!(matches!(Breached::open(file(&text).path()), Err(BreachedError::Line { .. })));
    }

    #[test]
    fn a_list_that_is_mangled_later_lets_nothing_through() {
        let listed = ["password", "letmein", "dragon"];
        let file = file(&lines(&listed, "\n"));
        let list = Breached::open(file.path()).unwrap();
        std::fs::write(file.path(), "cut").unwrap();
        assert!(list.contains(&Sought::of("password")).is_err());
    }

    proptest! {
        #[test]
        fn bisection_finds_what_a_look_at_every_line_finds(
            listed in proptest::collection::btree_set("[0-9A-C]{3}", 1..60),
            sought in "[0-9A-C]{3}",
            counts in proptest::collection::vec(any::<u64>(), 60),
            crlf in any::<bool>(),
        ) {
            let pad = |text: &str| format!("{text}{}", "0".repeat(DIGITS - text.len()));
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = listed.iter().zip(&counts)
                .map(|(hash, count)| format!("{}:{count}{end}", pad(hash))).collect();
            let file = file(&text);
            let list = Breached::open(file.path()).unwrap();
            let linear = |wanted: &str| text.lines().any(|line| line.starts_with(&pad(wanted)));
            for wanted in listed.iter().chain([&sought]) {
                let asked = Sought(pad(wanted).into_bytes().try_into().unwrap());
                prop_assert_eq!(list.contains(&asked).unwrap(), linear(wanted));
            }
        }
    }
}
