//! Dates as people write them: `tomorrow`, `next friday`, `24.12.2026`, `December 24`, `in two weeks`,
//! `2026-12-24`. A date that can be read in two ways is asked back, never guessed.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::phrases::Phrases;
use crate::text::{fold, words};

/// Which side of today fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub(super) past: bool,
    pub(super) future: bool,
}

/// What a text says about a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Exactly this.
    One(Date),
    /// One of these two.
    Either(Date, Date),
    /// Nothing that is a date.
    None,
}

/// Reads a date out of an answer.
pub(super) fn read(text: &str, today: Date, side: Side, phrases: &Phrases) -> Read {
    let folded = fold(text);
    if let Some(read) = numeric(&folded, today, side) {
        return read;
    }
    // `4th` and `24.` are numbers with an ending.
    let words: Vec<&str> = words(&folded).collect();
    let said = words.join(" ");
    let near = [
        (phrases.today, 0i64),
        (phrases.tomorrow, 1),
        (phrases.after_tomorrow, 2),
        (phrases.yesterday, -1),
        (phrases.before_yesterday, -2),
    ];
    for (list, days) in near {
        if list.contains(&said.as_str()) {
            return one(today.checked_add(days.days()).ok());
        }
    }
    let last = words.iter().any(|word| phrases.last.contains(word));
    let ago = words.iter().any(|word| phrases.ago.contains(word));
    let known = |word: &&str| {
        phrases.filler.contains(word) || phrases.last.contains(word) || phrases.ago.contains(word)
    };
    let core: Vec<&str> =
        words.iter().filter(|word| !known(word) || phrases.days.contains(word)).copied().collect();

    if let Some(read) = distance(&words, today, ago, phrases) {
        return read;
    }
    if let [only] = core.as_slice() {
        for (list, days) in near {
            if list.contains(only) {
                return one(today.checked_add(days.days()).ok());
            }
        }
        if let Some(weekday) = (0i64..).zip(phrases.weekdays).find(|(_, names)| names.contains(only)) {
            return one(weekday_near(weekday.0, today, last || !side.future));
        }
    }
    match named_month(&core, today, side, phrases) {
        Read::None => mentioned(&words, today, phrases),
        read => read,
    }
}

/// `yesterday evening, I think`: one of these words, and none of the others.
fn mentioned(words: &[&str], today: Date, phrases: &Phrases) -> Read {
    let near = [(phrases.today, 0i64), (phrases.tomorrow, 1), (phrases.yesterday, -1)];
    let mut said = near.iter().filter(|(list, _)| words.iter().any(|word| list.contains(word)));
    match (said.next(), said.next()) {
        (Some((_, days)), None) => one(today.checked_add(days.days()).ok()),
        _ => Read::None,
    }
}

fn one(date: Option<Date>) -> Read {
    date.map_or(Read::None, Read::One)
}

/// The next such weekday after today, or the last one before it.
fn weekday_near(weekday: i64, today: Date, back: bool) -> Option<Date> {
    let now = i64::from(today.weekday().to_monday_zero_offset());
    let ahead = (weekday - now).rem_euclid(7);
    let days = match (back, ahead) {
        (false, 0) => 7,
        (false, ahead) => ahead,
        (true, ahead) => ahead - 7,
    };
    today.checked_add(days.days()).ok()
}

/// `in 3 days`, `two weeks ago`.
fn distance(words: &[&str], today: Date, ago: bool, phrases: &Phrases) -> Option<Read> {
    let unit = |word: &str| {
        if phrases.days.contains(&word) {
            Some(1)
        } else if phrases.weeks.contains(&word) {
            Some(7)
        } else {
            None
        }
    };
    let (at, days) = words.iter().enumerate().find_map(|(at, word)| Some((at, unit(word)?)))?;
    let before = at.checked_sub(1).and_then(|at| words.get(at))?;
    let count = number(before, phrases).filter(|count| *count <= 5_000)?;
    let span = if ago { -count } else { count } * days;
    Some(one(today.checked_add(span.days()).ok()))
}

/// A number in digits or in words up to twelve.
fn number(word: &str, phrases: &Phrases) -> Option<i64> {
    let spelt = (0i64..).zip(phrases.numbers).find(|(_, names)| names.contains(&word));
    word.parse().ok().or(spelt.map(|(number, _)| number))
}

/// Three or two numbers with `-`, `/` or `.` between them, anywhere in the text.
fn numeric(folded: &str, today: Date, side: Side) -> Option<Read> {
    let token = folded.split_whitespace().find_map(|token| {
        let token = token.trim_matches(|c: char| !c.is_ascii_digit());
        let mark = token.chars().find(|c| !c.is_ascii_digit()).filter(|c| "-/.".contains(*c))?;
        let parts: Vec<&str> = token.split(mark).collect();
        let numbers: Vec<i16> = parts.iter().filter_map(|part| part.parse().ok()).collect();
        (numbers.len() == parts.len() && matches!(parts.len(), 2 | 3)).then_some((mark, parts, numbers))
    });
    let (mark, parts, numbers) = token?;
    let date = |year: i16, month: i16, day: i16| {
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let first_long = parts.first().is_some_and(|part| part.len() == 4);
    match *numbers.as_slice() {
        [year, month, day] if first_long => Some(one(date(year, month, day))),
        [day, month, year] => {
            let long = parts.last().is_some_and(|part| part.len() == 4);
            let year = if long { year } else { full_year(year, today)? };
            Some(either(mark, date(year, month, day), date(year, day, month)))
        }
        [day, month] if mark != '-' => {
            let of = |day, month| yearless(today, side, |year| date(year, month, day));
            Some(either(mark, of(day, month), of(month, day)))
        }
        _ => None,
    }
}

/// Between two readings: day first with `.`, and where only one of both exists.
fn either(mark: char, day_first: Option<Date>, month_first: Option<Date>) -> Read {
    match (day_first, month_first) {
        (day_first, _) if mark == '.' => one(day_first),
        (Some(a), Some(b)) if a != b => Read::Either(a, b),
        (a, b) => one(a.or(b)),
    }
}

/// `26` is 2026: the century that brings it closest to now.
fn full_year(short: i16, today: Date) -> Option<i16> {
    if !(0..100).contains(&short) {
        return None;
    }
    let century = today.year() - today.year().rem_euclid(100);
    let near = [century - 100, century, century + 100].map(|century| century + short);
    near.into_iter().min_by_key(|year| (year - today.year()).abs())
}

/// The year that puts a date on the side that fits; this year when both do.
fn yearless(today: Date, side: Side, date: impl Fn(i16) -> Option<Date>) -> Option<Date> {
    let this = date(today.year());
    match (this, side) {
        (Some(this), Side { past: false, .. }) if this < today => date(today.year() + 1),
        (Some(this), Side { future: false, .. }) if this > today => date(today.year() - 1),
        (Some(this), _) => Some(this),
        // 29 February, in a year that has none.
        (None, Side { past: false, .. }) => (1..=8).find_map(|later| date(today.year() + later)),
        (None, _) => (1..=8).find_map(|earlier| date(today.year() - earlier)),
    }
}

/// `24 December 2026`, `December 24th`, in either order.
fn named_month(core: &[&str], today: Date, side: Side, phrases: &Phrases) -> Read {
    let mut month = None;
    let mut numbers = Vec::new();
    for word in core {
        let digits = word.trim_end_matches(|c: char| c.is_alphabetic());
        if let Some((number, _)) = (1i8..).zip(phrases.months).find(|(_, names)| names.contains(word)) {
            if month.replace(number).is_some() {
                return Read::None;
            }
        } else if let Ok(number) = digits.parse::<i16>() {
            numbers.push((number, digits.len()));
        } else if !phrases.weekdays.iter().any(|names| names.contains(word)) {
            return Read::None;
        }
    }
    let Some(month) = month else { return Read::None };
    let date = |year: i16, day: i16| Date::new(year, month, i8::try_from(day).ok()?).ok();
    match *numbers.as_slice() {
        [(day, 1 | 2)] => one(yearless(today, side, |year| date(year, day))),
        [(day, 1 | 2), (year, 4)] | [(year, 4), (day, 1 | 2)] => one(date(year, day)),
        [(day, 1 | 2), (year, 2)] => one(full_year(year, today).and_then(|year| date(year, day))),
        _ => Read::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phrases;
    use jiff::civil::date;
    use proptest::prelude::*;

    const BOTH: Side = Side { past: true, future: true };
    const PAST: Side = Side { past: true, future: false };
    const FUTURE: Side = Side { past: false, future: true };

    /// 22 November 2026, a Sunday.
    fn today() -> Date {
        date(2026, 11, 22)
    }

    fn reads(text: &str, side: Side) -> String {
        said(read(text, today(), side, phrases::of("en")))
    }

    fn said(read: Read) -> String {
        match read {
            Read::One(date) => date.to_string(),
            Read::Either(a, b) => format!("{a} or {b}"),
            Read::None => "none".to_owned(),
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, expected) in [
            ("today", "2026-11-22"),
            ("it was yesterday", "2026-11-21"),
            ("Tomorrow!", "2026-11-23"),
            ("the day after tomorrow", "2026-11-24"),
            ("24.12.2026", "2026-12-24"),
            ("on 4.7.26", "2026-07-04"),
            ("2026-12-24", "2026-12-24"),
            ("12/24/2026", "2026-12-24"),
            ("24/12/2026", "2026-12-24"),
            ("5/5/2026", "2026-05-05"),
            ("07/12/2026", "2026-12-07 or 2026-07-12"),
            ("December 24, 2026", "2026-12-24"),
            ("24th of December 2026", "2026-12-24"),
            ("Thursday, 24 Dec", "2026-12-24"),
            ("in 3 days", "2026-11-25"),
            ("two weeks ago", "2026-11-08"),
            ("a week ago", "2026-11-15"),
            ("12.24.2026", "none"),
            ("31.2.2026", "none"),
            ("2026", "none"),
            ("yesterday evening, I think", "2026-11-21"),
            ("yesterday or today", "none"),
            ("soon", "none"),
            ("I lost it in a taxi", "none"),
        ] {
            assert_eq!(reads(text, BOTH), expected, "{text}");
        }
    }

    #[test]
    fn a_weekday_or_a_date_without_year_is_on_the_side_that_fits() {
        assert_eq!(reads("friday", FUTURE), "2026-11-27");
        assert_eq!(reads("next Sunday", FUTURE), "2026-11-29");
        assert_eq!(reads("friday", PAST), "2026-11-20");
        assert_eq!(reads("last friday", BOTH), "2026-11-20");
        assert_eq!(reads("1 March", FUTURE), "2027-03-01");
        assert_eq!(reads("24.12.", PAST), "2025-12-24");
        assert_eq!(reads("29 february", FUTURE), "2028-02-29");
    }

    #[test]
    fn german_dates_are_read_too() {
        let reads = |text: &str| said(read(text, today(), BOTH, phrases::of("de")));
        assert_eq!(reads("vorgestern"), "2026-11-20");
        assert_eq!(reads("am 24. Dezember 2026"), "2026-12-24");
        assert_eq!(reads("vor zwei Wochen"), "2026-11-08");
        assert_eq!(reads("nächsten Freitag"), "2026-11-27");
        assert_eq!(reads("letzten Freitag"), "2026-11-20");
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in any::<String>(), digits in "[0-9./ -]{0,12}") {
            read(&text, today(), BOTH, phrases::of("en"));
            read(&digits, Date::MAX, FUTURE, phrases::of("en"));
            read(&digits, Date::MIN, PAST, phrases::of("de"));
        }
    }
}
