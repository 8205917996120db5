//! `pm` and `pmFromFile`: any of many phrases, letters compared without case.

use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::OperatorError;

/// Phrases to look for, all at once: one pass over a value, however many they are.
#[derive(Clone, Debug)]
pub struct PhraseSet {
    searcher: AhoCorasick,
    phrases: Vec<Vec<u8>>,
}

impl PhraseSet {
    /// The phrases of a `pm` parameter: words separated by white space.
    ///
    /// # Errors
    /// [`OperatorError::Phrases`] if there is none.
    pub fn parse(words: &str) -> Result<Self, OperatorError> {
        Self::new(words.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect())
    }

    /// The phrases of a `pmFromFile` list: one a line; empty lines and lines that begin with `#` do
    /// not count.
    ///
    /// # Errors
    /// [`OperatorError::Phrases`] if there is none.
    pub fn parse_list(text: &[u8]) -> Result<Self, OperatorError> {
        let lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let counts = |line: &&[u8]| !matches!(line.trim_ascii_start(), [] | [b'#', ..]);
        Self::new(lines.filter(counts).map(<[u8]>::to_vec).collect())
    }

    /// These phrases.
    ///
    /// # Errors
    /// [`OperatorError::Phrases`] if there is none.
    pub fn new(phrases: Vec<Vec<u8>>) -> Result<Self, OperatorError> {
        if phrases.is_empty() {
            return Err(OperatorError::Phrases);
        }
        let searcher = AhoCorasick::builder().ascii_case_insensitive(true).build(&phrases);
        Ok(Self { searcher: searcher.map_err(|_| OperatorError::Phrases)?, phrases })
    }

    /// The phrase that ends first in the value.
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.searcher.find(value).map(|found| found.range())
    }

    /// The phrases, for prefilters.
    #[must_use]
    pub fn phrases(&self) -> &[Vec<u8>] {
        &self.phrases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_in_any_case_and_the_first_to_end_wins() {
        let set = PhraseSet::parse("wget  cURL get").unwrap();
        assert_eq!(set.find(b"x WGET y"), Some(2..6));
        assert_eq!(set.find(b"curl get"), Some(0..4));
        assert_eq!(set.find(b"none"), None);
        assert_eq!(set.phrases().len(), 3);
    }

    #[test]
    fn a_list_knows_comments_and_keeps_blanks_in_phrases() {
        let set = PhraseSet::parse_list(b"# comment\n\n  # another\nfoo bar\r\n .ssh \n").unwrap();
        assert_eq!(set.phrases(), [b"foo bar".to_vec(), b" .ssh ".to_vec()]);
        assert_eq!(PhraseSet::parse_list(b"# nothing\n").unwrap_err(), OperatorError::Phrases);
        assert_eq!(PhraseSet::parse(" ").unwrap_err(), OperatorError::Phrases);
    }
}
