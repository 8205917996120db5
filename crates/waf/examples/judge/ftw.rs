//! The regression tests of the OWASP Core Rule Set: the YAML format that the tool `go-ftw` reads.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// One file of tests.
#[derive(Deserialize)]
struct File {
    rule_id: u32,
    #[serde(default)]
    tests: Vec<Test>,
}

/// One test: its stages are sent one after the other.
#[derive(Deserialize)]
pub(crate) struct Test {
    pub(crate) test_id: u32,
    pub(crate) stages: Vec<Stage>,
}

/// One request and what is expected of it.
#[derive(Deserialize)]
pub(crate) struct Stage {
    pub(crate) input: Input,
    pub(crate) output: Output,
}

/// A request as written down; what is missing is completed by `wire`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Input {
    pub(crate) method: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) data: Option<String>,
    pub(crate) encoded_request: Option<String>,
    pub(crate) autocomplete_headers: Option<bool>,
}

/// Header fields in the order written.
#[derive(Clone, Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

/// What is expected.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Output {
    pub(crate) status: Option<u16>,
    pub(crate) expect_error: Option<bool>,
    pub(crate) log: Log,
}

/// What the log must and must not say.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Log {
    pub(crate) expect_ids: Vec<u32>,
    pub(crate) no_expect_ids: Vec<u32>,
    pub(crate) match_regex: Option<String>,
    pub(crate) no_match_regex: Option<String>,
}

/// A test with the names it is known by.
pub(crate) struct Named {
    /// The folder, which is the name of the rules' file.
    pub(crate) group: String,
    /// Rule and test: `920100-4`.
    pub(crate) name: String,
    pub(crate) test: Test,
}

/// Reads all tests under a folder, in the order of their names.
pub(crate) fn read(folder: &Path) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    for path in files(folder)? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        // One file of the set is commented out as a whole.
        if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#' | '-'))) {
            continue;
        }
        let file: File =
            serde_saphyr::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let group = path
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        all.extend(file.tests.into_iter().map(|test| Named {
            group: group.clone(),
            name: format!("{}-{}", file.rule_id, test.test_id),
            test,
        }));
    }
    Ok(all)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Headers;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("header fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Headers(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
