//! The bot that these tests talk to, and a way to talk to it.
#![expect(clippy::unwrap_used, reason = "a helper of tests that cannot go on stops the test")]

use std::fmt::Write;
use std::sync::Arc;

use engine::intents::{Options, train};
use engine::turn::{LoadedRelease, answer};
use kernel::{BotName, Id, MessageText, ReleaseId, Timestamp};
use wire::release::{
    Choice, Confidence, Flow, Handoff, Intent, Manifest, Outcome, Passage, Release, Response, Slot, SlotKind,
};
use wire::turn::{Act, Basis, Reply, TurnRequest, TurnState};

/// Sunday, 22 November 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_378_500_000);

const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "opening_hours",
        &[
            "when are you open",
            "what are your opening hours",
            "is the branch open on saturday",
            "until what time can I come by",
            "are you open today",
        ],
    ),
    (
        "lost_card",
        &[
            "I lost my card",
            "my card was stolen",
            "block my card please",
            "my debit card is missing",
            "someone took my credit card",
            "I cannot find my card anywhere",
        ],
    ),
    (
        "complain",
        &[
            "I want to complain",
            "I have a complaint about your service",
            "this is unacceptable, I want to make a complaint",
            "where can I file a complaint",
        ],
    ),
    (
        "speak_to_person",
        &[
            "let me speak to a human being",
            "can I talk to an employee",
            "connect me with support staff",
            "I would rather speak with a real person",
        ],
    ),
    ("thanks", &["thank you", "thanks a lot", "great, thanks", "cheers", "many thanks"]),
    ("greeting", &["hello", "hi there", "good morning", "hey", "good evening"]),
];

fn passage(title: &str, headings: &[&str], url: &str, text: &str) -> Passage {
    Passage {
        title: title.into(),
        headings: headings.iter().map(|h| (*h).into()).collect(),
        url: url.into(),
        text: text.into(),
    }
}

fn passages() -> Vec<Passage> {
    vec![
        passage(
            "Fees",
            &["Transfers abroad"],
            "https://bank.example/fees#abroad",
            "A transfer inside the euro area is free. A transfer in another currency costs 4.50 EUR plus the fees \
             of the receiving bank.\n\nTransfers arrive within one business day inside the euro area, and within \
             four elsewhere.",
        ),
        passage(
            "Fees",
            &["Cash machines"],
            "https://bank.example/fees#cash",
            "Withdrawals at our own machines are free. Other banks may charge a fee, which the machine shows before \
             you confirm.",
        ),
        passage(
            "Mortgages",
            &["Early repayment"],
            "https://bank.example/mortgages#early",
            "You may repay up to five percent of the original loan each year without a penalty. Tell us four weeks \
             before.",
        ),
        passage(
            "Security",
            &["Phishing"],
            "https://bank.example/security#phishing",
            "We never ask for your PIN or your password by e-mail. Forward a suspicious message to \
             phishing@bank.example and delete it.",
        ),
    ]
}

fn slot(name: &str, ask: &str, kind: SlotKind) -> Slot {
    Slot { name: name.into(), ask: ask.into(), retry: None, kind, optional: false }
}

fn flows() -> Vec<Flow> {
    let card = |value: &str, label: &str, synonyms: &[&str]| Choice {
        value: value.into(),
        label: label.into(),
        synonyms: synonyms.iter().map(|s| (*s).into()).collect(),
    };
    vec![
        Flow {
            name: "lost_card".into(),
            title: "report a lost card".into(),
            intro: Some("I am sorry to hear that. I will block it with you.".into()),
            slots: vec![
                slot(
                    "card",
                    "Which card is it?",
                    SlotKind::Choice {
                        options: vec![
                            card("debit", "Debit card", &["bank card"]),
                            card("credit", "Credit card", &["visa"]),
                        ],
                    },
                ),
                slot("lost_on", "When did you last have it?", SlotKind::Date { past: true, future: false }),
                Slot {
                    retry: Some("I need a number that we can call back.".into()),
                    optional: true,
                    ..slot(
                        "phone",
                        "On which number can we call you? Say skip to leave it out.",
                        SlotKind::Phone,
                    )
                },
                slot("email", "Where do we write to?", SlotKind::Email),
            ],
            confirm: Some("Block the {card}, last seen {lost_on}, and write to {email}?".into()),
            outcome: Outcome::Ticket {
                title: "Lost card: {card}".into(),
                body: "Card: {card}\nLast seen: {lost_on}\nPhone: {phone}\nE-mail: {email}".into(),
                contact: Some("email".into()),
                text: "Done: the {card} is blocked. We write to {email}.".into(),
            },
            cancelled: "All right, I have blocked nothing.".into(),
        },
        Flow {
            name: "complaint".into(),
            title: "make a complaint".into(),
            intro: None,
            slots: vec![
                slot("what", "What went wrong?", SlotKind::Text { max: 500 }),
                slot(
                    "score",
                    "From 1 to 5, how bad is it?",
                    SlotKind::Number { min: Some(1.0), max: Some(5.0), integer: true },
                ),
            ],
            confirm: None,
            outcome: Outcome::Handoff { text: "I hand this to a colleague: {what} ({score} of 5)".into() },
            cancelled: "I have noted nothing.".into(),
        },
    ]
}

/// The bank's bot.
pub(crate) fn release() -> Release {
    let answer = |text: &str| Response::Answer { text: text.into() };
    let intent = |name: &str, response| Intent { name: name.into(), response };
    Release {
        manifest: Manifest {
            name: BotName::new("bank").unwrap(),
            title: "Bank".into(),
            description: "Helps customers of a small bank.".into(),
            language: "en".into(),
            greeting: "Hello.".into(),
            fallback: "I am not sure about that.".into(),
            suggestions: vec![],
            handoff: Handoff { enabled: true, message: "A colleague will join in a moment.".into() },
            confidence: Confidence { intent: 0.5, knowledge: 0.5 },
            allowed_origins: vec![],
            people: Default::default(),
            retention_days: None,
        },
        passages: passages(),
        intents: vec![
            intent("opening_hours", answer("We are open Monday to Friday from 9 to 17.")),
            intent("lost_card", Response::Flow { flow: "lost_card".into() }),
            intent("complain", Response::Flow { flow: "complaint".into() }),
            intent("speak_to_person", Response::Handoff),
            intent("thanks", answer("You are welcome.")),
            intent("greeting", answer("Hello! How can I help?")),
        ],
        flows: flows(),
        model: train(EXAMPLES, &Options::default()).unwrap(),
    }
}

pub(crate) fn loaded() -> LoadedRelease {
    LoadedRelease::new(Arc::new(release())).unwrap()
}

pub(crate) fn request(text: &str, state: Option<TurnState>) -> TurnRequest {
    TurnRequest {
        release: ReleaseId::from_bytes([7; 16]),
        locale: None,
        history: vec![],
        text: MessageText::new(text).unwrap(),
        state,
        now: NOW,
    }
}

/// A conversation as it reads: what the person says, what the bot says, and why. Probabilities are
/// left out: they are measured, not fixed.
pub(crate) fn transcript(loaded: &LoadedRelease, says: &[&str]) -> String {
    let (mut state, mut script) = (None, String::new());
    for text in says {
        let reply: Reply = answer(loaded, &request(text, state.take())).unwrap();
        writeln!(script, "> {text}").unwrap();
        for line in reply.text.as_str().lines() {
            writeln!(script, "{}", format!("  {line}").trim_end()).unwrap();
        }
        let basis = match &reply.basis {
            Basis::Intent { name, .. } => format!("intent {name}"),
            Basis::Knowledge { url, .. } => format!("knowledge {url}"),
            Basis::Flow { flow, slot } => format!("flow {flow} {}", slot.as_deref().unwrap_or("-")),
            Basis::Fallback => "fallback".to_owned(),
        };
        writeln!(script, "  [{basis}]").unwrap();
        match &reply.act {
            Some(Act::Handoff) => writeln!(script, "  [handoff]").unwrap(),
            Some(Act::Ticket { title, body, contact }) => {
                let contact = contact.as_ref().map_or("-", |email| email.as_str());
                let body = body.as_str().replace('\n', " | ");
                writeln!(script, "  [ticket {}; {body}; for {contact}]", title.as_str()).unwrap();
            }
            None => {}
        }
        state = reply.state;
    }
    script
}
