//! What a bot knows: its passages in an index in memory, searched by words (BM25), looked at closely
//! with their pages, and quoted, never rewritten. No clear text is written to disk. It finds words and
//! their inflections, not meanings: a question in other words than the text's may miss it.

mod language;
mod quote;
mod spelling;
mod terms;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{IndexBuilder, IndexReader, ReloadPolicy, TantivyDocument, TantivyError, Term};
use wire::release::{Passage, Release};

use spelling::Spelling;
use terms::{Terms, page};

/// How many passages are looked at closely.
const CLOSE_LOOK: usize = 200;

/// The most terms of a question that count; what comes after is left out.
const MOST_TERMS: usize = 64;

/// Memory for building an index. It is given back when the index stands.
const BUILD_BYTES: usize = 15_000_000;

/// How much a word in the document's title counts besides what it counts in the passage; and one in
/// the headings above a passage.
const TITLE: f32 = 0.5;
const HEADINGS: f32 = 0.5;

/// How much of a passage's score hangs on the share of the question that it covers.
const COVERED: f32 = 0.6;
/// How much a passage gains when neighbours of the question are neighbours in it.
const TOGETHER: f32 = 0.5;
/// How much the whole page counts, next to the passage.
const PAGE: f32 = 1.0;
/// How much a page's first passage gains, which says what the page is about.
const LEADS: f32 = 0.15;
/// How much a passage gains when the whole title is in the question.
const TITLED: f32 = 0.3;

/// What a word counts that people say of anything, and a guess at a misspelling.
const LIGHT: f32 = 0.4;
const GUESSED: f32 = 0.7;

/// The passages of one bot, ready to be searched.
pub struct Knowledge {
    release: Arc<Release>,
    analyzer: TextAnalyzer,
    spelling: Spelling,
    terms: Terms,
    light: BTreeSet<String>,
    fields: Fields,
    reader: Option<IndexReader>,
    bytes: usize,
}

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knowledge")
            .field("passages", &self.release.passages.len())
            .field("bytes", &self.bytes)
            .finish()
    }
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    title: Field,
    headings: Field,
    /// Title, headings and text together: what a passage is about.
    all: Field,
    place: Field,
}

/// A passage that answers a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'k> {
    /// The passage.
    pub passage: &'k Passage,
    /// The sentences of it that answer best.
    pub quote: String,
    /// The share of the question that the passage covers, each word weighed by its rarity, 0 to 1.
    pub coverage: f32,
    /// How sure the answer is, 0 to 1: coverage, less what the passage says about other things and
    /// what other passages say about the question as well.
    pub confidence: f32,
}

/// The index could not be built or read. It lives in memory, so this is a defect or a lack of memory.
#[derive(Debug, thiserror::Error)]
#[error("the knowledge index failed")]
pub struct KnowledgeError(#[from] TantivyError);

/// A term of a question.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    term: String,
    /// What it says, by its rarity and its part.
    weight: f32,
    /// How much of its rarity counts: less for words that people say of anything.
    part: f32,
    /// How much it counts when it is found: less when it was put in the place of a misspelling.
    sure: f32,
}

impl Knowledge {
    /// Builds the index over a release's passages. For a language without known endings, words are
    /// found as they are written.
    ///
    /// # Errors
    /// When the index fails.
    pub fn new(release: Arc<Release>) -> Result<Self, KnowledgeError> {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::WithFreqs)
            .set_fieldnorms(true);
        let words = TextOptions::default().set_indexing_options(words);
        let fields = Fields {
            title: schema.add_text_field("title", words.clone()),
            headings: schema.add_text_field("headings", words.clone()),
            all: schema.add_text_field("all", words),
            place: schema.add_u64_field("place", FAST),
        };
        let mut analyzer = language::analyzer(&release.manifest.language);
        let light = language::light(&mut analyzer, &release.manifest.language);
        let mut knowledge = Self {
            release,
            analyzer,
            spelling: Spelling::default(),
            terms: Terms::default(),
            light,
            fields,
            reader: None,
            bytes: 0,
        };
        if !knowledge.release.passages.is_empty() {
            knowledge.build(schema.build())?;
        }
        Ok(knowledge)
    }

    fn build(&mut self, schema: Schema) -> Result<(), TantivyError> {
        let directory = RamDirectory::create();
        let tokenizers = tantivy::tokenizer::TokenizerManager::default();
        tokenizers.register("words", self.analyzer.clone());
        let mut writer = IndexBuilder::new()
            .schema(schema)
            .tokenizers(tokenizers)
            .single_segment_index_writer(directory.clone(), BUILD_BYTES)?;
        for (place, passage) in (0u64..).zip(self.release.passages.iter()) {
            let [title, headings, text] = [&passage.title, &passage.headings.join("\n"), &passage.text]
                .map(|text| language::prepare(text));
            let mut document = TantivyDocument::default();
            document.add_text(self.fields.all, format!("{title}\n{headings}\n{text}"));
            document.add_text(self.fields.title, title);
            document.add_text(self.fields.headings, headings);
            document.add_u64(self.fields.place, place);
            writer.add_document(document)?;
        }
        let index = writer.finalize()?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let mut terms = BTreeMap::new();
        for segment in reader.searcher().segment_readers() {
            let inverted = segment.inverted_index(self.fields.all)?;
            let mut stream = inverted.terms().stream()?;
            while stream.advance() {
                if let Ok(term) = std::str::from_utf8(stream.key()) {
                    *terms.entry(term.to_owned()).or_default() += stream.value().doc_freq;
                }
            }
        }
        self.terms = Terms::new(&mut self.analyzer, &self.release.passages);
        self.bytes = directory.total_mem_usage() + self.terms.bytes();
        self.spelling = Spelling::new(terms.into_iter().collect());
        self.reader = Some(reader);
        Ok(())
    }

    /// How many passages can be found.
    pub fn passages(&self) -> usize {
        self.release.passages.len()
    }

    /// Bytes of memory that the index takes, without the passages themselves.
    pub fn index_bytes(&self) -> usize {
        self.bytes
    }

    /// The passages that answer a question, best first, at most `most`, each of another page. Empty
    /// when the question has no word that the knowledge has.
    ///
    /// # Errors
    /// When the index fails.
    pub fn ask(&self, question: &str, most: usize) -> Result<Vec<Found<'_>>, KnowledgeError> {
        let Some(reader) = &self.reader else { return Ok(Vec::new()) };
        let mut analyzer = self.analyzer.clone();
        let asked = self.asked(&mut analyzer, question);
        if asked.iter().all(|asked| self.spelling.seen(&asked.term) == 0) {
            return Ok(Vec::new());
        }
        let searcher = reader.searcher();
        let top = TopDocs::with_limit(CLOSE_LOOK).order_by_score();
        let numbers: Vec<Option<u32>> = asked.iter().map(|asked| self.terms.number(&asked.term)).collect();
        let mut around = HashMap::new();
        let mut close = Vec::new();
        for (score, address) in searcher.search(&self.query(&asked), &top)? {
            let segment = searcher.segment_reader(address.segment_ord);
            let place = segment.fast_fields().u64("place")?.first(address.doc_id);
            let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else { continue };
            let Some(passage) = self.release.passages.get(place) else { continue };
            let (score, coverage) = self.look(place, score, &asked, &numbers, &mut around);
            close.push((score, coverage, passage));
        }
        close.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut pages: Vec<(f32, f32, &Passage)> = Vec::new();
        for candidate in close {
            if !pages.iter().any(|(_, _, other)| page(other) == page(candidate.2)) {
                pages.push(candidate);
            }
        }
        let second = pages.get(1).map_or(0.0, |(score, ..)| *score);
        let found = pages.iter().take(most).map(|(score, coverage, passage)| {
            let lead = if *score > 0.0 { (1.0 - second / score).clamp(0.0, 1.0) } else { 0.0 };
            let quote = quote::best(
                &passage.text,
                |part| covers(&mut analyzer, &asked, part),
                |set| worth(&asked, set),
            );
            let close = worth(&asked, covers(&mut analyzer, &asked, &context(passage, &quote)));
            let confidence = confidence(*coverage, close, lead);
            Found { passage, quote, coverage: *coverage, confidence }
        });
        Ok(found.collect())
    }

    /// A close look at one passage: its score, and the share of the question that it covers. `around`
    /// keeps the scores of pages from one passage to the next.
    fn look(
        &self,
        place: usize,
        score: f32,
        asked: &[Asked],
        numbers: &[Option<u32>],
        around: &mut HashMap<usize, f32>,
    ) -> (f32, f32) {
        let (covered, near) = self.terms.look(place, numbers);
        let coverage = worth(asked, covered);
        let page = self.terms.page_of(place).unwrap_or_default();
        let around = *around.entry(page).or_insert_with(|| {
            let parts: Vec<f32> = asked.iter().map(|asked| asked.part * asked.sure).collect();
            self.terms.page_score(page, numbers, &parts)
        });
        let passage = score * (1.0 - COVERED + COVERED * coverage) * (1.0 + TOGETHER * worth(asked, near));
        let lead = if self.terms.leads(place) { LEADS } else { 0.0 };
        let titled = TITLED * self.terms.title_share(page, numbers);
        ((passage + PAGE * around) * (1.0 + lead) * (1.0 + titled), coverage)
    }

    /// The terms of a question, each once, with misspellings put right.
    fn asked(&self, analyzer: &mut TextAnalyzer, question: &str) -> Vec<Asked> {
        let count = self.release.passages.len() as f32;
        let mut asked: Vec<Asked> = Vec::new();
        for term in language::terms(analyzer, question) {
            let guess = if self.spelling.seen(&term) == 0 { self.spelling.meant(&term) } else { None };
            let guessed = guess.is_some();
            let term = guess.map_or(term, str::to_owned);
            if asked.len() < MOST_TERMS && !asked.iter().any(|asked| asked.term == term) {
                let seen = self.spelling.seen(&term) as f32;
                // The rarity of BM25.
                let weight = (1.0 + (count - seen + 0.5) / (seen + 0.5)).ln();
                let part = if self.light.contains(&term) { LIGHT } else { 1.0 };
                let sure = if guessed { GUESSED } else { 1.0 };
                asked.push(Asked { term, weight: weight * part, part, sure });
            }
        }
        asked
    }

    fn query(&self, asked: &[Asked]) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(asked.len() * 3);
        for Asked { term, part, sure, .. } in asked {
            let fields =
                [(self.fields.all, 1.0), (self.fields.title, TITLE), (self.fields.headings, HEADINGS)];
            for (field, boost) in fields {
                let query = TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
                clauses
                    .push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost * part * sure))));
            }
        }
        BooleanQuery::new(clauses)
    }
}

/// A quote with the words that stand above it.
fn context(passage: &Passage, quote: &str) -> String {
    format!("{}\n{}\n{quote}", passage.title, passage.headings.join("\n"))
}

/// Which terms of the question a text has, as bits.
fn covers(analyzer: &mut TextAnalyzer, asked: &[Asked], text: &str) -> u64 {
    let mut covered = 0;
    for term in language::terms(analyzer, text) {
        if let Some(at) = asked.iter().position(|asked| asked.term == term) {
            covered |= 1u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
        }
    }
    covered
}

/// The share of the question's weight that a set of terms has.
fn worth(asked: &[Asked], covered: u64) -> f32 {
    let all: f32 = asked.iter().map(|asked| asked.weight).sum();
    let bits = asked.iter().zip(0..64).filter(|(_, at)| covered >> at & 1 == 1);
    let found: f32 = bits.map(|(asked, _)| asked.weight * asked.sure).sum();
    if all > 0.0 { found / all } else { 0.0 }
}

/// How sure an answer is, from the share of the question that the passage covers, the share that the
/// quote with its headings covers, and how far the next page is behind.
fn confidence(coverage: f32, close: f32, lead: f32) -> f32 {
    let covered = 0.5 * coverage + 0.5 * close;
    (covered * (0.9 + 0.1 * (lead * 4.0).min(1.0))).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::BotName;
    use proptest::prelude::*;
    use wire::release::{Confidence, Handoff, Manifest};

    fn knowledge(texts: &[(&str, &str)]) -> Knowledge {
        let passages = texts.iter().map(|(title, text)| Passage {
            title: (*title).to_owned(),
            headings: vec![],
            url: format!("/{}", title.replace(' ', "-")),
            text: (*text).to_owned(),
        });
        Knowledge::new(Arc::new(Release {
            manifest: Manifest {
                name: BotName::new("test").unwrap(),
                title: "Test".into(),
                description: "Tests.".into(),
                language: "en".into(),
                greeting: "Hello.".into(),
                fallback: "No.".into(),
                suggestions: vec![],
                handoff: Handoff { enabled: false, message: String::new() },
                confidence: Confidence { intent: 0.5, knowledge: 0.5 },
                allowed_origins: vec![],
                people: Default::default(),
                retention_days: None,
            },
            passages: passages.collect(),
            intents: vec![],
            flows: vec![],
            model: vec![],
        }))
        .unwrap()
    }

    fn library() -> Knowledge {
        knowledge(&[
            ("Borrowing", "You may borrow six books for four weeks. A loan can be renewed twice."),
            ("Late fees", "A late book costs ten cents a day. Fees are paid at the desk."),
            ("Rooms", "Reading rooms are booked online. A room holds up to eight people."),
        ])
    }

    #[test]
    fn the_passage_that_covers_the_question_comes_first_and_is_sure() {
        let library = library();
        let found = library.ask("How long may I borrow a book?", 3).unwrap();
        assert_eq!(found[0].passage.title, "Borrowing");
        let found = library.ask("what does a late book cost", 3).unwrap();
        assert_eq!(found[0].passage.title, "Late fees");
        assert!(found[0].confidence > 0.8, "{}", found[0].confidence);
        assert_eq!(found[0].quote, "A late book costs ten cents a day. Fees are paid at the desk.");
    }

    #[test]
    fn a_question_about_other_things_is_not_sure() {
        let library = library();
        assert_eq!(library.ask("where is Jupiter?", 3).unwrap(), []);
        let found = library.ask("can people live on the moons of Jupiter?", 3).unwrap();
        assert!(found[0].confidence < 0.5, "{}", found[0].confidence);
        assert_eq!(library.ask("how do I do that?", 3).unwrap(), []);
        assert_eq!(library.ask("", 3).unwrap(), []);
    }

    #[test]
    fn misspelt_words_are_found() {
        let library = library();
        let found = library.ask("can I renwe a laon", 3).unwrap();
        assert_eq!(found[0].passage.title, "Borrowing");
    }

    #[test]
    fn a_bot_without_knowledge_finds_nothing() {
        let nothing = knowledge(&[]);
        assert_eq!(nothing.ask("anything", 3).unwrap(), []);
        assert_eq!(nothing.index_bytes(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_question_makes_it_panic(question in any::<String>(), words in "(late|book|[a-z ])*") {
            static LIBRARY: std::sync::LazyLock<Knowledge> = std::sync::LazyLock::new(library);
            for question in [question, words] {
                for found in LIBRARY.ask(&question, 3).unwrap() {
                    prop_assert!((0.0..=1.0).contains(&found.confidence));
                }
            }
        }
    }
}
