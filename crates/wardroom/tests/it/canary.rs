//! Strings that people wrote are nowhere in the clear in any file we write.

use std::fs;
use std::path::Path;

use crate::house::House;
use crate::visitor::Visitor;

/// Every file below `folder` that holds one of the canaries.
fn betrayals(folder: &Path, canaries: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(betrayals(&path, canaries));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for canary in canaries {
            if bytes.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(format!("{canary} in {}", path.display()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_in_the_clear_in_the_data_directory() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let canaries: Vec<String> = (0..200).map(|number| format!("Zanzibar{number:03}Quokka")).collect();
    for group in canaries.chunks(20) {
        let visitor = Visitor::open(&house.ready).await;
        for canary in group {
            visitor.ask(&format!("my secret word is {canary}")).await;
        }
    }
    // Once while it runs, with the write-ahead log as it is, and once after a clean end.
    assert_eq!(betrayals(&data, &canaries), Vec::<String>::new());
    assert_eq!(house.interrupt(), 0);
    assert_eq!(betrayals(&data, &canaries), Vec::<String>::new());
}
