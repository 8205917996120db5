//! What an answer says, for each kind of slot: the value that is kept, or what is wrong in words that
//! help. People answer in sentences (`it's ada@example.org`, `the gold one please`), so the value is
//! looked for in the answer; two values where one is asked for are none.

use jiff::civil::Date;
use kernel::Email;
use wire::release::{Choice, SlotKind};

use super::dates::{self, Read, Side};
use crate::phrases::Phrases;
use crate::text::{key, words};

/// The longest telephone number, in digits (ITU-T E.164), and a shortest one that can be dialled.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

/// What surrounds an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'p> {
    pub(super) today: Date,
    pub(super) phrases: &'p Phrases,
}

/// Why an answer is not taken, as a sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// There is no value of this kind in it: it may have been meant for something else.
    Kind(String),
    /// There is one, out of bounds: it was meant for an answer.
    Bounds(String),
    /// There are two ways to read it, and the sentence asks which.
    Ambiguous(String),
}

/// Reads an answer.
///
/// # Errors
/// When it is not taken, with the reason.
pub(super) fn read(kind: &SlotKind, answer: &str, around: Around<'_>) -> Result<String, Wrong> {
    let phrases = around.phrases;
    let none = |wrong: &str| Wrong::Kind(wrong.to_owned());
    match kind {
        SlotKind::Text { max } => text(answer, *max, phrases),
        SlotKind::Email => email(answer).ok_or_else(|| none(phrases.not_email)),
        SlotKind::Phone => phone(answer).ok_or_else(|| none(phrases.not_phone)),
        SlotKind::Date { past, future } => date(answer, Side { past: *past, future: *future }, around),
        SlotKind::Number { min, max, integer } => number(answer, (*min, *max), *integer, phrases),
        SlotKind::Choice { options } => {
            choice(options, answer, phrases).ok_or_else(|| none(phrases.not_choice))
        }
    }
}

fn text(answer: &str, max: u32, phrases: &Phrases) -> Result<String, Wrong> {
    let answer = answer.trim();
    if answer.chars().count() > usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(Wrong::Bounds(phrases.too_long.replace("{limit}", &max.to_string())));
    }
    if answer.is_empty() { Err(Wrong::Kind(phrases.needed.to_owned())) } else { Ok(answer.to_owned()) }
}

/// The one address in the answer.
fn email(answer: &str) -> Option<String> {
    let marks = |c: char| "<>()[]{},;:\"'!?.".contains(c);
    let tokens = answer.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
    let mut found = tokens.filter_map(|token| Email::new(token.trim_matches(marks)).ok());
    let first = found.next()?;
    found.all(|other| other == first).then(|| first.as_str().to_owned())
}

/// The one number in the answer, in E.164 where it says its country: with `+` or `00` in front.
fn phone(answer: &str) -> Option<String> {
    let start = answer.find(|c: char| c == '+' || c.is_ascii_digit())?;
    let end = answer.rfind(|c: char| c.is_ascii_digit())?;
    let middle = answer.get(start..=end)?;
    let (plus, rest) = match middle.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, middle),
    };
    if !rest.chars().all(|c| c.is_ascii_digit() || " ()-./\u{a0}\u{2011}\u{2013}".contains(c)) {
        return None;
    }
    // `+44 (0)20 ..`: the zero is dialled inside the country only.
    let rest = if plus { rest.replace("(0)", "") } else { rest.to_owned() };
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let (international, digits) = match digits.strip_prefix("00") {
        Some(rest) if !plus => (true, rest.to_owned()),
        _ => (plus, digits),
    };
    if !PHONE_DIGITS.contains(&digits.len()) || (international && digits.starts_with('0')) {
        return None;
    }
    Some(if international { format!("+{digits}") } else { digits })
}

fn date(answer: &str, side: Side, around: Around<'_>) -> Result<String, Wrong> {
    let Around { today, phrases } = around;
    match dates::read(answer, today, side, phrases) {
        Read::One(date) if date < today && !side.past => Err(Wrong::Bounds(phrases.date_past.to_owned())),
        Read::One(date) if date > today && !side.future => Err(Wrong::Bounds(phrases.date_future.to_owned())),
        Read::One(date) => Ok(date.to_string()),
        Read::Either(a, b) => {
            // Only one of both may be on the side that fits; then it is meant.
            let fits = |date: &Date| (*date >= today || side.past) && (*date <= today || side.future);
            match (fits(&a), fits(&b)) {
                (true, false) => Ok(a.to_string()),
                (false, true) => Ok(b.to_string()),
                _ => {
                    let which = phrases.date_ambiguous.replace("{a}", &spelt(a, phrases));
                    Err(Wrong::Ambiguous(which.replace("{b}", &spelt(b, phrases))))
                }
            }
        }
        Read::None => Err(Wrong::Kind(phrases.not_date.to_owned())),
    }
}

/// `12 july 2026`, which has one reading only.
fn spelt(date: Date, phrases: &Phrases) -> String {
    let month = usize::try_from(date.month() - 1).ok().and_then(|at| phrases.months.get(at));
    let month = month.and_then(|names| names.first()).copied().unwrap_or_default();
    let mut letters = month.chars();
    let month: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{} {month} {}", date.day(), date.year())
}

fn number(
    answer: &str,
    (min, max): (Option<f64>, Option<f64>),
    integer: bool,
    phrases: &Phrases,
) -> Result<String, Wrong> {
    let number = one_number(answer, phrases).ok_or_else(|| Wrong::Kind(phrases.not_number.to_owned()))?;
    if integer && number.fract() != 0.0 {
        return Err(Wrong::Bounds(phrases.not_whole.to_owned()));
    }
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(Wrong::Bounds(phrases.too_small.replace("{limit}", &min.to_string())));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(Wrong::Bounds(phrases.too_large.replace("{limit}", &max.to_string())));
    }
    // Zero has one spelling.
    Ok((number + 0.0).to_string())
}

/// The one number in the answer, in digits or in words up to twelve.
fn one_number(answer: &str, phrases: &Phrases) -> Option<f64> {
    let tokens = answer.split_whitespace().filter(|token| token.contains(|c: char| c.is_ascii_digit()));
    let mut tokens = tokens.map(|token| token.trim_matches(|c: char| !c.is_ascii_digit() && c != '-'));
    if let Some(first) = tokens.next() {
        // `1 500` is one number; `3 or 4` is not.
        let rest: Vec<&str> = tokens.collect();
        let grouped = rest.iter().all(|part| part.len() >= 3 && part.get(..3).is_some_and(all_digits));
        let joined = format!("{first}{}", rest.concat());
        return if grouped { plain_number(&joined, phrases.decimal_comma) } else { None };
    }
    let said = key(answer);
    let spelt = |word: &&str| (0u8..).zip(phrases.numbers).find(|(_, names)| names.contains(word));
    let exact = spelt(&said.as_str());
    let mut among = words(&said).filter_map(|word| spelt(&word));
    let first = exact.or_else(|| among.next().filter(|first| among.all(|other| other.0 == first.0)))?;
    Some(f64::from(first.0))
}

fn all_digits(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit())
}

/// A number with the marks of its language: `1,234.5` or `1.234,5`.
fn plain_number(token: &str, decimal_comma: bool) -> Option<f64> {
    let (group, point) = if decimal_comma { ('.', ',') } else { (',', '.') };
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let (whole, fraction) = unsigned.split_once(point).unwrap_or((unsigned, ""));
    let mut groups = whole.split(group);
    let first = groups.next()?;
    let well_grouped = all_digits(first)
        && !first.is_empty()
        && groups.clone().all(|part| part.len() == 3 && all_digits(part))
        && (first.len() <= 3 || groups.clone().next().is_none());
    // `2.5` is written with a point everywhere by some; one group that cannot be one is a fraction.
    if !well_grouped && !whole.is_empty() && fraction.is_empty() && whole.matches(group).count() == 1 {
        return token.replace(group, ".").parse().ok();
    }
    if !well_grouped || !all_digits(fraction) || whole.len() > 20 {
        return None;
    }
    token.replace(group, "").replace(point, ".").parse().ok().filter(|number: &f64| number.is_finite())
}

/// The one option that the answer names: by value, label or another word; by its number in the list;
/// by how it begins; or somewhere in a sentence.
pub(super) fn choice(options: &[Choice], answer: &str, phrases: &Phrases) -> Option<String> {
    let said = key(answer);
    if said.is_empty() {
        return None;
    }
    let names = |option: &Choice| -> Vec<String> {
        [&option.value, &option.label].into_iter().chain(&option.synonyms).map(|name| key(name)).collect()
    };
    let only = |fits: &dyn Fn(&str) -> bool| -> Option<String> {
        let mut fitting = options.iter().filter(|option| names(option).iter().any(|name| fits(name)));
        let first = fitting.next()?;
        fitting.next().is_none().then(|| first.value.clone())
    };
    let bare: Vec<&str> = words(&said).filter(|word| !phrases.filler.contains(word)).collect();
    let bare = bare.join(" ");
    let by_number = |text: &str| {
        let number: usize = text.trim_start_matches('#').parse().ok()?;
        options.get(number.checked_sub(1)?).map(|option| option.value.clone())
    };
    only(&|name| name == said)
        .or_else(|| by_number(&said))
        .or_else(|| by_number(&bare))
        .or_else(|| only(&|name| !bare.is_empty() && name == bare))
        .or_else(|| only(&|name| name.starts_with(&said)))
        .or_else(|| only(&|name| !bare.is_empty() && name.starts_with(&bare)))
        .or_else(|| only(&|name| !name.is_empty() && format!(" {said} ").contains(&format!(" {name} "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phrases;
    use jiff::civil::date as day;
    use proptest::prelude::*;

    fn reads(kind: &SlotKind, answer: &str) -> Result<String, String> {
        let around = Around { today: day(2026, 11, 22), phrases: phrases::of("en") };
        read(kind, answer, around).map_err(|wrong| match wrong {
            Wrong::Kind(said) | Wrong::Bounds(said) | Wrong::Ambiguous(said) => said,
        })
    }

    fn cards() -> SlotKind {
        let option = |value: &str, label: &str, synonyms: &[&str]| Choice {
            value: value.into(),
            label: label.into(),
            synonyms: synonyms.iter().map(|s| (*s).into()).collect(),
        };
        SlotKind::Choice {
            options: vec![
                option("debit", "Debit card", &["bank card", "EC"]),
                option("credit", "Credit card", &["visa"]),
                option("gold", "Gold credit card", &[]),
            ],
        }
    }

    #[test]
    fn an_address_is_found_in_a_sentence() {
        assert_eq!(reads(&SlotKind::Email, "it's <Ada@Example.org>.").unwrap(), "ada@example.org");
        assert!(reads(&SlotKind::Email, "ada@example.org or bob@example.org").is_err());
        assert!(reads(&SlotKind::Email, "I have none").is_err());
    }

    #[test]
    fn a_telephone_number_with_a_country_is_kept_in_e164() {
        for (answer, kept) in [
            ("+44 (0)20 7946 0018", "+442079460018"),
            ("0049 30/901820", "+4930901820"),
            ("call me on 030 901820, thanks", "030901820"),
        ] {
            assert_eq!(reads(&SlotKind::Phone, answer).unwrap(), kept);
        }
        for bad in ["123", "+0123456789", "12345678901234567890", "1234x5678", "no"] {
            assert!(reads(&SlotKind::Phone, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_date_on_the_wrong_side_or_with_two_readings_is_asked_back() {
        let kind = |past, future| SlotKind::Date { past, future };
        assert_eq!(reads(&kind(true, false), "tomorrow").unwrap_err(), "That date is still to come.");
        assert_eq!(reads(&kind(false, true), "yesterday").unwrap_err(), "That date has passed already.");
        assert_eq!(reads(&kind(true, false), "today").unwrap(), "2026-11-22");
        assert_eq!(
            reads(&kind(true, true), "07/12/2026").unwrap_err(),
            "Do you mean 7 December 2026 or 12 July 2026?"
        );
        assert_eq!(reads(&kind(false, true), "07/12/2026").unwrap(), "2026-12-07");
    }

    #[test]
    fn numbers_are_read_with_the_marks_of_their_language() {
        let kind = SlotKind::Number { min: Some(0.0), max: Some(10_000.0), integer: false };
        for (answer, kept) in [
            ("1,234.50", "1234.5"),
            ("about 50 euros", "50"),
            ("€12.30", "12.3"),
            ("seven", "7"),
            ("1 500", "1500"),
        ] {
            assert_eq!(reads(&kind, answer).unwrap(), kept, "{answer}");
        }
        for bad in ["3 or 4", "-1", "20000", "none", "1,23,45.6"] {
            assert!(reads(&kind, bad).is_err(), "{bad}");
        }
        assert_eq!(plain_number("1.234,5", true), Some(1234.5));
        assert_eq!(plain_number("2.5", true), Some(2.5));
        let whole = SlotKind::Number { min: None, max: None, integer: true };
        assert_eq!(reads(&whole, "2.5").unwrap_err(), "A whole number is needed here.");
    }

    #[test]
    fn a_choice_is_made_by_name_number_beginning_or_mention() {
        for (answer, kept) in [
            ("DEBIT", "debit"),
            ("credit card", "credit"),
            ("my bank card please", "debit"),
            ("2", "credit"),
            ("number 3", "gold"),
            ("deb", "debit"),
            ("the gold one", "gold"),
            ("I think it was a visa", "credit"),
        ] {
            assert_eq!(reads(&cards(), answer).unwrap(), kept, "{answer}");
        }
        for bad in ["4", "0", "card", "debit or visa", "something else", "?"] {
            assert!(reads(&cards(), bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_panic(answer in any::<String>(), digits in "[+0-9.,/() a-c-]{0,24}") {
            let kinds = [
                SlotKind::Text { max: 5 },
                SlotKind::Email,
                SlotKind::Phone,
                SlotKind::Date { past: true, future: false },
                SlotKind::Number { min: None, max: Some(3.0), integer: true },
                cards(),
            ];
            for kind in kinds {
                let _ = reads(&kind, &answer);
                let _ = reads(&kind, &digits);
            }
        }
    }
}
