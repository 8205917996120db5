//! The words that the engine itself knows and says, by language: yes and no, giving up, days and
//! months, and what is wrong with an answer. A bot's own texts come from its folder; these fill the
//! gaps between them. A language that is not here gets English.

/// The words of one language. Words to recognise are as [`crate::text::key`] makes them.
#[derive(Debug)]
pub(crate) struct Phrases {
    pub(crate) yes: &'static [&'static str],
    pub(crate) no: &'static [&'static str],
    pub(crate) cancel: &'static [&'static str],
    pub(crate) skip: &'static [&'static str],
    pub(crate) person: &'static [&'static str],
    /// Words that begin a question.
    pub(crate) asks: &'static [&'static str],
    /// Words that may stand around a date, a number or a choice and say nothing.
    pub(crate) filler: &'static [&'static str],
    pub(crate) today: &'static [&'static str],
    pub(crate) tomorrow: &'static [&'static str],
    pub(crate) after_tomorrow: &'static [&'static str],
    pub(crate) yesterday: &'static [&'static str],
    pub(crate) before_yesterday: &'static [&'static str],
    pub(crate) last: &'static [&'static str],
    pub(crate) ago: &'static [&'static str],
    pub(crate) days: &'static [&'static str],
    pub(crate) weeks: &'static [&'static str],
    /// Monday first; each with its short forms.
    pub(crate) weekdays: [&'static [&'static str]; 7],
    /// January first; each with its short forms.
    pub(crate) months: [&'static [&'static str]; 12],
    /// Zero to twelve; each with its other forms.
    pub(crate) numbers: [&'static [&'static str]; 13],
    /// Whether `1,5` is one and a half and `1.500` is fifteen hundred.
    pub(crate) decimal_comma: bool,

    pub(crate) not_email: &'static str,
    pub(crate) not_phone: &'static str,
    pub(crate) not_date: &'static str,
    pub(crate) date_past: &'static str,
    pub(crate) date_future: &'static str,
    /// With `{a}` and `{b}` for the two readings.
    pub(crate) date_ambiguous: &'static str,
    pub(crate) not_number: &'static str,
    pub(crate) not_whole: &'static str,
    /// With `{limit}`.
    pub(crate) too_small: &'static str,
    /// With `{limit}`.
    pub(crate) too_large: &'static str,
    pub(crate) not_choice: &'static str,
    /// With `{limit}`.
    pub(crate) too_long: &'static str,
    pub(crate) needed: &'static str,
    pub(crate) yes_or_no: &'static str,
    pub(crate) which_change: &'static str,
    pub(crate) skipped: &'static str,
    pub(crate) cancel_hint: &'static str,
    /// With `{title}`.
    pub(crate) first_finish: &'static str,
    pub(crate) offer_person: &'static str,
    pub(crate) offer_declined: &'static str,
}

/// The words for a BCP 47 tag.
pub(crate) fn of(tag: &str) -> &'static Phrases {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    if primary.eq_ignore_ascii_case("de") { &GERMAN } else { &ENGLISH }
}

static ENGLISH: Phrases = Phrases {
    yes: &[
        "yes", "y", "yes please", "yeah", "yep", "yup", "ok", "okay", "sure", "correct", "right", "that's right",
        "thats right", "that is right", "that's correct", "that is correct", "confirm", "confirmed", "go ahead",
        "do it", "please do", "of course", "looks good", "sounds good", "all good", "absolutely", "true",
    ],
    no: &[
        "no", "n", "nope", "nah", "no thanks", "no thank you", "not quite", "wrong", "that's wrong", "that is wrong",
        "incorrect", "not correct", "that's not right", "that is not right", "false",
    ],
    cancel: &[
        "cancel", "stop", "quit", "exit", "abort", "never mind", "nevermind", "forget it", "cancel it", "cancel this",
        "cancel that", "please cancel", "please stop", "stop it", "i give up", "leave it", "drop it",
        "i changed my mind", "start over",
    ],
    skip: &["skip", "skip it", "skip this", "skip that", "none", "no", "nothing", "not needed", "pass", "n/a", "n a"],
    person: &[
        "person", "human", "agent", "a person", "a human", "an agent", "real person", "a real person", "speak to a person",
        "talk to a person", "speak to a human", "talk to a human", "speak to an agent", "talk to an agent",
        "speak with a person", "talk to someone", "speak to someone", "live agent", "human please", "person please",
        "i want to speak to a person", "i want to talk to a person", "i want to speak to a human",
        "i want to talk to a human", "can i speak to a person", "can i talk to a person", "can i speak to a human",
        "can i talk to a human", "can i speak to someone", "can i talk to someone",
    ],
    asks: &[
        "what", "how", "why", "when", "where", "who", "which", "can", "could", "do", "does", "is", "are", "will", "should",
        "what's", "how's", "where's", "who's",
    ],
    filler: &[
        "on", "the", "it", "is", "was", "it's", "its", "about", "around", "of", "in", "next", "this", "coming", "a", "an",
        "by", "for", "please", "my", "would", "like", "i", "want", "one", "option", "number", "from", "since", "at", "and",
        "st", "nd", "rd", "th", "i'd", "take", "choose", "that", "happened",
    ],
    today: &["today", "now"],
    tomorrow: &["tomorrow"],
    after_tomorrow: &["day after tomorrow", "the day after tomorrow"],
    yesterday: &["yesterday"],
    before_yesterday: &["day before yesterday", "the day before yesterday"],
    last: &["last", "past", "previous"],
    ago: &["ago"],
    days: &["day", "days"],
    weeks: &["week", "weeks"],
    weekdays: [
        &["monday", "mon"],
        &["tuesday", "tue", "tues"],
        &["wednesday", "wed"],
        &["thursday", "thu", "thur", "thurs"],
        &["friday", "fri"],
        &["saturday", "sat"],
        &["sunday", "sun"],
    ],
    months: [
        &["january", "jan"],
        &["february", "feb"],
        &["march", "mar"],
        &["april", "apr"],
        &["may"],
        &["june", "jun"],
        &["july", "jul"],
        &["august", "aug"],
        &["september", "sep", "sept"],
        &["october", "oct"],
        &["november", "nov"],
        &["december", "dec"],
    ],
    numbers: [
        &["zero"],
        &["one", "a", "an"],
        &["two"],
        &["three"],
        &["four"],
        &["five"],
        &["six"],
        &["seven"],
        &["eight"],
        &["nine"],
        &["ten"],
        &["eleven"],
        &["twelve"],
    ],
    decimal_comma: false,
    not_email: "That does not look like an e-mail address, such as name@example.org.",
    not_phone: "That does not look like a telephone number, such as +44 20 7946 0018.",
    not_date: "I could not read a date there. You can write it as 24 December 2026.",
    date_past: "That date has passed already.",
    date_future: "That date is still to come.",
    date_ambiguous: "Do you mean {a} or {b}?",
    not_number: "I could not read a number there.",
    not_whole: "A whole number is needed here.",
    too_small: "It must be at least {limit}.",
    too_large: "It can be at most {limit}.",
    not_choice: "Please choose one of these.",
    too_long: "That is too long for me: at most {limit} characters, please.",
    needed: "I need an answer to this one.",
    yes_or_no: "Please answer with yes or no.",
    which_change: "What should I change? A number is enough, or say cancel.",
    skipped: "(left out)",
    cancel_hint: "You can say cancel at any time.",
    first_finish: "Let us first finish this one ({title}), or say cancel.",
    offer_person: "Would you like to speak to a person?",
    offer_declined: "All right. Is there anything else?",
};

static GERMAN: Phrases = Phrases {
    yes: &[
        "ja", "j", "ja bitte", "jawohl", "jo", "jep", "ok", "okay", "klar", "gerne", "richtig", "stimmt", "das stimmt",
        "korrekt", "genau", "passt", "in ordnung", "einverstanden", "bestätigen", "mach das", "natürlich", "sicher",
    ],
    no: &[
        "nein", "n", "nee", "nö", "nein danke", "falsch", "das ist falsch", "stimmt nicht", "das stimmt nicht",
        "nicht richtig", "nicht ganz",
    ],
    cancel: &[
        "abbrechen", "abbruch", "stopp", "stop", "halt", "aufhören", "beenden", "egal", "vergiss es", "vergessen sie es",
        "bitte abbrechen", "doch nicht", "lassen wir das", "cancel",
    ],
    skip: &["überspringen", "weiter", "weglassen", "keine", "keiner", "keins", "nichts", "nein", "skip"],
    person: &[
        "mensch", "mitarbeiter", "person", "ein mensch", "echter mensch", "mit einem menschen sprechen",
        "mit einem mitarbeiter sprechen", "mit jemandem sprechen", "ich möchte mit einem menschen sprechen",
        "ich möchte mit einem mitarbeiter sprechen", "kann ich mit jemandem sprechen",
        "kann ich mit einem menschen sprechen", "kann ich mit einem mitarbeiter sprechen",
    ],
    asks: &[
        "was", "wie", "warum", "wieso", "weshalb", "wann", "wo", "wohin", "woher", "wer", "wen", "wem", "welche", "welcher",
        "welches", "kann", "können", "könnte", "muss", "darf", "ist", "sind", "gibt", "wird",
    ],
    filler: &[
        "am", "der", "die", "das", "den", "dem", "es", "ist", "war", "um", "etwa", "ungefähr", "vom", "von", "im", "in",
        "nächsten", "nächste", "nächster", "nächstes", "diesen", "diese", "kommenden", "kommende", "ein", "eine", "einen",
        "bis", "für", "bitte", "mein", "meine", "ich", "möchte", "hätte", "gern", "gerne", "nummer", "option", "seit", "und",
        "nehme", "genau", "vor",
    ],
    today: &["heute", "jetzt"],
    tomorrow: &["morgen"],
    after_tomorrow: &["übermorgen"],
    yesterday: &["gestern"],
    before_yesterday: &["vorgestern"],
    last: &["letzten", "letzte", "letzter", "letztes", "vergangenen", "vergangene", "vorigen"],
    ago: &["vor"],
    days: &["tag", "tage", "tagen"],
    weeks: &["woche", "wochen"],
    weekdays: [
        &["montag", "mo"],
        &["dienstag", "di"],
        &["mittwoch", "mi"],
        &["donnerstag", "do"],
        &["freitag", "fr"],
        &["samstag", "sa", "sonnabend"],
        &["sonntag", "so"],
    ],
    months: [
        &["januar", "jan", "jänner"],
        &["februar", "feb"],
        &["märz", "mär", "mrz", "maerz"],
        &["april", "apr"],
        &["mai"],
        &["juni", "jun"],
        &["juli", "jul"],
        &["august", "aug"],
        &["september", "sep", "sept"],
        &["oktober", "okt"],
        &["november", "nov"],
        &["dezember", "dez"],
    ],
    numbers: [
        &["null"],
        &["eins", "ein", "eine", "einen", "einem", "einer"],
        &["zwei"],
        &["drei"],
        &["vier"],
        &["fünf"],
        &["sechs"],
        &["sieben"],
        &["acht"],
        &["neun"],
        &["zehn"],
        &["elf"],
        &["zwölf"],
    ],
    decimal_comma: true,
    not_email: "Das sieht nicht nach einer E-Mail-Adresse wie name@example.org aus.",
    not_phone: "Das sieht nicht nach einer Telefonnummer wie +49 30 901820 aus.",
    not_date: "Darin habe ich kein Datum gefunden. Sie können es so schreiben: 24. Dezember 2026.",
    date_past: "Dieses Datum ist schon vorbei.",
    date_future: "Dieses Datum liegt noch in der Zukunft.",
    date_ambiguous: "Meinen Sie {a} oder {b}?",
    not_number: "Darin habe ich keine Zahl gefunden.",
    not_whole: "Hier wird eine ganze Zahl gebraucht.",
    too_small: "Es muss mindestens {limit} sein.",
    too_large: "Es darf höchstens {limit} sein.",
    not_choice: "Bitte wählen Sie etwas aus der Liste.",
    too_long: "Das ist zu lang für mich: höchstens {limit} Zeichen, bitte.",
    needed: "Diese Angabe wird gebraucht.",
    yes_or_no: "Bitte antworten Sie mit ja oder nein.",
    which_change: "Was soll ich ändern? Die Nummer genügt; oder sagen Sie abbrechen.",
    skipped: "(ausgelassen)",
    cancel_hint: "Sie können jederzeit abbrechen sagen.",
    first_finish: "Lassen Sie uns das erst beenden ({title}), oder sagen Sie abbrechen.",
    offer_person: "Möchten Sie mit einem Menschen sprechen?",
    offer_declined: "In Ordnung. Kann ich sonst noch helfen?",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_to_recognise_is_as_an_answer_comes_in() {
        for phrases in [&ENGLISH, &GERMAN] {
            let lists = [
                phrases.yes, phrases.no, phrases.cancel, phrases.skip, phrases.person, phrases.asks, phrases.filler,
            ];
            let lists = lists.into_iter().chain(phrases.weekdays).chain(phrases.months).chain(phrases.numbers);
            for word in lists.flatten().filter(|word| **word != "n/a") {
                assert_eq!(crate::text::key(word), **word);
            }
        }
    }

    #[test]
    fn a_language_without_words_of_its_own_gets_english() {
        assert_eq!(of("fr-CA").yes_or_no, ENGLISH.yes_or_no);
        assert_eq!(of("de-AT").yes_or_no, GERMAN.yes_or_no);
    }
}
