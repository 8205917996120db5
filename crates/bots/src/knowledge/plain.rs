//! Plain text to blocks. A line underlined with `===` or `---` is a heading, and so is a short line
//! in capitals that stands alone.

use super::blocks::{Block, Page, tidy};
use super::markdown::Slugs;

/// Reads a plain text.
pub(crate) fn read(text: &str) -> Page {
    let mut blocks = Vec::new();
    let mut slugs = Slugs::default();
    let mut heading = |blocks: &mut Vec<Block>, level: u8, text: &str| {
        let anchor = Some(slugs.slug(text));
        blocks.push(Block::Heading { level, text: text.to_owned(), anchor });
    };
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = text.lines().map(str::trim_end).peekable();
    while let Some(line) = rest.next() {
        if line.is_empty() {
            paragraph(&mut blocks, &mut lines);
            continue;
        }
        let underline = rest.peek().copied().and_then(underline_level);
        if let Some(level) = underline.filter(|_| lines.is_empty() && underline_level(line).is_none()) {
            rest.next();
            heading(&mut blocks, level, line.trim());
        } else if lines.is_empty() && in_capitals(line) && rest.peek().is_none_or(|next| next.is_empty()) {
            heading(&mut blocks, 2, line.trim());
        } else {
            lines.push(line);
        }
    }
    paragraph(&mut blocks, &mut lines);
    Page { named: None, blocks }
}

fn underline_level(line: &str) -> Option<u8> {
    let all = |c: char| line.len() >= 3 && line.chars().all(|found| found == c);
    if all('=') {
        Some(1)
    } else if all('-') || all('~') {
        Some(2)
    } else {
        None
    }
}

fn in_capitals(line: &str) -> bool {
    line.chars().count() <= 80
        && line.chars().filter(|c| c.is_uppercase()).count() >= 3
        && !line.chars().any(char::is_lowercase)
        && !line.ends_with('.')
}

/// Closes the lines of one paragraph: code when all are indented, a list when one begins like an
/// item, running text otherwise.
fn paragraph(blocks: &mut Vec<Block>, lines: &mut Vec<&str>) {
    if lines.is_empty() {
        return;
    }
    let item = |line: &&str| {
        let line = line.trim_start();
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        line.starts_with("- ")
            || line.starts_with("* ")
            || line.starts_with("• ")
            || (digits.len() < line.len() && (digits.starts_with(". ") || digits.starts_with(") ")))
    };
    if lines.iter().all(|line| line.starts_with("    ") || line.starts_with('\t')) {
        blocks.push(Block::Code(lines.join("\n")));
    } else if lines.iter().any(item) {
        let mut open = String::new();
        for line in lines.iter() {
            if item(line) && !open.is_empty() {
                blocks.push(Block::Line(tidy(&open)));
                open.clear();
            }
            open.push_str(line.trim());
            open.push(' ');
        }
        blocks.push(Block::Line(tidy(&open)));
    } else {
        blocks.push(Block::Paragraph(tidy(&lines.join(" "))));
    }
    lines.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlined_and_capital_lines_are_headings() {
        let page =
            read("Fees\n====\n\nThey are\nlow.\n\nCARDS ABROAD\n\n- one\n  more\n- two\n\n    $ code\n");
        let heading = |level, text: &str, anchor: &str| Block::Heading {
            level,
            text: text.into(),
            anchor: Some(anchor.into()),
        };
        assert_eq!(
            page.blocks,
            [
                heading(1, "Fees", "fees"),
                Block::Paragraph("They are low.".into()),
                heading(2, "CARDS ABROAD", "cards-abroad"),
                Block::Line("- one more".into()),
                Block::Line("- two".into()),
                Block::Code("    $ code".into()),
            ]
        );
        assert_eq!(page.title().as_deref(), Some("Fees"));
    }
}
