//! The trait of actions is sealed.
enum ReadEverything {}

impl guard::Action for ReadEverything {
    const ACT: guard::Act = guard::Act::ReadTranscript;
}

fn main() {}
