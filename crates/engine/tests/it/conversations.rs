//! Conversations from beginning to end. The snapshots are transcripts: read them.

use engine::turn::LoadedRelease;
use std::sync::Arc;

use crate::bank::{loaded, release, transcript};

#[test]
fn a_lost_card_is_reported_with_every_answer_checked() {
    insta::assert_snapshot!(transcript(
        &loaded(),
        &[
            "hi, someone stole my card",
            "the bank card",
            "tomorrow",
            "yesterday evening, I think",
            "12",
            "skip",
            "ada at example",
            "it's ada@example.org",
            "yes",
            "thanks!",
        ],
    ));
}

#[test]
fn an_answer_can_be_changed_before_the_end() {
    insta::assert_snapshot!(transcript(
        &loaded(),
        &[
            "block my card",
            "2",
            "20.11.2026",
            "+44 20 7946 0018",
            "ada@example.org",
            "no",
            "lost on",
            "10/11/2026",
            "10 November 2026",
            "change the email",
            "bob@example.org",
            "hm, maybe",
            "yes please",
        ],
    ));
}

#[test]
fn a_form_can_be_given_up_and_interrupted() {
    insta::assert_snapshot!(transcript(
        &loaded(),
        &[
            "I lost my card",
            "what are your opening hours?",
            "How much is a transfer in another currency?",
            "a green one",
            "a blue one",
            "never mind",
            "I lost my card",
            "let me speak to a human being",
        ],
    ));
}

#[test]
fn free_text_is_taken_as_it_is_unless_it_is_a_question() {
    insta::assert_snapshot!(transcript(
        &loaded(),
        &[
            "I want to make a complaint",
            "Can I repay my mortgage early?",
            "your employee took my card and was rude to me",
            "eleven",
            "five",
        ],
    ));
}

#[test]
fn what_the_bank_knows_is_quoted_and_cited() {
    insta::assert_snapshot!(transcript(
        &loaded(),
        &[
            "hello",
            "how much does a trasnfer to another curency cost?",
            "someone asked for my PIN by email, is that you?",
            "what do cash machines of other banks charge?",
            "how do I grow tomatoes?",
            "yes",
        ],
    ));
}

#[test]
fn who_asks_for_a_person_gets_one_where_there_is_one() {
    insta::assert_snapshot!(
        "with_people",
        transcript(&loaded(), &["human", "I would rather speak with a person"])
    );
    let mut release = release();
    release.manifest.handoff.enabled = false;
    let loaded = LoadedRelease::new(Arc::new(release)).unwrap();
    insta::assert_snapshot!(
        "without_people",
        transcript(
            &loaded,
            &["human", "which horse won the derby?", "yes", "I want to complain", "all", "5"]
        )
    );
}
