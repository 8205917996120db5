//! The part of a passage that answers: whole sentences, as they stand, around the words asked for.

use std::ops::Range;

/// About how many bytes a quote has at most.
const LONGEST: usize = 600;

/// A sentence, or a line of a list or of code.
#[derive(Debug, Clone)]
struct Sentence {
    bytes: Range<usize>,
    /// Whether it begins a paragraph.
    begins: bool,
    /// How much of the question it covers, as a set of the question's terms.
    covers: u64,
}

/// The best few sentences of a text: those which together cover the most of the question, filled up
/// with what stands around them in the same paragraph. `covers` says which terms (as bits) a piece of
/// text has, and `worth` what a set of terms is worth.
pub(super) fn best(text: &str, covers: impl FnMut(&str) -> u64, worth: impl Fn(u64) -> f32) -> String {
    let sentences = sentences(text, covers);
    let mut found: Option<(f32, usize, usize)> = None;
    for (from, first) in sentences.iter().enumerate() {
        let mut covered = 0;
        for (to, last) in sentences.iter().enumerate().skip(from) {
            let length = last.bytes.end - first.bytes.start;
            if length > LONGEST && to > from {
                break;
            }
            covered |= last.covers;
            // Shorter is better, and so is a beginning that can stand by itself.
            let value = worth(covered) * (1.0 - 0.2 * (length.min(LONGEST) as f32 / LONGEST as f32))
                + if first.begins { 0.02 } else { 0.0 }
                - 0.01 * (from.min(20) as f32 / 20.0);
            if found.is_none_or(|(most, ..)| value > most) {
                found = Some((value, from, to));
            }
        }
    }
    let Some((_, from, to)) = found else { return String::new() };
    let bytes = widen(&sentences, from, to);
    shorten(text.get(bytes).unwrap_or_default().trim())
}

/// Takes in the rest of the paragraph at both ends, as far as it fits.
fn widen(sentences: &[Sentence], mut from: usize, mut to: usize) -> Range<usize> {
    let (Some(first), Some(last)) = (sentences.get(from), sentences.get(to)) else { return 0..0 };
    let mut bytes = first.bytes.start..last.bytes.end;
    while let Some(next) = sentences.get(to + 1).filter(|next| !next.begins) {
        if next.bytes.end - bytes.start > LONGEST {
            break;
        }
        bytes.end = next.bytes.end;
        to += 1;
    }
    while sentences.get(from).is_some_and(|first| !first.begins) && from > 0 {
        let Some(before) = sentences.get(from - 1) else { break };
        if bytes.end - before.bytes.start > LONGEST {
            break;
        }
        bytes.start = before.bytes.start;
        from -= 1;
    }
    bytes
}

/// A single sentence may be longer than a quote: it is then cut after a word.
fn shorten(text: &str) -> String {
    if text.len() <= LONGEST + LONGEST / 4 {
        return text.to_owned();
    }
    let mut end = LONGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text.get(..end).unwrap_or_default();
    let cut = cut.rfind(char::is_whitespace).and_then(|space| cut.get(..space)).unwrap_or(cut);
    format!("{} …", cut.trim_end())
}

/// Cuts a text into sentences. A sentence ends at `.`, `!` or `?` (and the full stops of Chinese and
/// Japanese) before white space and something that can begin one, or at the end of a paragraph.
fn sentences(text: &str, mut covers: impl FnMut(&str) -> u64) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let (mut start, mut begins) = (0, true);
    let mut push = |bytes: Range<usize>, begins: bool| {
        let part = text.get(bytes.clone()).unwrap_or_default();
        if part.trim().is_empty() {
            return false;
        }
        let lead = part.len() - part.trim_start().len();
        let trail = part.len() - part.trim_end().len();
        let bytes = bytes.start + lead..bytes.end - trail;
        sentences.push(Sentence { covers: covers(part), bytes, begins });
        true
    };
    let mut rest = text.char_indices().peekable();
    while let Some((_, c)) = rest.next() {
        let Some(&(next_at, next)) = rest.peek() else { break };
        let after = text.get(next_at..).unwrap_or_default();
        let blank = c == '\n' && after.trim_start_matches([' ', '\t']).starts_with('\n');
        if blank {
            if push(start..next_at, begins) || !begins {
                begins = true;
            }
            start = next_at;
        } else if ends(c, next, after) {
            if push(start..next_at, begins) {
                begins = false;
            }
            start = next_at;
        }
    }
    push(start..text.len(), begins);
    sentences
}

/// Whether a sentence ends between `c` and `next`, with which `after` begins.
fn ends(c: char, next: char, after: &str) -> bool {
    match c {
        '。' | '！' | '？' => true,
        '.' | '!' | '?' if next.is_whitespace() => {
            // `e.g. this` goes on; `That is it. This` does not.
            after.trim_start().chars().next().is_some_and(|c| !c.is_lowercase() && !",;:)".contains(c))
        }
        // A line of a list begins something of its own.
        '\n' => after.starts_with("- ") || after.starts_with("* ") || after.starts_with("• "),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quote(text: &str, words: &[&str]) -> String {
        let covers = |part: &str| {
            words
                .iter()
                .enumerate()
                .filter(|(_, word)| part.contains(**word))
                .fold(0, |set, (at, _)| set | 1 << at)
        };
        best(text, covers, |set| set.count_ones() as f32 / words.len() as f32)
    }

    #[test]
    fn the_paragraph_that_covers_the_question_is_quoted_whole() {
        let text = "Cards are made of plastic. They last four years.\n\nA lost card is blocked at once. Call us, \
                    e.g. from abroad. A new one comes in five days.\n\nPINs come by mail.";
        assert_eq!(
            quote(text, &["lost", "blocked"]),
            "A lost card is blocked at once. Call us, e.g. from abroad. A new one comes in five days."
        );
    }

    #[test]
    fn a_long_paragraph_is_cut_at_sentences() {
        let filler = "This sentence is only here to take up room in the paragraph. ".repeat(20);
        let text = format!("{filler}The needle is in this one. {filler}");
        let quote = quote(&text, &["needle"]);
        assert!(quote.contains("The needle is in this one."));
        assert!(quote.len() <= LONGEST && quote.ends_with('.') && quote.starts_with("Th"));
    }

    #[test]
    fn a_sentence_without_end_is_cut_after_a_word() {
        let quote = quote(&"word ".repeat(500), &["word"]);
        assert!(quote.len() < LONGEST + 5 && quote.ends_with("word …"), "{quote}");
    }

    #[test]
    fn a_text_without_the_words_is_quoted_from_its_beginning() {
        assert_eq!(quote("One. Two.\n\nThree.", &["four"]), "One. Two.");
        assert_eq!(quote("", &["four"]), "");
    }

    proptest! {
        #[test]
        fn no_text_makes_quoting_panic(text in "(\\PC|[.!?\n -]|needle){0,400}") {
            let quote = quote(&text, &["needle"]);
            prop_assert!(quote.len() <= LONGEST + LONGEST / 4);
        }
    }
}
