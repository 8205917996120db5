//! What is wrong with a bot folder, all at once: each finding says where it is, what is wrong and how
//! to mend it. It reads well on a terminal, and as JSON.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The bot cannot be compiled.
    Error,
    /// The bot works, but probably not as its author means.
    Warning,
}

/// A place in a file. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset in a text; the end of the text when it lies beyond.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the bot folder, with `/` between names.
    pub file: String,
    /// Where in the file, when it is about one place.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What is wrong. It never quotes what looks like a secret.
    pub what: String,
    /// How to put it right.
    pub mend: String,
}

impl Finding {
    /// An error about a whole file; see [`Finding::at`].
    pub(crate) fn error(file: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        let (what, mend) = (what.into(), mend.into());
        Self { severity: Severity::Error, file: file.to_owned(), position: None, what, mend }
    }

    /// A warning about a whole file; see [`Finding::at`].
    pub(crate) fn warning(file: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, what, mend) }
    }

    /// The same finding at one place of its file.
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}\n    mend: {}", self.what, self.mend)
    }
}

/// Everything that was found in one bot folder, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Orders findings by file and place, and drops what is said twice.
    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.file.clone(), f.position, f.severity, f.what.clone());
            key(a).cmp(&key(b))
        });
        findings.dedup();
        Self { findings }
    }

    /// The findings, by file and place.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Findings that stop the bot from being compiled.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Error).count()
    }

    /// Findings that do not.
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report for machines: `{"errors", "warnings", "findings": [{"severity", "file", "line"?,
    /// "column"?, "what", "mend"}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "errors": self.errors(),
            "warnings": self.warnings(),
            "findings": self.findings,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        write!(f, "{}, {}", plural(self.errors(), "error"), plural(self.warnings(), "warning"))
    }
}

impl std::error::Error for Report {}

/// The known word that `found` was probably meant to be.
pub(crate) fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may differ: `titel` finds `title`, `colour` does not find `language`.
    let allowed = (found.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&found.to_lowercase(), word), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, word)| word)
}

/// The mend for a word that is not known here: the nearest one, or the list of them.
pub(crate) fn meant(found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => {
            let list: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
            format!("use one of {}", list.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_well_and_in_order() {
        let report = Report::new(vec![
            Finding::warning("intents.toml", "the intent `fees` has 2 examples", "write at least 5")
                .at(Position { line: 9, column: 1 }),
            Finding::error("bot.toml", "`titel` is not a key here", "did you mean `title`?")
                .at(Position { line: 2, column: 1 }),
        ]);
        assert_eq!(
            report.to_string(),
            "error: bot.toml:2:1: `titel` is not a key here\n    mend: did you mean `title`?\n\
             warning: intents.toml:9:1: the intent `fees` has 2 examples\n    mend: write at least 5\n\
             1 error, 1 warning"
        );
        assert_eq!(
            report.to_json(),
            serde_json::json!({
                "errors": 1, "warnings": 1,
                "findings": [
                    {"severity": "error", "file": "bot.toml", "line": 2, "column": 1,
                     "what": "`titel` is not a key here", "mend": "did you mean `title`?"},
                    {"severity": "warning", "file": "intents.toml", "line": 9, "column": 1,
                     "what": "the intent `fees` has 2 examples", "mend": "write at least 5"},
                ],
            })
        );
    }

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "é = 1\nöl = 2";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, text.find('=').unwrap()), Position { line: 1, column: 3 });
        assert_eq!(Position::of(text, text.rfind('=').unwrap()), Position { line: 2, column: 4 });
        assert_eq!(Position::of(text, 999), Position { line: 2, column: 7 });
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["title", "greeting", "language"];
        assert_eq!(nearest("titel", known), Some("title"));
        assert_eq!(nearest("Greetings", known), Some("greeting"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(meant("colour", &known), "use one of `title`, `greeting`, `language`");
    }
}
