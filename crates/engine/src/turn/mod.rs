//! One turn: an open form first, then what the person wants, then what the bot knows, then the
//! honest answer that it does not know.

mod answer;
mod loaded;
mod service;

pub use answer::answer;
pub use loaded::LoadedRelease;
pub use service::{Engine, Limits};

/// A text that can stand in a message of at most `most` characters: without control characters, and
/// cut after a word when it is too long.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let fit = |c: &char| match c {
        '\n' | '\t' => true,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
        c => !c.is_control(),
    };
    let clean: String = text.chars().filter(fit).collect();
    if clean.chars().count() <= most {
        return clean;
    }
    let cut: String = clean.chars().take(most.saturating_sub(2)).collect();
    let end = cut.rfind(char::is_whitespace).filter(|end| *end > cut.len() / 2).unwrap_or(cut.len());
    format!("{} …", cut.get(..end).unwrap_or(&cut).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{MessageText, Title};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_printable_text_can_stand_in_a_message(text in any::<String>()) {
            let printable = printable(&text, Title::MAX);
            prop_assert!(printable.trim().is_empty() || MessageText::new(&printable).is_ok());
        }
    }

    #[test]
    fn a_long_text_is_cut_after_a_word() {
        assert_eq!(printable("one two three", 9), "one two …");
        assert_eq!(printable("one\u{0}two\u{202E}", 9), "onetwo");
    }
}
