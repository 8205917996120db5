//! A bot folder as it was read and checked. To hold a [`BotSource`] is to know that its parts fit:
//! every flow that an intent starts exists, every placeholder has its slot, every text can be said.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use wire::release::{Flow, Manifest, Outcome, Passage};

use crate::cases::{self, Names, TestCase};
use crate::fields::{Fields, Page};
use crate::flows;
use crate::folder::{File, Limits, Walk};
use crate::intents::{self, IntentSource};
use crate::knowledge::{self, Document, UrlRules};
use crate::manifest;
use crate::report::{Finding, Report, meant, nearest};

/// Flows of one bot, at most.
const FLOWS: usize = 200;
/// What stands at the top of a bot folder.
const TOP: [&str; 5] = ["bot.toml", "intents.toml", "knowledge", "flows", "tests"];

/// A bot folder that was read without an error.
#[derive(Debug, Clone)]
pub struct BotSource {
    manifest: Manifest,
    documents: Vec<Document>,
    intents: Vec<IntentSource>,
    out_of_scope: Vec<String>,
    flows: Vec<Flow>,
    tests: Vec<TestCase>,
    warnings: Report,
}

impl BotSource {
    /// Reads a bot folder.
    ///
    /// # Errors
    /// A report of every mistake in it at once, warnings too. Reading promises that what it read
    /// fits together; it does not promise that the files stay as they were read.
    pub fn read(dir: &Path, limits: &Limits) -> Result<Self, Report> {
        let (files, findings) = Walk::read(dir, limits, |path| {
            path.ends_with(".toml") || (path.starts_with("knowledge/") && knowledge::is_document(path))
        });
        let mut reader = Reader { files: &files, findings };
        let source = reader.bot(dir, limits);
        let report = Report::new(reader.findings);
        match source {
            Some(source) if report.errors() == 0 => Ok(Self { warnings: report, ..source }),
            _ => Err(report),
        }
    }

    /// Who the bot is and what it may do.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it knows, by file.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The passages of all documents.
    pub fn passages(&self) -> impl Iterator<Item = &Passage> {
        self.documents.iter().flat_map(|document| &document.passages)
    }

    /// What people may want.
    pub fn intents(&self) -> &[IntentSource] {
        &self.intents
    }

    /// What people say that is none of the bot's business.
    pub fn out_of_scope(&self) -> &[String] {
        &self.out_of_scope
    }

    /// Its forms.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// Its tests.
    pub fn tests(&self) -> &[TestCase] {
        &self.tests
    }

    /// What its author should look at. There are no errors in it.
    pub fn warnings(&self) -> &Report {
        &self.warnings
    }
}

struct Reader<'f> {
    files: &'f [File],
    findings: Vec<Finding>,
}

impl<'f> Reader<'f> {
    fn bot(&mut self, dir: &Path, limits: &Limits) -> Option<BotSource> {
        self.top(dir);
        let files = self.files;
        let find = |path: &str| files.iter().find(|file| file.path == path);
        if find("bot.toml").is_none()
            && !self.findings.iter().any(|found| [".", "bot.toml"].contains(&found.file.as_str()))
        {
            let mend = "run `wardroom bot new NAME` for a bot to begin with";
            self.findings.push(Finding::error("bot.toml", "the file is missing", mend));
        }
        let manifest = find("bot.toml").and_then(|file| self.page(file, manifest::read));
        // Without bot.toml every document would lack its address; that is not worth saying.
        let unknown = || UrlRules { base_url: Some("/".to_owned()), ..UrlRules::default() };
        let rules = manifest.as_ref().map_or_else(unknown, |read| read.rules.clone());
        let documents = knowledge::documents(files, "knowledge/", &rules, limits, &mut self.findings);
        for rule in &rules.folders {
            let prefix = format!("knowledge/{}/", rule.folder);
            if !files.iter().any(|file| file.path.starts_with(&prefix)) {
                let what = format!("there is no document in knowledge/{}", rule.folder);
                self.findings.push(Finding::warning("bot.toml", what, "remove the [[knowledge.folder]]"));
            }
        }
        let flows = self.flows();
        let intents = match find("intents.toml") {
            Some(file) => self.page(file, |page, fields| {
                let read = intents::read(page, fields, limits);
                check_intents(page, &read, &flows, manifest.as_ref());
                read
            }),
            None => intents::Read::default(),
        };
        self.check_flows(&flows, &intents, manifest.as_ref());
        let tests = self.tests(&flows, &intents);
        let manifest = manifest?.manifest;
        if documents.is_empty() && intents.intents.is_empty() {
            let mend = "add documents to knowledge/, or intents to intents.toml";
            self.findings.push(Finding::error("bot.toml", "the bot knows nothing", mend));
        }
        let warnings = Report::default();
        let intents::Read { intents, out_of_scope, .. } = intents;
        Some(BotSource { manifest, documents, intents, out_of_scope, flows, tests, warnings })
    }

    /// Reads one TOML file and keeps what was found in it.
    fn page<T>(&mut self, file: &File, read: impl FnOnce(&Page<'_>, Fields<'_, '_>) -> T) -> T {
        let (page, table) = Page::parse(&file.path, &file.text);
        let value = read(&page, Fields::new(&page, table.get_ref(), Range::default()));
        self.findings.extend(page.into_findings());
        value
    }

    /// Names what stands at the top and belongs to no bot: most often a name misspelt.
    fn top(&mut self, dir: &Path) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            let documentation = ["README", "LICENSE", "CHANGELOG"].iter().any(|word| name.starts_with(word));
            if TOP.contains(&name.as_str()) || name.starts_with('.') || documentation {
                continue;
            }
            let what = "not a part of a bot";
            self.findings.push(match nearest(&name, TOP) {
                Some(near) => Finding::error(&name, what, format!("did you mean `{near}`?")),
                None => Finding::warning(&name, what, "it is not read: remove it, or keep it elsewhere"),
            });
        }
        for file in self.files {
            let in_place = match file.path.split_once('/') {
                None => TOP.contains(&file.path.as_str()),
                Some(("flows" | "tests", rest)) => !rest.contains('/'),
                Some(("knowledge", _)) => file.extension() != "toml",
                Some(_) => true,
            };
            if !in_place && file.path.contains('/') {
                let mend = "flows/NAME.toml and tests/NAME.toml are read, without folders inside";
                self.findings.push(Finding::warning(&file.path, "the file is not read", mend));
            }
        }
    }

    fn flows(&mut self) -> Vec<Flow> {
        let mut flows = Vec::new();
        for file in in_folder(self.files, "flows/") {
            let name = stem(&file.path);
            flows.push(self.page(file, |page, fields| {
                let text = crate::fields::Text { value: name.clone(), span: 0..0 };
                page.name("a flow", &text);
                flows::read(page, name, fields)
            }));
        }
        if flows.len() > FLOWS {
            let what = format!("{} flows; {FLOWS} are allowed", flows.len());
            self.findings.push(Finding::error("flows", what, "split the bot"));
        }
        flows
    }

    fn check_flows(&mut self, flows: &[Flow], intents: &intents::Read, manifest: Option<&manifest::Read>) {
        for flow in flows {
            let file = format!("flows/{}.toml", flow.name);
            if !intents.starts.iter().any(|(name, _)| *name == flow.name) {
                let mend = format!("add an intent with `flow = \"{}\"`, or remove the file", flow.name);
                self.findings.push(Finding::warning(&file, "no intent starts this flow", mend));
            }
            let hands_over = matches!(flow.outcome, Outcome::Handoff { .. });
            if hands_over && manifest.is_some_and(|read| !read.manifest.handoff.enabled) {
                let mend = "set `enabled = true` under [handoff] in bot.toml, or end the flow in a ticket";
                self.findings.push(Finding::error(&file, "the flow hands over, and the bot may not", mend));
            }
        }
    }

    fn tests(&mut self, flows: &[Flow], intents: &intents::Read) -> Vec<TestCase> {
        let names = Names {
            intents: intents.intents.iter().map(|intent| intent.name.as_str()).collect(),
            flows: flows
                .iter()
                .map(|flow| (flow.name.as_str(), flow.slots.iter().map(|slot| slot.name.as_str()).collect()))
                .collect(),
        };
        let mut tests = Vec::new();
        for file in in_folder(self.files, "tests/") {
            tests.extend(self.page(file, |page, fields| cases::read(page, fields, &names)));
        }
        let mut seen = BTreeMap::new();
        for test in &tests {
            if let Some(other) = seen.insert(&test.name, test) {
                let what = format!(
                    "the test `{}` has the name of another, {}:{}",
                    test.name, other.file, other.line
                );
                self.findings.push(Finding::warning(&test.file, what, "rename one"));
            }
        }
        if tests.is_empty() && !intents.intents.is_empty() {
            let mend = "add tests/first.toml with a conversation and what you expect";
            self.findings.push(Finding::warning("tests", "the bot has no tests", mend));
        }
        tests
    }
}

fn check_intents(page: &Page<'_>, read: &intents::Read, flows: &[Flow], manifest: Option<&manifest::Read>) {
    let names: Vec<&str> = flows.iter().map(|flow| flow.name.as_str()).collect();
    for (flow, span) in &read.starts {
        if !names.contains(&flow.as_str()) {
            let mend =
                if names.is_empty() { format!("write flows/{flow}.toml") } else { meant(flow, &names) };
            page.error(span.clone(), format!("there is no flow `{flow}`"), mend);
        }
    }
    if manifest.is_some_and(|read| !read.manifest.handoff.enabled) {
        for span in &read.handoffs {
            let mend = "add [handoff] with `enabled = true` and `message` to bot.toml";
            page.error(span.clone(), "the intent hands over, and the bot may not", mend);
        }
    }
}

/// The TOML files right in one folder.
fn in_folder<'f>(files: &'f [File], folder: &'static str) -> impl Iterator<Item = &'f File> {
    files.iter().filter(move |file| {
        file.path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/') && rest.ends_with(".toml"))
    })
}

fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".toml").unwrap_or(name).to_owned()
}
