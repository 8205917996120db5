//! The passages as sequences of numbered terms, and the pages that they make up: what a close look at
//! a candidate needs, without taking its text apart again.

use std::collections::HashMap;
use std::ops::Range;

use tantivy::tokenizer::TextAnalyzer;
use wire::release::Passage;

use super::language;

/// The parameters of BM25 (Robertson and Zaragoza, 2009), as the index has them for passages.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Terms of a question that stand at most this far apart in a passage belong together.
const NEAR: usize = 4;

/// Numbered terms of all passages.
#[derive(Debug, Default)]
pub(super) struct Terms {
    numbers: HashMap<String, u32>,
    /// The terms of each passage, title and headings first.
    passages: Vec<Box<[u32]>>,
    /// The page of each passage, and the passages of each page. Passages of one page stand together.
    page_of: Vec<usize>,
    pages: Vec<Range<usize>>,
    /// The terms of each page's title.
    titles: Vec<Vec<u32>>,
    /// For each term, the number of pages that have it.
    on_pages: Vec<u32>,
    /// Terms per page, on average.
    page_length: f32,
}

impl Terms {
    /// Takes the passages apart.
    pub(super) fn new(analyzer: &mut TextAnalyzer, passages: &[Passage]) -> Self {
        let mut terms = Self::default();
        let mut last: Option<&str> = None;
        let mut seen_on: Vec<usize> = Vec::new();
        for (place, passage) in passages.iter().enumerate() {
            let page = page(passage);
            let mut fresh = false;
            if last != Some(page) {
                terms.pages.push(place..place);
                fresh = true;
                last = Some(page);
            }
            let page = terms.pages.len() - 1;
            if let Some(range) = terms.pages.last_mut() {
                range.end = place + 1;
            }
            terms.page_of.push(page);
            let mut sequence = Vec::new();
            for term in language::terms(analyzer, &whole(passage)) {
                let next = u32::try_from(terms.numbers.len()).unwrap_or(u32::MAX);
                let number = *terms.numbers.entry(term).or_insert(next);
                let at = number as usize;
                if at >= seen_on.len() {
                    seen_on.push(usize::MAX);
                    terms.on_pages.push(0);
                }
                if let (Some(seen), Some(count)) = (seen_on.get_mut(at), terms.on_pages.get_mut(at))
                    && *seen != page
                {
                    *seen = page;
                    *count += 1;
                }
                sequence.push(number);
            }
            if fresh {
                let title = language::terms(analyzer, &passage.title);
                let title = title.iter().filter_map(|term| terms.number(term)).collect();
                terms.titles.push(title);
            }
            terms.passages.push(sequence.into_boxed_slice());
        }
        let all: usize = terms.passages.iter().map(|passage| passage.len()).sum();
        terms.page_length = all as f32 / terms.pages.len().max(1) as f32;
        terms
    }

    /// The number of a term; `None` when no passage has it.
    pub(super) fn number(&self, term: &str) -> Option<u32> {
        self.numbers.get(term).copied()
    }

    /// The page of a passage.
    pub(super) fn page_of(&self, place: usize) -> Option<usize> {
        self.page_of.get(place).copied()
    }

    /// Which of the asked terms a passage has (as bits), and which neighbours among them stand
    /// near each other in it (the bit of the first of both).
    pub(super) fn look(&self, place: usize, asked: &[Option<u32>]) -> (u64, u64) {
        let (mut covered, mut near) = (0u64, 0u64);
        let mut last_at: Vec<Option<usize>> = vec![None; asked.len()];
        for (at, number) in self.passages.get(place).into_iter().flatten().enumerate() {
            let Some(which) = asked.iter().position(|asked| *asked == Some(*number)) else { continue };
            covered |= 1 << which.min(63);
            for (neighbour, bit) in [(which.checked_sub(1), which.wrapping_sub(1)), (Some(which + 1), which)]
            {
                let seen = neighbour.and_then(|neighbour| last_at.get(neighbour).copied().flatten());
                if seen.is_some_and(|seen| at - seen <= NEAR) {
                    near |= 1 << bit.min(63);
                }
            }
            if let Some(last) = last_at.get_mut(which) {
                *last = Some(at);
            }
        }
        (covered, near)
    }

    /// How well a whole page matches the asked terms (BM25 with pages for documents), each counting by
    /// its part.
    pub(super) fn page_score(&self, page: usize, asked: &[Option<u32>], parts: &[f32]) -> f32 {
        let Some(range) = self.pages.get(page) else { return 0.0 };
        let passages = self.passages.get(range.clone()).unwrap_or_default();
        let mut counts = vec![0u32; asked.len()];
        let mut length = 0;
        for passage in passages {
            length += passage.len();
            for number in passage {
                if let Some(which) = asked.iter().position(|asked| *asked == Some(*number))
                    && let Some(count) = counts.get_mut(which)
                {
                    *count += 1;
                }
            }
        }
        let norm = K1 * (1.0 - B + B * length as f32 / self.page_length.max(1.0));
        let scores = asked.iter().zip(counts).zip(parts).map(|((number, count), part)| {
            part * self.rarity(*number) * (1.0 + K1) * count as f32 / (count as f32 + norm)
        });
        scores.sum()
    }

    /// The share of a page's title that is in the question, each term weighed by its rarity.
    pub(super) fn title_share(&self, page: usize, asked: &[Option<u32>]) -> f32 {
        let (mut all, mut found) = (0.0, 0.0);
        for number in self.titles.get(page).into_iter().flatten() {
            let rarity = self.rarity(Some(*number));
            all += rarity;
            if asked.contains(&Some(*number)) {
                found += rarity;
            }
        }
        if all > 0.0 { found / all } else { 0.0 }
    }

    /// Whether a passage is the first of its page, which says what the page is about.
    pub(super) fn leads(&self, place: usize) -> bool {
        self.page_of(place).and_then(|page| self.pages.get(page)).is_some_and(|range| range.start == place)
    }

    /// The rarity of BM25, over pages.
    fn rarity(&self, number: Option<u32>) -> f32 {
        let pages = self.pages.len() as f32;
        let on = number.and_then(|number| self.on_pages.get(number as usize)).copied().unwrap_or(0) as f32;
        (1.0 + (pages - on + 0.5) / (on + 0.5)).ln()
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let sequences: usize = self.passages.iter().map(|passage| passage.len() * 4 + 16).sum();
        let names: usize = self.numbers.keys().map(|term| term.len() + 40).sum();
        sequences + names + self.page_of.len() * 8 + self.pages.len() * 16 + self.on_pages.len() * 4
    }
}

/// The page of a passage: its address without the place on the page.
pub(super) fn page(passage: &Passage) -> &str {
    passage.url.split('#').next().unwrap_or_default()
}

/// A passage with what stands above it.
pub(super) fn whole(passage: &Passage) -> String {
    format!("{}\n{}\n{}", passage.title, passage.headings.join("\n"), passage.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(url: &str, title: &str, text: &str) -> Passage {
        Passage { title: title.into(), headings: vec![], url: url.into(), text: text.into() }
    }

    #[test]
    fn a_close_look_sees_which_terms_stand_together() {
        let mut analyzer = language::analyzer("en");
        let passages = [
            passage("/a#1", "Locks", "A lost card is blocked at once."),
            passage("/a#2", "Locks", "Cards."),
            passage(
                "/b",
                "Fees",
                "A card costs nothing. Many other words stand between it and whatever was lost.",
            ),
        ];
        let terms = Terms::new(&mut analyzer, &passages);
        let asked = [terms.number("lost"), terms.number("card"), terms.number("lock"), terms.number("moon")];
        assert_eq!(asked[3], None);
        assert_eq!(terms.look(0, &asked), (0b111, 0b011));
        assert_eq!(terms.look(2, &asked), (0b011, 0b000));
        assert_eq!((terms.page_of(1), terms.page_of(2)), (Some(0), Some(1)));
        assert_eq!((terms.leads(0), terms.leads(1), terms.leads(2)), (true, false, true));
        assert_eq!((terms.title_share(0, &asked), terms.title_share(1, &asked)), (1.0, 0.0));
        assert!(terms.page_score(0, &asked, &[1.0; 4]) > terms.page_score(1, &asked, &[1.0; 4]));
    }
}
