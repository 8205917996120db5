//! Markdown (CommonMark with tables, strike-through and task lists) to blocks.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::blocks::{Block, Page, table, tidy};
use super::html;

/// Reads a Markdown document.
pub(crate) fn read(text: &str) -> Page {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.event(event);
    }
    reader.flush();
    Page { named: None, blocks: reader.blocks }
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    /// The text of the block that is open.
    open: String,
    /// What the block that is open is.
    heading: Option<(u8, Option<String>)>,
    in_code: bool,
    /// For each open list: the next number, or none for bullets.
    lists: Vec<Option<u64>>,
    /// The mark of the item whose text is to come.
    mark: Option<String>,
    /// Depth of images: their text stands for a picture that nobody sees here.
    images: usize,
    html: String,
    cells: Vec<String>,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    slugs: Slugs,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) if self.images == 0 => self.open.push_str(&text),
            Event::Html(html) => self.html.push_str(&html),
            Event::SoftBreak => self.open.push(' '),
            Event::HardBreak => self.open.push('\n'),
            Event::TaskListMarker(done) => self.open.push_str(if done { "[x] " } else { "[ ] " }),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, id, .. } => {
                self.flush();
                self.heading = Some((level_number(level), id.map(|id| id.to_string())));
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.in_code = true;
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                let depth = "  ".repeat(self.lists.len().saturating_sub(1));
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{depth}{}. ", *number - 1)
                    }
                    _ => format!("{depth}- "),
                });
            }
            Tag::Image { .. } => self.images += 1,
            Tag::Table(_) | Tag::Paragraph | Tag::BlockQuote(_) => self.flush(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_) => self.flush(),
            TagEnd::CodeBlock => {
                self.in_code = false;
                let code = std::mem::take(&mut self.open);
                self.item_without_text();
                self.blocks.push(Block::Code(code.trim_end().to_owned()));
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::Image => self.images = self.images.saturating_sub(1),
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                self.blocks.extend(html::read(&html).blocks);
            }
            TagEnd::TableCell => {
                let cell = tidy(&std::mem::take(&mut self.open));
                self.cells.push(cell);
            }
            TagEnd::TableHead => self.head = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.rows.push(std::mem::take(&mut self.cells)),
            TagEnd::Table => {
                let (head, rows) = (std::mem::take(&mut self.head), std::mem::take(&mut self.rows));
                self.blocks.extend(table(&head, &rows));
            }
            _ => {}
        }
    }

    /// A code block may be all that an item holds.
    fn item_without_text(&mut self) {
        if let Some(mark) = self.mark.take() {
            self.blocks.push(Block::Line(mark.trim_end().to_owned()));
        }
    }

    fn flush(&mut self) {
        if self.in_code {
            return;
        }
        let text = tidy(&std::mem::take(&mut self.open));
        if text.is_empty() {
            return;
        }
        if let Some((level, id)) = self.heading.take() {
            let anchor = Some(id.unwrap_or_else(|| self.slugs.slug(&text)));
            return self.blocks.push(Block::Heading { level, text, anchor });
        }
        self.blocks.push(match self.mark.take() {
            Some(mark) => Block::Line(format!("{mark}{text}")),
            None => Block::Paragraph(text),
        });
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Anchors as GitHub makes them: lower case, hyphens for spaces, other signs dropped, and a number
/// behind what has been there before.
#[derive(Default)]
pub(crate) struct Slugs(BTreeMap<String, usize>);

impl Slugs {
    pub(crate) fn slug(&mut self, heading: &str) -> String {
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                _ if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        let seen = self.0.entry(slug.clone()).or_default();
        *seen += 1;
        if *seen == 1 { slug } else { format!("{slug}-{}", *seen - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        read(text)
            .blocks
            .into_iter()
            .map(|block| match block {
                Block::Heading { level, text, anchor } => {
                    format!("H{level} {text} #{}", anchor.unwrap_or_default())
                }
                Block::Paragraph(text) => format!("P {text}"),
                Block::Line(text) => format!("L {text}"),
                Block::Code(text) => format!("C {text}"),
            })
            .collect()
    }

    #[test]
    fn headings_get_anchors_as_on_github() {
        assert_eq!(
            shown("# What's new?\n\n## `wardroom up` & more\n\n## Fees\n\n## Fees\n\n## Own {#mine}\n"),
            [
                "H1 What's new? #whats-new",
                "H2 wardroom up & more #wardroom-up--more",
                "H2 Fees #fees",
                "H2 Fees #fees-1",
                "H2 Own #mine",
            ]
        );
    }

    #[test]
    fn lists_tables_code_and_links_stay_readable() {
        let text = "See [the fees](/fees) and ![a picture](x.png)*now*\nor later.\n\n\
                    1. one\n   - inner\n2. two\n\n\
                    | Card | Fee |\n|---|---|\n| Gold | 60 |\n\n\
                    ```sh\nwardroom up\n  --help\n```\n\n<p>raw <b>text</b></p><script>x()</script>\n";
        assert_eq!(
            shown(text),
            [
                "P See the fees and now or later.",
                "L 1. one",
                "L   - inner",
                "L 2. two",
                "L Gold: 60",
                "C wardroom up\n  --help",
                "P raw text",
            ]
        );
    }
}
