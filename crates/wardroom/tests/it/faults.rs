//! The disk is full, the folder can only be read, a client is slower than any person: each through the
//! whole program.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::Disk;

use crate::house::{House, wardroom};
use crate::visitor::Visitor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_messages_with_507_and_loses_none_that_it_took() {
    // Only root can mount a disk this small; the store's own tests fill a database without that right.
    let Some(disk) = Disk::mount("size=24m") else { return };
    let data = disk.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    let ballast = disk.path().join("ballast");
    let room = usize::try_from(disk.available()).unwrap();
    fs::write(&ballast, vec![0; room.saturating_sub(1 << 20)]).unwrap();

    let (mut taken, mut refused) = (0, None);
    for number in 0..1000 {
        let text = format!("{number} {}", "lorem ipsum ".repeat(600));
        let response = visitor.post(&json!({ "text": text })).await.unwrap();
        match response.status().as_u16() {
            202 => taken += 1,
            // The bot is still answering.
            429 => tokio::time::sleep(Duration::from_millis(20)).await,
            507 => {
                refused = Some(response.json::<Value>().await.unwrap());
                break;
            }
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }
    let refused = refused.expect("the last MiB is full after 1000 long messages");
    assert!(refused["detail"].as_str().unwrap().contains("no space left"), "{refused}");
    assert!(!refused["mend"].as_str().unwrap().is_empty());
    assert!(taken > 0);

    // Space is made, and it goes on without a new start; what was taken is all there.
    fs::remove_file(&ballast).unwrap();
    let mut after = None;
    for _ in 0..100 {
        let response = visitor.post(&json!({ "text": "Is there space again?" })).await.unwrap();
        if response.status() == 202 {
            after = Some(response.json::<Value>().await.unwrap()["seq"].as_u64().unwrap());
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = after.expect("messages are taken again");
    let said = visitor.messages_up_to(last).await;
    assert_eq!(said.iter().filter(|line| line["role"] == "user").count(), taken + 1);
    assert_eq!(house.interrupt(), 0);
    assert_eq!(wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]).0, 0);
}

#[test]
fn a_data_folder_that_can_only_be_read_is_refused_with_words() {
    let Some(disk) = Disk::mount("size=24m") else { return };
    let data = disk.path().join("data");
    assert_eq!(House::start(&data).interrupt(), 0);
    disk.seal();
    let refused = House::try_start(&data).err().expect("it does not start");
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.to_lowercase().contains("read-only"), "{}", refused.stderr);
    assert!(refused.stderr.contains(data.to_str().unwrap()), "{}", refused.stderr);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

/// A client that begins a request over TLS and then says nothing. Gives what it was told.
fn dawdle(address: &str, ca: &std::path::Path, request: &str) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-ign_eof", "-connect", address, "-CAfile"])
        .arg(ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut to = client.stdin.take().expect("stdin is a pipe");
    to.write_all(request.as_bytes()).expect("it takes the beginning");
    let mut told = String::new();
    client.stdout.take().expect("stdout is a pipe").read_to_string(&mut told).expect("words");
    drop(to);
    let _ = client.wait();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_slower_than_any_person_is_sent_away_while_others_are_served() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let address = house.ready.public.trim_start_matches("https://").to_owned();
    let clients = ["GET / HTTP/1.1\r\nhost: ", "POST /chat/v1/conversations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{"]
        .map(|request| {
            let (address, ca) = (address.clone(), house.ready.ca.clone());
            tokio::task::spawn_blocking(move || dawdle(&address, &ca, request))
        });
    let visitor = Visitor::open(&house.ready).await;
    assert!(visitor.ask("What is Wardroom?").await["text"].as_str().is_some());
    let mut told = Vec::new();
    for client in clients {
        told.push(tokio::time::timeout(Duration::from_secs(60), client).await.expect("sent away").unwrap());
    }
    assert!(told[1].starts_with("HTTP/1.1 408"), "{told:?}");
    assert!(told[1].contains("application/problem+json"), "{told:?}");
    assert!(visitor.ask("Is it free?").await["text"].as_str().is_some());
}
