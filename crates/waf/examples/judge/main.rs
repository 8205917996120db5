//! The judgement of the firewall by other people's tests and texts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the workshop speaks to a person")]
#![expect(clippy::indexing_slicing, reason = "a tool of the workshop may stop at a bug")]

mod answer;
mod attacks;
mod corpora;
mod expect;
mod ftw;
mod reflect;
mod suite;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use waf::{Rules, Source};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["crs", folder, exceptions] => load(folder)
            .and_then(|rules| suite::run(&rules, &Path::new(folder).join("tests"), Path::new(exceptions))),
        ["attacks", folder, lists, data] => {
            load(folder).and_then(|rules| attacks::run(&rules, Path::new(lists), Path::new(data)))
        }
        ["requests", folder] => answer::requests(&Path::new(folder).join("tests")),
        ["rules", folder] => load(folder).and_then(|rules| answer::rules(&rules)),
        ["transformations"] => answer::transformations(),
        _ => Err("judge crs FOLDER EXCEPTIONS | attacks FOLDER LISTS DATA | requests FOLDER | rules FOLDER | transformations".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The rules of a folder as the Core Rule Set comes.
fn load(folder: &str) -> Result<Rules, String> {
    Rules::load(&[Source::Folder(PathBuf::from(folder))]).map_err(|error| error.to_string())
}
