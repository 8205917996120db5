//! What a letter about a notice says: what changed, when, by whose hand, from where if that is known, and
//! what to do about it. It has one address in it, the console's; nothing in it asks for a password.

use std::net::IpAddr;

use identity::notices::{Letter, NoticeHand, NoticeKind, Told};
use kernel::{Email, Note, Timestamp, Title};
use mail::MailError;

/// The letter about a notice to one of its addresses.
pub(super) fn letter(letter: &Letter, to: &Email, origin: &str) -> Result<mail::Letter, MailError> {
    let (subject, happened) = words(letter.told.kind);
    let text = text(letter, happened, origin);
    Ok(mail::Letter {
        id: letter.told.id.to_string(),
        to: to.clone(),
        subject: Title::new(subject).map_err(|_| MailError::Unwritable)?,
        text: Note::new(&text).map_err(|_| MailError::Unwritable)?,
        at: letter.told.at,
    })
}

fn text(letter: &Letter, happened: &str, origin: &str) -> String {
    let told = &letter.told;
    let mut facts = vec![("When", shown(told.at))];
    // Who asks is content, and stands on the page.
    if page(told.kind).is_empty() {
        facts.push(("By", by(told.hand).to_owned()));
    }
    let address = told.from.as_deref().and_then(|from| from.parse::<IpAddr>().ok());
    let known = [
        ("What", told.what.as_deref().map(harmless)),
        ("Device", told.device.as_deref().map(harmless)),
        ("From", address.map(|address| address.to_string())),
    ];
    facts.extend(known.into_iter().filter_map(|(name, words)| Some((name, words?))));
    let facts: String = facts.iter().map(|(name, words)| format!("  {name:<7} {words}\n")).collect();
    let (name, advice, page) = (harmless(letter.name.as_str()), advice(told), page(told.kind));
    format!(
        "Hello {name},\n\n{happened}\n\n{facts}\n{advice}\n\nThe console is at {origin}{page}\n\nThis letter was written by \
         a program, and nobody reads an answer to it. Wardroom never asks for a password or a code by mail.\n"
    )
}

/// A subject, and what happened in a sentence.
fn words(kind: NoticeKind) -> (&'static str, &'static str) {
    match kind {
        NoticeKind::PasswordChanged => {
            ("Your password was changed", "the password of your Wardroom account was changed.")
        }
        NoticeKind::FactorAdded => (
            "A way to sign in was added",
            "a passkey or an app for codes was added to your Wardroom account.",
        ),
        NoticeKind::FactorRemoved => (
            "A way to sign in was removed",
            "a passkey or the app for codes was removed from your Wardroom account.",
        ),
        NoticeKind::AppCodeReplaced => (
            "Your app for codes was replaced",
            "the app for codes of your Wardroom account was replaced by another.",
        ),
        NoticeKind::RecoveryCodesMade => (
            "New recovery codes were made",
            "new recovery codes were made for your Wardroom account. The old ones are void.",
        ),
        NoticeKind::RecoveryCodeUsed => {
            ("A recovery code was used", "a recovery code was used to sign in to your Wardroom account.")
        }
        NoticeKind::FactorsReset => (
            "Your ways to sign in were removed",
            "all passkeys, the app for codes and the recovery codes of your Wardroom account were removed, and your \
             sessions have ended. You enrol anew by a link that an administrator hands you.",
        ),
        NoticeKind::DetailsChanged => (
            "Your name or address was changed",
            "the name or the e-mail address of your Wardroom account was changed. If it was the address, this letter \
             goes to the old one and to the new one.",
        ),
        NoticeKind::NewDevice => (
            "A sign-in on a new device",
            "somebody signed in to your Wardroom account on a device that was not seen before.",
        ),
        NoticeKind::Enabled => ("Your account may be used again", "your Wardroom account may be used again."),
        NoticeKind::Disabled => (
            "Your account was disabled",
            "your Wardroom account was disabled, and its sessions have ended. Nobody can sign in to it.",
        ),
        NoticeKind::RolesChanged => (
            "Your roles were changed",
            "what your Wardroom account may do was changed: a role was granted or taken away.",
        ),
        NoticeKind::BreakGlassUsed => (
            "A break-glass account was used",
            "somebody signed in to a break-glass account of Wardroom, past the identity provider. You are told because \
             you are an owner. Who it was is on the page Access of the console, where the use waits for a review.",
        ),
        NoticeKind::AccessWaits => (
            "A request for a role waits for you",
            "somebody asks for a role of Wardroom, and a second person has to decide. You are told because you may.",
        ),
        NoticeKind::KeysWait => (
            "A request about keys waits for you",
            "something is to be done to the keys of Wardroom that a second person has to agree to. You are told because \
             you may.",
        ),
        NoticeKind::PolicyWaits => (
            "A change of policies waits for you",
            "other policies are proposed for Wardroom, and a second person has to agree. You are told because you may.",
        ),
        NoticeKind::ReviewWaits => (
            "A break-glass account was used, and waits for a review",
            "somebody signed in to a break-glass account of Wardroom, past the identity provider, and somebody else has \
             to look into it. You are told because you may.",
        ),
    }
}

/// The page of the console that a letter is about, when there is one.
fn page(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::AccessWaits | NoticeKind::ReviewWaits => "/access",
        NoticeKind::KeysWait => "/keys",
        NoticeKind::PolicyWaits => "/policies",
        _ => "",
    }
}

fn by(hand: NoticeHand) -> &'static str {
    match hand {
        NoticeHand::Oneself => "yourself, or somebody with your proofs",
        NoticeHand::Administrator => "an administrator",
        NoticeHand::Provisioning => "your organisation's directory or identity provider",
    }
}

fn advice(told: &Told) -> &'static str {
    match (told.hand, told.kind) {
        (NoticeHand::Oneself, _) => {
            "If this was you, there is nothing to do.\n\nIf it was not, tell your security team now, by a way other than \
             this letter. If you can still sign in, open your account on the console, end the sessions that are not \
             yours, and change what you sign in with."
        }
        (_, NoticeKind::AccessWaits | NoticeKind::KeysWait | NoticeKind::PolicyWaits) => {
            "What it is and who asks is on that page, for those who sign in. If it surprises you, agree to nothing, and \
             ask whoever asked, by a way other than this letter."
        }
        (_, NoticeKind::BreakGlassUsed | NoticeKind::ReviewWaits) => {
            "If nobody agreed to this, tell your security team now, by a way other than this letter, and disable the \
             account."
        }
        (_, NoticeKind::Enabled | NoticeKind::Disabled | NoticeKind::RolesChanged) => {
            "If you did not expect this, ask your administrator or your security team, by a way other than this letter."
        }
        _ => {
            "If you did not ask for this, tell your security team now, by a way other than this letter: whoever changes \
             how you sign in may mean to sign in as you."
        }
    }
}

/// A moment to the minute.
fn shown(at: Timestamp) -> String {
    let text = at.rfc3339();
    let (date, time) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    format!("{date} {time} UTC")
}

/// Words that people chose, without anything that a mailbox could make a link of, and not many of them.
fn harmless(text: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "-'’".contains(c) { c } else { ' ' };
    let text: String = text.chars().take(60).map(kept).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use kernel::{DisplayName, Id, NoticeId, UserId};

    use super::*;

    const KINDS: [NoticeKind; 17] = [
        NoticeKind::PasswordChanged,
        NoticeKind::FactorAdded,
        NoticeKind::FactorRemoved,
        NoticeKind::AppCodeReplaced,
        NoticeKind::RecoveryCodesMade,
        NoticeKind::RecoveryCodeUsed,
        NoticeKind::FactorsReset,
        NoticeKind::DetailsChanged,
        NoticeKind::NewDevice,
        NoticeKind::Enabled,
        NoticeKind::Disabled,
        NoticeKind::RolesChanged,
        NoticeKind::BreakGlassUsed,
        NoticeKind::AccessWaits,
        NoticeKind::KeysWait,
        NoticeKind::PolicyWaits,
        NoticeKind::ReviewWaits,
    ];

    fn about(kind: NoticeKind, hand: NoticeHand) -> Letter {
        Letter {
            told: Told {
                id: NoticeId::from_bytes([7; 16]),
                kind,
                hand,
                at: Timestamp::from_millis(1_795_430_000_000),
                from: Some("203.0.113.9".to_owned()),
                device: Some("Firefox on Linux".to_owned()),
                what: Some("see https://evil.example/?a=b <now>".to_owned()),
                seen: None,
            },
            user: UserId::from_bytes([8; 16]),
            name: DisplayName::new("Zoë O'Neill www.evil.example").unwrap(),
            to: vec![Email::new("zoe@example.org").unwrap()],
            tries: 0,
        }
    }

    #[test]
    fn a_letter_says_what_when_by_whom_and_from_where() {
        let about = about(NoticeKind::FactorAdded, NoticeHand::Oneself);
        let letter = letter(&about, &about.to[0], "https://desk.example:9443").unwrap();
        assert_eq!(letter.subject.as_str(), "A way to sign in was added");
        let text = letter.text.as_str();
        for words in [
            "Hello Zoë O'Neill www evil example,",
            "a passkey or an app for codes was added",
            "When    2026-11-23 10:33 UTC",
            "By      yourself, or somebody with your proofs",
            "What    see https evil example a b now",
            "Device  Firefox on Linux",
            "From    203.0.113.9",
            "tell your security team now",
            "The console is at https://desk.example:9443\n",
        ] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
    }

    #[test]
    fn every_letter_is_short_and_has_the_console_as_its_one_address() {
        for kind in KINDS {
            for hand in [NoticeHand::Oneself, NoticeHand::Administrator, NoticeHand::Provisioning] {
                let about = about(kind, hand);
                let letter = letter(&about, &about.to[0], "https://desk.example:9443").unwrap();
                let text = letter.text.as_str();
                assert!(text.len() < 1200, "{}", text.len());
                assert_eq!((text.matches("://").count(), text.matches("www.").count()), (1, 0), "{text}");
                assert!(!text.contains("zoe@example.org"), "{text}");
            }
        }
    }
}
