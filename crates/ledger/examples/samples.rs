//! Prints one entry of every event, one JSON per line: what the conformance checks read.
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

fn main() {
    for entry in ledger::catalogue::samples() {
        println!("{}", String::from_utf8_lossy(entry.json()));
    }
}
