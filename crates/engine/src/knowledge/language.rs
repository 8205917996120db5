//! What is particular to a language when its words are looked up: its endings, and the words that
//! every question has.

use tantivy::tokenizer::{Language, LowerCaser, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer};

/// Words that English questions are made of and that say nothing about their subject. The list that
/// comes with the index knows articles and prepositions only; those of other languages are whole.
const ENGLISH: &[&str] = &[
    "about",
    "after",
    "again",
    "all",
    "also",
    "am",
    "any",
    "anybody",
    "anyone",
    "anything",
    "because",
    "been",
    "before",
    "being",
    "both",
    "can",
    "cannot",
    "could",
    "couldn",
    "did",
    "didn",
    "do",
    "does",
    "doesn",
    "doing",
    "don",
    "each",
    "else",
    "ever",
    "every",
    "few",
    "from",
    "had",
    "has",
    "hasn",
    "have",
    "haven",
    "having",
    "he",
    "hello",
    "help",
    "her",
    "here",
    "hers",
    "hi",
    "him",
    "his",
    "how",
    "i",
    "isn",
    "its",
    "just",
    "know",
    "let",
    "like",
    "ll",
    "m",
    "may",
    "me",
    "might",
    "more",
    "most",
    "much",
    "must",
    "my",
    "need",
    "now",
    "off",
    "once",
    "only",
    "other",
    "our",
    "ours",
    "out",
    "own",
    "please",
    "possible",
    "re",
    "s",
    "same",
    "shall",
    "she",
    "should",
    "shouldn",
    "so",
    "some",
    "somebody",
    "someone",
    "something",
    "t",
    "tell",
    "than",
    "thank",
    "thanks",
    "them",
    "those",
    "through",
    "too",
    "under",
    "until",
    "up",
    "us",
    "ve",
    "very",
    "want",
    "wasn",
    "way",
    "we",
    "were",
    "weren",
    "what",
    "when",
    "where",
    "whether",
    "which",
    "while",
    "who",
    "whom",
    "why",
    "won",
    "would",
    "wouldn",
    "yes",
    "you",
    "your",
    "yours",
];

/// Words of English questions that say a little, but much less than their rarity in a manual makes
/// believe: what people do with any subject.
const LIGHT: &[&str] = &[
    "actual",
    "actually",
    "allow",
    "already",
    "always",
    "another",
    "around",
    "ask",
    "bad",
    "become",
    "big",
    "bring",
    "call",
    "change",
    "come",
    "correct",
    "correctly",
    "current",
    "currently",
    "difference",
    "different",
    "easy",
    "enough",
    "example",
    "exist",
    "explain",
    "find",
    "first",
    "get",
    "give",
    "go",
    "good",
    "happen",
    "huge",
    "keep",
    "large",
    "last",
    "live",
    "long",
    "look",
    "lot",
    "make",
    "many",
    "mean",
    "never",
    "new",
    "often",
    "old",
    "one",
    "open",
    "part",
    "people",
    "prevent",
    "problem",
    "put",
    "question",
    "quick",
    "quickly",
    "really",
    "right",
    "run",
    "say",
    "see",
    "set",
    "setup",
    "show",
    "simple",
    "slow",
    "small",
    "start",
    "still",
    "stop",
    "take",
    "thing",
    "time",
    "try",
    "turn",
    "two",
    "use",
    "user",
    "work",
    "write",
    "wrong",
];

/// The words that say little, as they stand in the index.
pub(super) fn light(analyzer: &mut TextAnalyzer, tag: &str) -> std::collections::BTreeSet<String> {
    let english = tag.split(['-', '_']).next().is_some_and(|tag| tag.eq_ignore_ascii_case("en"));
    if english { LIGHT.iter().flat_map(|word| terms(analyzer, word)).collect() } else { Default::default() }
}

/// Takes texts of one language apart into the terms that stand in the index.
pub(super) fn analyzer(tag: &str) -> TextAnalyzer {
    let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let language = match primary.as_str() {
        "ar" => Some(Language::Arabic),
        "da" => Some(Language::Danish),
        "de" => Some(Language::German),
        "el" => Some(Language::Greek),
        "en" => Some(Language::English),
        "es" => Some(Language::Spanish),
        "fi" => Some(Language::Finnish),
        "fr" => Some(Language::French),
        "hu" => Some(Language::Hungarian),
        "it" => Some(Language::Italian),
        "nb" | "nn" | "no" => Some(Language::Norwegian),
        "nl" => Some(Language::Dutch),
        "pt" => Some(Language::Portuguese),
        "ro" => Some(Language::Romanian),
        "ru" => Some(Language::Russian),
        "sv" => Some(Language::Swedish),
        "ta" => Some(Language::Tamil),
        "tr" => Some(Language::Turkish),
        _ => None,
    };
    let Some(language) = language else {
        return TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    };
    let analyzer = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).dynamic();
    let analyzer = match StopWordFilter::new(language) {
        Some(stop) => analyzer.filter_dynamic(stop),
        None => analyzer,
    };
    let analyzer = match language {
        Language::English => {
            analyzer.filter_dynamic(StopWordFilter::remove(ENGLISH.iter().map(|word| (*word).to_owned())))
        }
        _ => analyzer,
    };
    analyzer.filter_dynamic(Stemmer::new(language)).build()
}

/// A text as it is indexed and asked: folded, with `e-mail` and `re-use` written as one word, as
/// others write them.
pub(super) fn prepare(text: &str) -> String {
    let folded = crate::text::fold(text);
    let mut prepared = String::with_capacity(folded.len());
    let mut before = 0;
    let mut rest = folded.chars().peekable();
    while let Some(c) = rest.next() {
        let joins =
            c == '-' && (1..=2).contains(&before) && rest.peek().is_some_and(|next| next.is_alphabetic());
        if !joins {
            prepared.push(c);
        }
        before = if c.is_alphabetic() {
            before + 1
        } else if c.is_alphanumeric() {
            3
        } else {
            0
        };
    }
    prepared
}

/// The terms of a text, in order.
pub(super) fn terms(analyzer: &mut TextAnalyzer, text: &str) -> Vec<String> {
    let folded = prepare(text);
    let mut stream = analyzer.token_stream(&folded);
    let mut terms = Vec::new();
    stream.process(&mut |token| terms.push(token.text.clone()));
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_down_to_its_subject() {
        let of = |tag: &str, text: &str| terms(&mut analyzer(tag), text).join(" ");
        assert_eq!(of("en-GB", "How do I rotate the signing keys, please?"), "rotat sign key");
        assert_eq!(of("de", "Wie kann ich meine Karten sperren?"), "kart sperr");
        assert_eq!(of("xx", "Kiel mi povas?"), "kiel mi povas");
        assert_eq!(of("en", "E-mail, e-mails and emails; read-only"), "email email email read");
    }
}
