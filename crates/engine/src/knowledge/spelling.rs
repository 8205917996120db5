//! Words that a question has and the knowledge has not are often only misspelt.

/// Terms of the knowledge with the number of passages that have each, in order.
#[derive(Debug, Default)]
pub(super) struct Spelling(Vec<(String, u32)>);

impl Spelling {
    /// Takes terms in ascending order.
    pub(super) fn new(terms: Vec<(String, u32)>) -> Self {
        Self(terms)
    }

    /// The number of passages that have the term.
    pub(super) fn seen(&self, term: &str) -> u32 {
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(term)).ok();
        found.and_then(|at| self.0.get(at)).map_or(0, |(_, seen)| *seen)
    }

    /// The known term that was probably meant: one edit away, two for long terms, with the first
    /// letter right; of several the nearest, then the most frequent. Short terms and numbers are left
    /// alone: another one is as likely as a misspelling.
    pub(super) fn meant(&self, term: &str) -> Option<&str> {
        let letters: Vec<char> = term.chars().collect();
        let most = match letters.len() {
            0..=3 => return None,
            4..=7 => 1,
            8..=30 => 2,
            _ => return None,
        };
        if letters.iter().any(|c| c.is_numeric()) {
            return None;
        }
        let first = letters.first()?;
        let mut near: Option<(usize, u32, &str)> = None;
        let mut known = Vec::new();
        let from = self.0.partition_point(|(known, _)| known.chars().next().is_some_and(|c| c < *first));
        for (candidate, seen) in self.0.iter().skip(from) {
            if !candidate.starts_with(*first) {
                break;
            }
            known.clear();
            known.extend(candidate.chars());
            let Some(edits) = edits(&letters, &known, most) else { continue };
            let better =
                near.is_none_or(|(least, often, _)| edits < least || (edits == least && *seen > often));
            if better {
                near = Some((edits, *seen, candidate));
            }
        }
        near.map(|(_, _, term)| term)
    }
}

/// The edits (insert, drop, change, swap neighbours) that make one word the other, if at most `most`
/// (optimal string alignment).
fn edits(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row: Vec<usize> = Vec::with_capacity(b.len() + 1);
    let mut previous = None;
    for (i, x) in a.iter().enumerate() {
        row.clear();
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut cost =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        if row.iter().all(|cost| *cost > most) {
            return None;
        }
        previous = Some(x);
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last.last().copied().filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spelling() -> Spelling {
        let mut terms: Vec<(String, u32)> =
            [("card", 9), ("cart", 2), ("certificate", 4), ("postgresql", 7), ("replication", 3)]
                .map(|(term, seen)| (term.to_owned(), seen))
                .into();
        terms.sort();
        Spelling::new(terms)
    }

    #[test]
    fn a_misspelling_finds_its_word() {
        let spelling = spelling();
        assert_eq!(spelling.meant("certifcate"), Some("certificate"));
        assert_eq!(spelling.meant("postgersql"), Some("postgresql"));
        assert_eq!(spelling.meant("carf"), Some("card"));
        assert_eq!(spelling.meant("elephant"), None);
        assert_eq!(spelling.meant("cat"), None);
        assert_eq!(spelling.seen("replication"), 3);
        assert_eq!(spelling.seen("replicat"), 0);
    }

    proptest! {
        #[test]
        fn no_word_makes_it_panic(word in "\\PC{0,40}") {
            let _ = spelling().meant(&word);
        }
    }
}
