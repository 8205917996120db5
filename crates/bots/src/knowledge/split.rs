//! Cutting a document into passages: one for each heading, more where the text under a heading is
//! long. A passage is what a bot quotes, so it ends at the end of a paragraph wherever that is possible.

use wire::release::Passage;

use super::blocks::Block;
use super::urls::with_anchor;

/// Characters after which a passage ends. Long enough for an answer with its conditions, short
/// enough to be read in a chat.
const LONG: usize = 1200;
/// A remainder shorter than this stays with what is before it.
const SHORT: usize = 240;

/// Cuts the blocks of one document.
pub(crate) fn passages(title: &str, url: &str, blocks: Vec<Block>) -> Vec<Passage> {
    let mut cutter =
        Cutter { title, url, headings: Vec::new(), anchor: None, parts: Vec::new(), out: Vec::new() };
    for block in blocks {
        match block {
            Block::Heading { level, text, anchor } => cutter.heading(level, text, anchor),
            Block::Paragraph(text) => cutter.part("\n\n", text),
            Block::Line(text) => cutter.part("\n", text),
            Block::Code(text) => cutter.part("\n\n", text),
        }
    }
    cutter.close();
    cutter.out
}

struct Cutter<'a> {
    title: &'a str,
    url: &'a str,
    /// The headings above, with their levels.
    headings: Vec<(u8, String)>,
    anchor: Option<String>,
    /// What stands under the present heading: the gap before it, and the text.
    parts: Vec<(&'static str, String)>,
    out: Vec<Passage>,
}

impl Cutter<'_> {
    fn heading(&mut self, level: u8, text: String, anchor: Option<String>) {
        self.close();
        self.headings.retain(|(above, _)| *above < level);
        // The title's own heading is the page itself; its anchor says nothing more.
        self.anchor = anchor.filter(|_| text != self.title);
        self.headings.push((level, text));
    }

    fn part(&mut self, gap: &'static str, text: String) {
        if text.trim().is_empty() {
            return;
        }
        if length(&text) <= LONG {
            return self.parts.push((gap, text));
        }
        for (at, piece) in pieces(&text).into_iter().enumerate() {
            self.parts.push((if at == 0 { gap } else { " " }, piece));
        }
    }

    /// Makes passages of what stands under the present heading.
    fn close(&mut self) {
        let mut texts: Vec<String> = Vec::new();
        let mut open = String::new();
        let mut open_length = 0;
        let mut before = "";
        for (gap, text) in self.parts.drain(..) {
            let more = length(&text);
            if open_length > 0 && open_length + gap.len() + more > LONG {
                texts.push(std::mem::take(&mut open));
                open_length = 0;
            }
            if open_length > 0 {
                // A list begins a blank line below the sentence that introduces it.
                let gap = if gap == "\n" && before == "\n\n" { "\n\n" } else { gap };
                open.push_str(gap);
            }
            open.push_str(&text);
            open_length += gap.len() + more;
            before = gap;
        }
        match texts.last_mut() {
            Some(last)
                if !open.is_empty() && open_length < SHORT && length(last) + open_length < LONG + SHORT =>
            {
                last.push_str("\n\n");
                last.push_str(&open);
            }
            _ if !open.is_empty() => texts.push(open),
            _ => {}
        }
        let headings: Vec<String> =
            self.headings.iter().map(|(_, text)| text.clone()).filter(|text| text != self.title).collect();
        let url = self.anchor.as_ref().map_or_else(|| self.url.to_owned(), |a| with_anchor(self.url, a));
        self.out.extend(texts.into_iter().map(|text| Passage {
            title: self.title.to_owned(),
            headings: headings.clone(),
            url: url.clone(),
            text,
        }));
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Cuts a text that is too long at the last line end, sentence end or space that fits.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(LONG) {
        let head = rest.get(..limit).unwrap_or(rest);
        // A cut in the first half would leave a stump.
        let good = |at: &usize| *at > limit / 2;
        let cut = head
            .rfind('\n')
            .filter(good)
            .or_else(|| {
                head.rfind(['.', '!', '?'])
                    .filter(good)
                    .and_then(|at| head.get(at..)?.find(' ').map(|n| at + n))
            })
            .or_else(|| {
                [". ", "! ", "? "]
                    .iter()
                    .filter_map(|end| head.rfind(end))
                    .max()
                    .map(|at| at + 1)
                    .filter(good)
            })
            .or_else(|| head.rfind(' ').filter(good))
            .unwrap_or(limit);
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece.trim_end().to_owned());
        rest = after.trim_start_matches([' ', '\n']);
    }
    if !rest.trim().is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heading(level: u8, text: &str) -> Block {
        Block::Heading { level, text: text.into(), anchor: Some(text.to_lowercase()) }
    }

    fn paragraph(text: &str) -> Block {
        Block::Paragraph(text.into())
    }

    #[test]
    fn a_passage_knows_the_headings_above_it() {
        let blocks = vec![
            heading(1, "Cards"),
            paragraph("About cards."),
            heading(2, "Fees"),
            heading(3, "Abroad"),
            paragraph("Free."),
            heading(2, "Limits"),
            paragraph("High."),
        ];
        let found = passages("Cards", "/docs/cards", blocks);
        let short: Vec<_> =
            found.iter().map(|p| (p.headings.join(" > "), p.url.as_str(), p.text.as_str())).collect();
        assert_eq!(
            short,
            [
                (String::new(), "/docs/cards", "About cards."),
                ("Fees > Abroad".into(), "/docs/cards#abroad", "Free."),
                ("Limits".into(), "/docs/cards#limits", "High."),
            ]
        );
    }

    #[test]
    fn long_text_is_cut_at_paragraphs_and_a_short_rest_stays() {
        let blocks = vec![paragraph(&"a".repeat(700)), paragraph(&"b".repeat(700)), paragraph("The end.")];
        let lengths: Vec<_> = passages("T", "/", blocks).iter().map(|p| length(&p.text)).collect();
        assert_eq!(lengths, [700, 710]);
    }

    #[test]
    fn a_list_begins_below_its_sentence() {
        let blocks =
            vec![paragraph("You need:"), Block::Line("- a card".into()), Block::Line("- a pen".into())];
        assert_eq!(passages("T", "/", blocks)[0].text, "You need:\n\n- a card\n- a pen");
    }

    #[test]
    fn one_long_paragraph_is_cut_at_sentences() {
        let sentence = "This sentence has exactly fifty characters in it. ";
        let found = passages("T", "/", vec![paragraph(sentence.repeat(60).trim_end())]);
        assert!(found.len() >= 3);
        assert!(found.iter().all(|p| p.text.ends_with("in it.") && length(&p.text) <= LONG + SHORT));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(texts in proptest::collection::vec("[a-z .\n]{0,3000}", 0..5)) {
            let blocks = texts.iter().map(|text| paragraph(text)).collect();
            let found = passages("T", "/", blocks);
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let before: String = texts.iter().map(|text| letters(text)).collect();
            let after: String = found.iter().map(|p| letters(&p.text)).collect();
            prop_assert_eq!(before, after);
            for passage in &found {
                prop_assert!(length(&passage.text) <= LONG + SHORT);
            }
        }
    }
}
