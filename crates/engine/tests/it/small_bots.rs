//! What a bot with a handful of examples makes of people it was not trained on.
#![expect(clippy::unwrap_used, reason = "a helper of tests that cannot go on stops the test")]

use engine::intents::{Model, Options, Prediction, train};

use crate::bank::{loaded, release};

/// What the bank's bot would take: a label, when it is sure enough.
fn taken<'m>(model: &'m Model, text: &str) -> Option<&'m str> {
    let Prediction { label, probability, in_scope, .. } = model.predict(text).unwrap();
    (in_scope && probability >= 0.5).then_some(label)
}

#[test]
fn other_words_for_the_same_wish_are_mostly_understood() {
    let loaded = loaded();
    let model = loaded.model().unwrap();
    let said = [
        ("when do you open tomorrow", "opening_hours"),
        ("what are the opening hours of your branch", "opening_hours"),
        ("are you open on sundays?", "opening_hours"),
        ("my card is gone, please block it", "lost_card"),
        ("someone has stolen my credit card", "lost_card"),
        ("I can't find my debit card", "lost_card"),
        ("I have lost my cards", "lost_card"),
        ("I'd like to make a complaint", "complain"),
        ("how do I complain about an employee", "complain"),
        ("I want to talk to a human", "speak_to_person"),
        ("connect me to a real person", "speak_to_person"),
        ("thanks so much", "thanks"),
        ("thank you very much for the help", "thanks"),
        ("hello there", "greeting"),
        ("good morning everybody", "greeting"),
    ];
    let right = said.iter().filter(|(text, label)| taken(model, text) == Some(*label)).count();
    let wrong: Vec<_> = said
        .iter()
        .filter_map(|(text, label)| Some((*text, taken(model, text).filter(|taken| taken != label)?)))
        .collect();
    assert!(right >= 12, "{right} of {}; wrong: {wrong:?}", said.len());
    assert!(wrong.len() <= 1, "{wrong:?}");
}

#[test]
fn strangers_are_mostly_sent_away() {
    let loaded = loaded();
    let model = loaded.model().unwrap();
    let strangers = [
        "eleven",
        "yesterday evening, I think",
        "what colour was the horse of Napoleon",
        "how do I renew my passport",
        "can you recommend a dentist",
        "who is going to win the election",
        "my laptop does not start",
        "asdf qwer",
        "what's the capital of Mongolia",
        "I am hungry",
        "is the earth flat",
        "the quick brown fox jumps over the lazy dog",
        "12345",
        "I want to fly to Lisbon in June",
        "when was the French revolution",
    ];
    let taken: Vec<_> = strangers.iter().filter_map(|text| Some((*text, taken(model, text)?))).collect();
    assert!(taken.len() <= 2, "{taken:?}");
}

#[test]
fn a_bot_with_one_intent_knows_a_stranger() {
    let bytes = train(
        &[("reset", &["reset my password", "I forgot my password", "new password please"])],
        &Options::default(),
    );
    let model = Model::decode(&bytes.unwrap()).unwrap();
    assert_eq!(taken(&model, "I forgot the password"), Some("reset"));
    assert_eq!(taken(&model, "where is the canteen"), None);
    assert_eq!(model.predict("anything").unwrap().runner_up, None);
}

#[test]
fn the_same_examples_make_the_same_bytes() {
    assert_eq!(release().model, release().model);
}

#[test]
fn what_is_told_to_be_out_of_scope_is() {
    let intents: &[(&str, &[&str])] = &[
        ("hours", &["when are you open", "opening hours", "are you open now"]),
        ("lost", &["lost my card", "card stolen"]),
    ];
    let trained = |outside: &[&str]| {
        let out_of_scope = outside.iter().map(|text| (*text).to_owned()).collect();
        Model::decode(&train(intents, &Options { out_of_scope, ..Options::default() }).unwrap()).unwrap()
    };
    let probability = |model: &Model| model.predict("open a bottle").unwrap().probability;
    let (without, with) =
        (trained(&[]), trained(&["open a tin", "open the door", "open the bottle of wine"]));
    assert!(probability(&with) < probability(&without));
}
