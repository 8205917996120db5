//! HTML to blocks. The text is tokenised as browsers do it (WHATWG HTML, section 13.2.5) but no tree
//! is built: a single pass over the tokens finds headings, paragraphs, lists, tables and code, and
//! leaves out what is not content. Nothing of a page is ever executed or shown as HTML.

use html5gum::{DefaultEmitter, HtmlString, Spanned, StartTag, Token, Tokenizer};

use super::blocks::{Block, Page, table, tidy};

/// Elements whose content nobody reads as text.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "footer", "template", "noscript", "svg", "math", "iframe", "object", "video",
    "audio", "canvas", "button", "select", "textarea", "dialog",
];
/// Classes and roles of the same: menus, page heads and feet, tables of contents, indexes of words.
const DROPPED_WORDS: &[&str] = &[
    "navheader",
    "navfooter",
    "navbar",
    "sidebar",
    "breadcrumb",
    "breadcrumbs",
    "toc",
    "indexdiv",
    "cookie-banner",
    "navigation",
    "banner",
    "contentinfo",
    "search",
];
/// Elements without content or end tag.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements that run within a line; every other one ends it.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "img", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

/// Reads an HTML document or a piece of one.
pub(crate) fn read(text: &str) -> Page {
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::default();
    for token in Tokenizer::new_with_emitter(text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => reader.text(&String::from_utf8_lossy(&text.value)),
            _ => {}
        }
    }
    reader.flush();
    reader.close_table();
    Page {
        named: reader.title.map(|title| tidy(&title)).filter(|title| !title.is_empty()),
        blocks: reader.blocks,
    }
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    title: Option<String>,
    in_title: bool,
    /// The dropped element that is open, and how many of its name are open within it.
    dropped: Option<(String, usize)>,
    /// The text of the block that is open.
    open: String,
    heading: Option<(u8, Option<String>)>,
    /// The last id before the text: a heading without one is reached by the id of its section.
    section: Option<String>,
    /// Depth of `pre`.
    code: usize,
    lists: Vec<Option<u64>>,
    /// What the next text begins with: an item's mark, or a term and its colon.
    lead: String,
    in_term: bool,
    tables: Vec<Table>,
    /// Depth of `main` and `article`, whose headers are content.
    content: usize,
}

#[derive(Default)]
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    cell: Option<String>,
    heads_in_row: usize,
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        let name = name.as_ref();
        let void = VOID.contains(&name);
        if let Some((dropped, depth)) = &mut self.dropped {
            if dropped == name && !void {
                *depth += 1;
            }
            return;
        }
        if !void && self.is_dropped(name, tag) {
            self.flush();
            self.dropped = Some((name.to_owned(), 1));
            return;
        }
        if !INLINE.contains(&name) && name != "br" {
            self.flush();
        }
        self.note_id(name, tag);
        match name {
            // A second one belongs to a drawing.
            "title" if self.title.is_none() => {
                self.in_title = true;
                self.title = Some(String::new());
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush_lead();
                self.heading = Some((name.as_bytes().get(1).map_or(1, |d| d - b'0'), attribute(tag, "id")));
            }
            "main" | "article" => self.content += 1,
            "br" => self.open.push('\n'),
            "pre" => {
                self.flush_lead();
                self.code += 1;
            }
            "ul" => self.lists.push(None),
            "ol" => {
                let first = attribute(tag, "start").and_then(|n| n.parse().ok()).unwrap_or(1);
                self.lists.push(Some(first));
            }
            "li" => self.item(),
            "dt" => self.in_term = true,
            "dd" => self.in_term = false,
            "table" => self.tables.push(Table::default()),
            "tr" => self.close_row(),
            "td" | "th" => {
                self.close_cell();
                if let Some(table) = self.tables.last_mut() {
                    table.cell = Some(String::new());
                    table.heads_in_row += usize::from(name == "th");
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((dropped, depth)) = &mut self.dropped {
            if dropped == name {
                *depth -= 1;
                if *depth == 0 {
                    self.dropped = None;
                }
            }
            return;
        }
        if !INLINE.contains(&name) {
            self.flush();
        }
        match name {
            "title" => self.in_title = false,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = None,
            "main" | "article" => self.content = self.content.saturating_sub(1),
            "pre" => self.code = self.code.saturating_sub(1),
            "ul" | "ol" => {
                self.lists.pop();
            }
            "dt" => self.in_term = false,
            "dd" | "li" | "dl" => {
                self.in_term = false;
                self.flush_lead();
            }
            "td" | "th" => self.close_cell(),
            "tr" => self.close_row(),
            "table" => self.close_table(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.dropped.is_some() {
            return;
        }
        if self.in_title {
            if let Some(title) = &mut self.title {
                title.push_str(text);
            }
        } else if self.code > 0 {
            self.open.push_str(text);
        } else {
            // Outside `pre`, a line feed is a space; the line feeds in `open` are those of `br`.
            self.open.extend(text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }));
        }
    }

    fn is_dropped(&self, name: &str, tag: &StartTag<()>) -> bool {
        if DROPPED.contains(&name) || (name == "header" && self.content == 0) {
            return true;
        }
        if tag.attributes.is_empty() || name == "body" || name == "html" {
            return false;
        }
        let named = |key: &str| {
            attribute(tag, key).is_some_and(|value| {
                value
                    .split_ascii_whitespace()
                    .any(|word| DROPPED_WORDS.contains(&word.to_lowercase().as_str()))
            })
        };
        let hidden = tag.attributes.contains_key(b"hidden".as_slice())
            || attribute(tag, "aria-hidden").is_some_and(|value| value == "true");
        hidden || named("class") || named("role")
    }

    /// Remembers the id of a section, for the heading that comes first in it.
    fn note_id(&mut self, name: &str, tag: &StartTag<()>) {
        let Some(id) = attribute(tag, "id").or_else(|| attribute(tag, "name").filter(|_| name == "a")) else {
            return;
        };
        match name {
            "div" | "section" | "article" => self.section = Some(id),
            "a" | "span" => {
                let entry = attribute(tag, "class").is_some_and(|class| class.contains("index"));
                if let Some((_, anchor @ None)) = &mut self.heading {
                    *anchor = Some(id);
                } else if self.section.is_none() && !entry {
                    self.section = Some(id);
                }
            }
            _ => {}
        }
    }

    fn item(&mut self) {
        self.flush_lead();
        let depth = "  ".repeat(self.lists.len().saturating_sub(1));
        self.lead = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{depth}{}. ", *number - 1)
            }
            _ => format!("{depth}- "),
        };
    }

    /// Closes the block that is open.
    fn flush(&mut self) {
        let open = std::mem::take(&mut self.open);
        if self.in_title || open.trim().is_empty() {
            return;
        }
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(&tidy(&open).replace('\n', " "));
        } else if self.code > 0 {
            let code = open.trim_start_matches(['\n', '\r']).trim_end().replace('\r', "");
            self.blocks.push(Block::Code(code));
        } else if self.in_term {
            let term = tidy(&open);
            let lead = std::mem::take(&mut self.lead);
            // Several terms may share one definition.
            self.lead = match lead.strip_suffix(": ") {
                Some(others) => format!("{others}, {term}: "),
                None => format!("{lead}{term}: "),
            };
        } else if let Some((level, anchor)) = self.heading.take() {
            let anchor = anchor.or_else(|| self.section.take());
            self.blocks.push(Block::Heading { level, text: tidy(&open).replace('\n', " "), anchor });
        } else {
            let lead = std::mem::take(&mut self.lead);
            let text = tidy(&open);
            let is_item = lead.trim_start().starts_with("- ")
                || lead.trim_start().starts_with(|c: char| c.is_ascii_digit());
            self.blocks.push(if is_item {
                Block::Line(lead + &text)
            } else {
                Block::Paragraph(lead + &text)
            });
        }
        self.section = None;
    }

    /// A term without a definition, or an item without text of its own.
    fn flush_lead(&mut self) {
        let lead = std::mem::take(&mut self.lead);
        if let Some(term) = lead.strip_suffix(": ") {
            self.blocks.push(Block::Line(term.to_owned()));
        }
    }

    fn close_cell(&mut self) {
        if let Some(table) = self.tables.last_mut()
            && let Some(cell) = table.cell.take()
        {
            table.row.push(cell);
        }
    }

    fn close_row(&mut self) {
        self.close_cell();
        let Some(table) = self.tables.last_mut() else { return };
        let row = std::mem::take(&mut table.row);
        let all_heads = table.heads_in_row == row.len();
        table.heads_in_row = 0;
        if row.is_empty() {
        } else if all_heads && table.head.is_empty() && table.rows.is_empty() {
            table.head = row;
        } else {
            table.rows.push(row);
        }
    }

    fn close_table(&mut self) {
        self.close_row();
        let Some(done) = self.tables.pop() else { return };
        let lines = table(&done.head, &done.rows);
        match self.tables.last_mut().and_then(|outer| outer.cell.as_mut()) {
            // A table in a cell becomes the cell's text.
            Some(cell) => {
                for line in lines {
                    if let Block::Line(line) = line {
                        cell.push(' ');
                        cell.push_str(&line);
                    }
                }
            }
            None => {
                self.flush_lead();
                self.blocks.extend(lines);
            }
        }
    }
}

fn attribute(tag: &StartTag<()>, key: &str) -> Option<String> {
    let value: &Spanned<HtmlString, ()> = tag.attributes.get(key.as_bytes())?;
    let value = String::from_utf8_lossy(&value.value).trim().to_owned();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn only_content_is_read() {
        let page = read(
            "<!doctype html><html><head><title>The &amp; title</title><style>p{}</style></head><body>\
             <header><h1>Site</h1></header><nav><div>Menu</div></nav><script>if (a<b) x()</script>\
             <div class='navheader'><div>Prev</div> Next</div><div hidden>not seen</div>\
             <main><article><header><h1 id=top>Fees</h1></header><p>They are <b>lo</b>w.</article></main>\
             <footer>Imprint</footer></body></html>",
        );
        assert_eq!(page.title().as_deref(), Some("The & title"));
        assert_eq!(
            page.blocks,
            [
                Block::Heading { level: 1, text: "Fees".into(), anchor: Some("top".into()) },
                Block::Paragraph("They are low.".into()),
            ]
        );
    }

    #[test]
    fn lists_terms_tables_and_code_stay_readable() {
        assert_eq!(
            shown(
                "<p>First<br>second\nline<ul><li>one<ul><li><p>inner</p><p>more</p></ul><li>two</ul>\
                 <ol start=3><li>three</ol><dl><dt>a<dt>b<dd><p>Both.</p><p>More.</p><dt>alone</dl>\
                 <table><tr><th>Card<th>Fee<th>Limit<tr><td>Gold<td>60<td>5,000</table>\
                 <pre>\n  x &lt; y\n    z\n</pre>"
            ),
            [
                "P First\nsecond line",
                "L - one",
                "L   - inner",
                "P more",
                "L - two",
                "L 3. three",
                "P a, b: Both.",
                "P More.",
                "L alone",
                "L Gold: Fee 60; Limit 5,000",
                "C   x < y\n    z",
            ]
        );
    }

    #[test]
    fn a_heading_without_an_id_is_reached_by_its_section() {
        assert_eq!(
            shown(
                "<div class=sect1 id=WAL><div><div><h2>Log</h2></div></div><p>Text.</p>\
                 <div id=SUB><a id=i1 class=indexterm></a><h3>Sub</h3><p>More.</p></div>\
                 <h3><a id=own></a>Own</h3><p>x</p><h3>None</h3></div>"
            ),
            ["H2 Log #WAL", "P Text.", "H3 Sub #SUB", "P More.", "H3 Own #own", "P x", "H3 None #"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "(<(/?(p|li|ul|ol|td|tr|table|dl|dt|dd|pre|h2|nav|title|script|div id=x)>)?|[a-z <>&;\n]){0,60}") {
            let _ = read(&text);
        }
    }
}
