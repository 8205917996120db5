//! The few kinds of block that every document is made of, whatever it was written in.

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// A heading; level 1 is the outermost.
    Heading { level: u8, text: String, anchor: Option<String> },
    /// Running text, apart from its neighbours by blank lines.
    Paragraph(String),
    /// An item of a list or a row of a table: one line, close to its neighbours.
    Line(String),
    /// Text whose line breaks and spaces mean something.
    Code(String),
}

/// A document as it was read.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The title that the format itself names, such as HTML's `<title>`.
    pub(crate) named: Option<String>,
    pub(crate) blocks: Vec<Block>,
}

impl Page {
    /// The title that the format names, or the first outermost heading, or the first heading.
    pub(crate) fn title(&self) -> Option<String> {
        let heading = |outermost: bool| {
            self.blocks.iter().find_map(|block| match block {
                Block::Heading { level, text, .. } if !outermost || *level == 1 => Some(text.clone()),
                _ => None,
            })
        };
        self.named.clone().or_else(|| heading(true)).or_else(|| heading(false))
    }
}

/// Runs of white space (no-break spaces too) as one space, none at the ends. Line feeds stay.
pub(crate) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let start = out.len();
        for word in line.split_whitespace() {
            if out.len() > start {
                out.push(' ');
            }
            out.push_str(word);
        }
        if out.len() > start {
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    // Zero-width characters help line breaking and hinder search.
    if out.contains(['\u{200B}', '\u{FEFF}', '\u{00AD}']) {
        out.retain(|c| !matches!(c, '\u{200B}' | '\u{FEFF}' | '\u{00AD}'));
    }
    out
}

/// A table as lines, one a row. A row says what its columns mean, so that it can be quoted alone:
/// `Gold card: yearly fee 60 euros; limit 5,000 euros`.
pub(crate) fn table(head: &[String], rows: &[Vec<String>]) -> Vec<Block> {
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = row.iter().map(|cell| cell.replace('\n', " ")).enumerate();
        let Some((_, first)) = cells.next() else { continue };
        let rest: Vec<String> = cells
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(at, cell)| match head.get(at) {
                // With two columns the first cell already says what the second is about.
                Some(name) if row.len() > 2 && !name.is_empty() => format!("{name} {cell}"),
                _ => cell,
            })
            .collect();
        let line = match (first.is_empty(), rest.is_empty()) {
            (true, true) => continue,
            (false, true) => first,
            (true, false) => rest.join("; "),
            (false, false) => format!("{}: {}", first.trim_end_matches(':'), rest.join("; ")),
        };
        lines.push(Block::Line(line));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn white_space_is_tidied_and_line_feeds_stay() {
        assert_eq!(tidy("  a \u{a0} b\t\n\n  c\u{200B}d "), "a b\ncd");
        assert_eq!(tidy(" \n "), "");
    }

    #[test]
    fn a_row_can_be_quoted_alone() {
        let wide = table(&strings(&["Card", "Fee", "Limit"]), &[strings(&["Gold", "60 euros", "5,000"])]);
        assert_eq!(wide, [Block::Line("Gold: Fee 60 euros; Limit 5,000".into())]);
        let narrow = table(&strings(&["Fee", "Amount"]), &[strings(&["New card", "10 euros"])]);
        assert_eq!(narrow, [Block::Line("New card: 10 euros".into())]);
        assert_eq!(table(&[], &[strings(&["", ""]), strings(&["only"])]), [Block::Line("only".into())]);
    }
}
