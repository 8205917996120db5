//! Reads a folder of documents and says what came of it:
//! `cargo run --release -p wardroom-bots --example passages -- DIR [PASSAGES SHOWN]`.
#![expect(clippy::print_stdout, reason = "a command line")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bots::Limits;
use bots::knowledge::{UrlRules, read_documents};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        println!("usage: passages DIR [PASSAGES SHOWN]");
        return ExitCode::from(2);
    };
    let shown = args.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let rules = UrlRules { base_url: Some("https://docs.example/".to_owned()), ..UrlRules::default() };
    let start = Instant::now();
    match read_documents(Path::new(&dir), &rules, &Limits::default()) {
        Ok(knowledge) => {
            let millis = start.elapsed().as_millis();
            for passage in knowledge.passages().take(shown) {
                println!(
                    "{} > {}\n{}\n{}\n",
                    passage.title,
                    passage.headings.join(" > "),
                    passage.url,
                    passage.text
                );
            }
            let documents = knowledge.documents.len();
            let (count, bytes) =
                knowledge.passages().fold((0, 0), |(n, bytes), passage| (n + 1, bytes + passage.text.len()));
            println!("{}", knowledge.warnings);
            println!("{documents} documents, {count} passages, {bytes} bytes of text, {millis} ms");
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("{report}");
            ExitCode::FAILURE
        }
    }
}
