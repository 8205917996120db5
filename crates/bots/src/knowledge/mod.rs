//! What a bot knows: documents read from a folder and cut into passages that can be found, quoted and
//! cited. Markdown, HTML and plain text become the same few [`blocks`]; [`split`] cuts those at
//! headings into passages of bounded length.

mod blocks;
mod front_matter;
mod html;
mod markdown;
mod plain;
mod split;
mod urls;

use std::path::Path;

use wire::release::Passage;

use crate::folder::{File, Limits, Walk};
use crate::report::{Finding, Report};
use blocks::Page;
pub(crate) use urls::checked as check_url;
pub use urls::{FolderUrl, UrlRules};

/// One file of a knowledge folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file, relative to the knowledge folder, with `/` between names.
    pub path: String,
    /// Its title: from its front matter, its `<title>`, its first heading, or else its file name.
    pub title: String,
    /// Where people read it.
    pub url: String,
    /// Its text, cut at headings.
    pub passages: Vec<Passage>,
}

/// The documents of a folder, in the order of their paths.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// The documents.
    pub documents: Vec<Document>,
    /// What their author should look at. There are no errors in it.
    pub warnings: Report,
}

impl Knowledge {
    /// The passages of all documents.
    pub fn passages(&self) -> impl Iterator<Item = &Passage> {
        self.documents.iter().flat_map(|document| &document.passages)
    }
}

/// Whether a file is a document that is read as knowledge, by its name.
pub(crate) fn is_document(path: &str) -> bool {
    Format::of(path).is_some()
}

/// Reads a folder of documents.
///
/// # Errors
/// A report of everything that keeps a file from being read: links that leave the folder, text that
/// is not UTF-8, what looks like a secret, more than the limits allow, documents without an address.
pub fn read_documents(dir: &Path, rules: &UrlRules, limits: &Limits) -> Result<Knowledge, Report> {
    let (files, mut findings) = Walk::read(dir, limits, is_document);
    let documents = documents(&files, "", rules, limits, &mut findings);
    let report = Report::new(findings);
    if report.errors() > 0 {
        return Err(report);
    }
    Ok(Knowledge { documents, warnings: report })
}

/// Reads the documents among `files` whose path begins with `prefix`.
pub(crate) fn documents(
    files: &[File],
    prefix: &str,
    rules: &UrlRules,
    limits: &Limits,
    findings: &mut Vec<Finding>,
) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut passages = 0usize;
    for file in files {
        let Some(path) = file.path.strip_prefix(prefix) else { continue };
        let Some(format) = Format::of(path) else { continue };
        if let Some(document) = document(file, path, format, rules, findings) {
            passages += document.passages.len();
            documents.push(document);
        }
        if passages > limits.passages {
            let what = format!("the knowledge has more than {} passages", limits.passages);
            findings.push(Finding::error(&file.path, what, "split the bot, or raise the limit"));
            break;
        }
    }
    documents
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Markdown,
    Html,
    Plain,
}

impl Format {
    fn of(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "text" => Some(Self::Plain),
            _ => None,
        }
    }
}

fn document(
    file: &File,
    path: &str,
    format: Format,
    rules: &UrlRules,
    findings: &mut Vec<Finding>,
) -> Option<Document> {
    let (matter, body) = front_matter::take(file, findings);
    let page: Page = match format {
        Format::Markdown => markdown::read(body),
        Format::Html => html::read(body),
        Format::Plain => plain::read(body),
    };
    let title = matter.title.or_else(|| page.title());
    if title.is_none() {
        let mend = "begin it with a heading, or give it a `title` in its front matter";
        findings.push(Finding::warning(&file.path, "the page has no title and no heading", mend));
    }
    let title = title.unwrap_or_else(|| spoken_name(path));
    let Some(url) = matter.url.or_else(|| rules.url_of(path)) else {
        let mend = "set `base_url` under [knowledge] in bot.toml, or `url` in the page's front matter";
        findings.push(Finding::error(&file.path, "nothing says at which address people read the page", mend));
        return None;
    };
    let passages = split::passages(&title, &url, page.blocks);
    if passages.is_empty() {
        findings.push(Finding::warning(&file.path, "the page has no text", "write it, or remove the file"));
    }
    Some(Document { path: path.to_owned(), title, url, passages })
}

/// `cards/lost-card.md` is spoken as `Lost card`.
fn spoken_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let words = stem.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
