//! Folding and cutting of text, the same for training, for indexing and for questions: whatever two
//! people type for the same word on two keyboards comes out as one.

use unicode_normalization::UnicodeNormalization;

/// The text in compatibility form (NFKC), lower-cased. Compatibility form makes full-width letters,
/// ligatures and superscripts the plain letters that they are read as; typographic apostrophes become
/// the one on the keyboard.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '\u{2018}' | '\u{2019}' | '\u{02BC}' | '`' | '\u{00B4}' => '\'',
            _ => c,
        })
        .collect()
}

/// Whether a character is part of a word: letters, digits, and the marks that combine with them.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || unicode_normalization::char::is_combining_mark(c)
}

/// The words of a folded text, in order, without punctuation. An apostrophe stays inside a word.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !in_word(c)).map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty())
}

/// The words of a text joined by single spaces: what remains of a short answer for comparison.
pub(crate) fn key(text: &str) -> String {
    let folded = fold(text);
    let mut key = String::with_capacity(folded.len());
    for word in words(&folded) {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_the_same_words_fold_to_one() {
        assert_eq!(key("  I CAN’T find\tmy ｃａｒｄ!! "), "i can't find my card");
        assert_eq!(key("Straße, ﬁn\u{AD}ance… №5"), "straße fin ance no5");
        assert_eq!(key("'quoted' — e\u{301}t\u{e9}"), "quoted été");
    }

    proptest! {
        #[test]
        fn no_text_makes_folding_panic(text in any::<String>()) {
            let once = key(&text);
            prop_assert!(!once.contains("  "));
        }
    }
}
