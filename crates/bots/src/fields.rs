//! TOML files read with every mistake named. A file is parsed into spanned values; [`Fields`] takes
//! them one by one, notes what does not fit with its line and column, and goes on. What nobody took
//! is an unknown key. After a mistake a harmless value stands in, which never leaves this crate:
//! a folder with one error is refused as a whole.

use std::cell::RefCell;
use std::ops::Range;

use kernel::{MessageText, TextError};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::report::{Finding, Position, Severity, meant};

/// One TOML file and what was found in it.
pub(crate) struct Page<'t> {
    file: &'t str,
    text: &'t str,
    findings: RefCell<Vec<Finding>>,
}

/// A text from a file, with its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Range<usize>,
}

impl<'t> Page<'t> {
    /// Parses the file; syntax errors become findings, and what could be read is read on.
    pub(crate) fn parse(file: &'t str, text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let page = Self { file, text, findings: RefCell::default() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let what = format!("not TOML: {}", error.message().lines().collect::<Vec<_>>().join("; "));
            page.error(error.span().unwrap_or_default(), what, "see https://toml.io for how to write it");
        }
        (page, table)
    }

    pub(crate) fn error(&self, span: Range<usize>, what: impl Into<String>, mend: impl Into<String>) {
        self.note(Severity::Error, span, what.into(), mend.into());
    }

    pub(crate) fn warn(&self, span: Range<usize>, what: impl Into<String>, mend: impl Into<String>) {
        self.note(Severity::Warning, span, what.into(), mend.into());
    }

    fn note(&self, severity: Severity, span: Range<usize>, what: String, mend: String) {
        let finding = Finding { severity, ..Finding::error(self.file, what, mend) };
        self.findings.borrow_mut().push(finding.at(Position::of(self.text, span.start)));
    }

    /// The file's name, relative to the bot folder.
    pub(crate) fn file(&self) -> &'t str {
        self.file
    }

    /// The line of a place.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        Position::of(self.text, span.start).line
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner()
    }
}

/// The keys of one table. Every key is asked for by name; [`Fields::finish`] reports the others.
pub(crate) struct Fields<'p, 't> {
    pub(crate) page: &'p Page<'t>,
    /// Where the table begins.
    pub(crate) span: Range<usize>,
    table: &'p DeTable<'t>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'p, 't> Fields<'p, 't> {
    pub(crate) fn new(page: &'p Page<'t>, table: &'p DeTable<'t>, span: Range<usize>) -> Self {
        Self { page, span, table, asked: RefCell::default() }
    }

    fn get(&self, key: &'static str) -> Option<&'p Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.page.error(value.span(), format!("`{key}` is {found}"), format!("write {wanted}"));
    }

    /// Says that a key is missing.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        self.page.error(self.span.clone(), format!("`{key}` is missing"), format!("add `{key} = {example}`"));
    }

    /// A text that may be missing.
    pub(crate) fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Text { value: text.to_string(), span: value.span() }),
            _ => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that may not be missing.
    pub(crate) fn need(&self, key: &'static str, example: &str) -> Text {
        if self.table.get(key).is_none() {
            self.missing(key, example);
        }
        self.text(key).unwrap_or_else(|| Text { value: String::new(), span: self.span.clone() })
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong_type(key, value, "`true` or `false`");
                None
            }
        }
    }

    /// A number, whole or not.
    pub(crate) fn number(&self, key: &'static str) -> Option<(f64, Range<usize>)> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => None,
        };
        match number.filter(|n: &f64| n.is_finite()) {
            Some(number) => Some((number, value.span())),
            None => {
                self.wrong_type(key, value, "a number");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, key: &'static str, min: u32, max: u32) -> Option<u32> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(n) => u32::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        if number.is_none_or(|n| n < min || n > max) {
            let what = format!("`{key}` is not a whole number from {min} to {max}");
            self.page.error(
                value.span(),
                what,
                format!("write a number from {min} to {max}, without quotes"),
            );
            return None;
        }
        number
    }

    /// A date and time with its offset, as seconds since the epoch.
    pub(crate) fn moment(&self, key: &'static str) -> Option<jiff::Timestamp> {
        let value = self.get(key)?;
        let moment = match value.get_ref() {
            DeValue::Datetime(moment) => moment.to_string().parse().ok(),
            _ => None,
        };
        if moment.is_none() {
            self.wrong_type(key, value, "a date and time in UTC such as 2026-03-02T10:00:00Z");
        }
        moment
    }

    /// A list of texts; one text alone is a list of one. `None` when the key is missing.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<Text>> {
        let value = self.get(key)?;
        let items = match value.get_ref() {
            DeValue::String(text) => return Some(vec![Text { value: text.to_string(), span: value.span() }]),
            DeValue::Array(items) => items,
            _ => {
                self.wrong_type(key, value, "a list of texts, [\"..\", \"..\"]");
                return Some(Vec::new());
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(Text { value: text.to_string(), span: item.span() }),
                _ => self.wrong_type(key, item, "a text in quotes"),
            }
        }
        Some(texts)
    }

    /// The span of a key's value, without asking for it.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Whether a key is there, without asking for it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Whether a key holds a table, without asking for it.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// A table within the table.
    pub(crate) fn table(&self, key: &'static str) -> Option<Fields<'p, 't>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Fields::new(self.page, table, value.span())),
            _ => {
                self.wrong_type(key, value, &format!("a table, [{key}]"));
                None
            }
        }
    }

    /// A list of tables.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Fields<'p, 't>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, &format!("a list of tables, [[{key}]]"));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Fields::new(self.page, table, item.span())),
                _ => self.wrong_type(key, item, &format!("a table, [[{key}]]")),
            }
        }
        tables
    }

    /// Reports every key that was not asked for, with the one that was probably meant.
    pub(crate) fn finish(self) {
        let known = self.asked.into_inner();
        for key in self.table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let what = format!("`{}` is not a key here", key.get_ref());
                self.page.error(key.span(), what, meant(key.get_ref(), &known));
            }
        }
    }
}

/// What a text must be to be said or shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// What a bot can say: several lines, as long as a message may be.
    Message,
    /// One line of so many characters at most.
    Line(usize),
}

impl Fields<'_, '_> {
    /// A text of some shape that may be missing.
    pub(crate) fn shaped(&self, key: &'static str, shape: Shape) -> Option<String> {
        let text = self.text(key)?;
        Some(self.page.shaped(key, &text, shape))
    }

    /// A text of some shape that may not be missing.
    pub(crate) fn need_shaped(&self, key: &'static str, shape: Shape, example: &str) -> String {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.shaped(key, shape).unwrap_or_default()
    }
}

impl Page<'_> {
    /// Checks and normalises a text.
    pub(crate) fn shaped(&self, what: &str, text: &Text, shape: Shape) -> String {
        let checked = match MessageText::new(&text.value) {
            Ok(checked) => checked.as_str().to_owned(),
            Err(cause) => {
                let mend = match cause {
                    TextError::TooLong { .. } => "shorten it: nobody reads that much in a chat",
                    TextError::Empty { .. } => "write something, or remove the key",
                    _ => "remove the character",
                };
                self.error(text.span.clone(), format!("`{what}` cannot be said: {cause}"), mend);
                return String::new();
            }
        };
        if let Shape::Line(max) = shape {
            let found = checked.chars().count();
            if checked.contains('\n') {
                self.error(text.span.clone(), format!("`{what}` has several lines"), "write it in one line");
            } else if found > max {
                let wrong = format!("`{what}` has {found} characters; {max} are allowed");
                self.error(text.span.clone(), wrong, "shorten it");
            }
        }
        checked
    }

    /// Checks a name that other places refer to.
    pub(crate) fn name(&self, what: &str, text: &Text) -> String {
        let good = !text.value.is_empty()
            && text.value.len() <= 63
            && text.value.split(['-', '_']).all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
        if !good {
            let wrong = format!("`{}` cannot be the name of {what}", text.value);
            let mend = "use 1 to 63 lower-case letters, digits and single `-` or `_` inside";
            self.error(text.span.clone(), wrong, mend);
        }
        text.value.clone()
    }
}
