//! Reading a folder's files into memory, within limits. What is not plain UTF-8 text in a regular
//! file inside the folder is refused and named. Files come in the order of their paths, so that the
//! same folder always reads the same.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::report::{Finding, Position};
use crate::secrets;

/// Why something could not be read, in words that people know.
fn spoken(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::NotFound => "it is not there".to_owned(),
        kind => kind.to_string(),
    }
}

/// How much a bot folder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Folders inside folders.
    pub depth: usize,
    /// Passages that the knowledge is cut into.
    pub passages: usize,
    /// Examples of all intents together.
    pub examples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 10_000,
            file_bytes: 4 << 20,
            total_bytes: 256 << 20,
            depth: 16,
            passages: 200_000,
            examples: 50_000,
        }
    }
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// The path inside the folder, with `/` between names.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The last part of the name after the dot, in lower case.
    pub(crate) fn extension(&self) -> String {
        extension(&self.path)
    }
}

fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or_else(String::new, |(_, ext)| ext.to_lowercase())
}

/// Walks one folder.
pub(crate) struct Walk<'l> {
    root: PathBuf,
    limits: &'l Limits,
    /// Whether a file is one that is read; the others are not opened.
    wanted: fn(&str) -> bool,
    files: Vec<File>,
    bytes: u64,
    full: bool,
    findings: Vec<Finding>,
}

impl<'l> Walk<'l> {
    /// Reads the files of `dir` for whose path `wanted` says yes.
    pub(crate) fn read(
        dir: &Path,
        limits: &'l Limits,
        wanted: fn(&str) -> bool,
    ) -> (Vec<File>, Vec<Finding>) {
        let mut walk = Self {
            root: dir.to_owned(),
            limits,
            wanted,
            files: Vec::new(),
            bytes: 0,
            full: false,
            findings: Vec::new(),
        };
        match fs::canonicalize(dir) {
            Ok(root) => {
                walk.root = root;
                walk.folder("", 0);
            }
            Err(cause) => {
                let what = format!("the folder cannot be read: {}", spoken(&cause));
                let mend = "name a bot folder; `wardroom bot new NAME` makes one";
                walk.error(&dir.display().to_string(), what, mend);
            }
        }
        (walk.files, walk.findings)
    }

    fn error(&mut self, path: &str, what: impl Into<String>, mend: &str) {
        self.findings.push(Finding::error(path, what, mend));
    }

    fn folder(&mut self, folder: &str, depth: usize) {
        if depth > self.limits.depth {
            let what = format!("folders are nested deeper than {}", self.limits.depth);
            return self.error(folder, what, "flatten the folders");
        }
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(cause) => {
                let what = format!("the folder cannot be read: {}", spoken(&cause));
                return self.error(if folder.is_empty() { "." } else { folder }, what, "check its rights");
            }
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            match entry.file_name().into_string() {
                Ok(name) => names.push(name),
                Err(name) => {
                    let path = join(folder, &name.to_string_lossy());
                    self.error(&path, "the file's name is not UTF-8", "rename it");
                }
            }
        }
        names.sort();
        for name in names {
            if self.full {
                return;
            }
            self.entry(&join(folder, &name), &name, depth);
        }
    }

    fn entry(&mut self, path: &str, name: &str, depth: usize) {
        if name.starts_with('.') {
            // `.git` and `.DS_Store` are nobody's content; `.env` is where secrets lie.
            if name.starts_with(".env") {
                self.error(
                    path,
                    "an environment file in a bot folder",
                    "take it out: a bot holds no secrets",
                );
            }
            return;
        }
        let full_path = self.root.join(path);
        let Ok(facts) = fs::symlink_metadata(&full_path) else {
            return self.error(path, "the file cannot be looked at", "check its rights");
        };
        if facts.is_dir() {
            return self.folder(path, depth + 1);
        }
        if facts.is_symlink() {
            match fs::canonicalize(&full_path) {
                Ok(target) if !target.starts_with(&self.root) => {
                    return self.error(
                        path,
                        "a link that leaves the bot folder",
                        "copy the file here instead",
                    );
                }
                Ok(target) if target.is_file() => {}
                _ => return self.error(path, "a link to something that is not a file", "remove the link"),
            }
        } else if !facts.is_file() {
            return self.error(path, "not a regular file", "remove it");
        }
        if !(self.wanted)(path) {
            return;
        }
        if self.files.len() >= self.limits.files {
            self.full = true;
            let what = format!("the folder has more than {} files", self.limits.files);
            return self.error(".", what, "split the bot, or raise the limit");
        }
        self.file(path, &full_path);
    }

    fn file(&mut self, path: &str, full_path: &Path) {
        let mut bytes = Vec::new();
        let limit = self.limits.file_bytes;
        let read = fs::File::open(full_path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        if let Err(cause) = read {
            let what = format!("the file cannot be read: {}", spoken(&cause));
            return self.error(path, what, "check its rights");
        }
        let length = bytes.len() as u64;
        if length > limit {
            let what = format!("the file is larger than {limit} bytes");
            return self.error(path, what, "split it into several");
        }
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.total_bytes {
            self.full = true;
            let what = format!("the files are larger than {} bytes together", self.limits.total_bytes);
            return self.error(".", what, "split the bot, or raise the limit");
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
                for (offset, kind) in secrets::find(&text) {
                    let what = format!("what looks like {kind}");
                    let mend = "take it out and revoke it: a bot folder holds no secrets";
                    let finding = Finding::error(path, what, mend).at(Position::of(&text, offset));
                    self.findings.push(finding);
                }
                self.files.push(File { path: path.to_owned(), text });
            }
            Err(broken) => {
                let valid_to = broken.utf8_error().valid_up_to();
                let valid = broken.as_bytes().get(..valid_to).unwrap_or_default();
                let position = Position::of(&String::from_utf8_lossy(valid), valid_to);
                let finding = Finding::error(path, "the text is not UTF-8", "save it as UTF-8");
                self.findings.push(finding.at(position));
            }
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
