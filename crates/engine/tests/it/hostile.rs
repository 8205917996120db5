//! What nobody should send, and somebody will.

use std::sync::Arc;

use engine::intents::{Model, ModelError, Options, TrainError, train};
use engine::turn::{LoadedRelease, answer};
use kernel::MessageText;
use proptest::prelude::*;
use wire::release::Response;
use wire::turn::{EngineError, TurnState};

use crate::bank::{loaded, release, request};

#[test]
fn a_state_of_somebody_else_is_refused() {
    let loaded = loaded();
    for state in [
        "",
        "null",
        "{}",
        r#"{"v":2,"m":"offer"}"#,
        r#"{"v":1,"m":"other"}"#,
        r#"{"v":1,"m":"offer","x":1}"#,
        r#"{"v":1,"m":{"flow":{"flow":"gone","values":{},"step":"confirm","misses":0}}}"#,
        r#"{"v":1,"m":{"flow":{"flow":"lost_card","values":{"iban":"x"},"step":"confirm","misses":0}}}"#,
        r#"{"v":1,"m":{"flow":{"flow":"lost_card","values":{},"step":{"slot":"iban"},"misses":0}}}"#,
    ] {
        let state = TurnState(state.as_bytes().to_vec());
        assert!(
            matches!(answer(&loaded, &request("hello", Some(state.clone()))), Err(EngineError::State)),
            "{state:?}"
        );
    }
}

#[test]
fn a_state_that_skips_ahead_does_not_skip_a_question() {
    let state = br#"{"v":1,"m":{"flow":{"flow":"lost_card","values":{"card":"debit"},"step":"confirm","misses":255}}}"#;
    let reply = answer(&loaded(), &request("yes", Some(TurnState(state.to_vec())))).unwrap();
    assert!(reply.text.as_str().starts_with("When did you last have it?"));
    assert_eq!(reply.act, None);
}

#[test]
fn a_release_that_cannot_run_is_refused() {
    let refused = |change: &dyn Fn(&mut wire::release::Release)| {
        let mut release = release();
        change(&mut release);
        matches!(LoadedRelease::new(Arc::new(release)), Err(EngineError::Release(_)))
    };
    assert!(refused(&|release| release.model.truncate(100)));
    assert!(refused(&|release| release.intents[0].response = Response::Flow { flow: "gone".into() }));
    assert!(refused(&|release| release.intents[0].name = "thanks".into()));
    assert!(refused(&|release| release.flows[0].name = "complaint".into()));
    assert!(!refused(&|_| ()));
}

#[test]
fn what_cannot_be_trained_is_refused_with_its_name() {
    let options = Options::default();
    assert_eq!(train(&[], &options), Err(TrainError::Nothing));
    assert_eq!(train(&[("a", &["?!"])], &options), Err(TrainError::NoExample { label: "a".into() }));
    assert_eq!(
        train(&[("a", &["x"]), ("a", &["y"])], &options),
        Err(TrainError::Twice { label: "a".into() })
    );
}

#[test]
fn a_model_cut_anywhere_is_refused() {
    let bytes =
        train(&[("a", &["one two", "two three"]), ("b", &["red green", "blue"])], &Options::default())
            .unwrap();
    assert!(Model::decode(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(Model::decode(&bytes[..length]).is_err(), "{length}");
    }
    assert_eq!(Model::decode(b"WRI9").unwrap_err(), ModelError::Format);
}

#[test]
fn very_long_and_very_odd_messages_are_answered() {
    let loaded = loaded();
    for text in ["x".repeat(8000), "?".repeat(8000), "a b ".repeat(2000), "🙂".repeat(4000), "ﷺ".repeat(8000)]
    {
        let Ok(text) = MessageText::new(&text) else { continue };
        let reply = answer(&loaded, &wire::turn::TurnRequest { text, ..request("x", None) }).unwrap();
        assert!(!reply.text.as_str().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_decoding_a_model_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
        if magic {
            bytes.splice(0..0, *b"WRI1");
        }
        let _ = Model::decode(&bytes);
    }

    #[test]
    fn a_model_with_a_changed_byte_does_not_panic(at: prop::sample::Index, byte: u8) {
        static BYTES: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| release().model);
        let mut bytes = BYTES.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(model) = Model::decode(&bytes) {
            let _ = model.predict("I lost my card, where are you");
        }
    }

    #[test]
    fn no_words_make_the_bot_panic(texts in proptest::collection::vec("\\PC{1,60}|yes|no|[0-9./]{1,8}", 1..6)) {
        static LOADED: std::sync::LazyLock<LoadedRelease> = std::sync::LazyLock::new(loaded);
        let mut state = answer(&LOADED, &request("I lost my card", None)).unwrap().state;
        for text in texts {
            if MessageText::new(&text).is_ok() {
                state = answer(&LOADED, &request(&text, state)).unwrap().state;
            }
        }
    }
}
