//! The catalogue as a whole, and its page.

use std::collections::BTreeSet;
use std::fmt::Write;

use kernel::{EventId, Id, TenantId, Timestamp};
use ledger::catalogue::{TranscriptRead, catalogue, find, samples};
use ledger::{ActorRef, Entry, Header, Listed, MAX_ENTRY, Pseudonym, Record};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");

fn page() -> String {
    let mut page = String::from(
        "# Events\n\n\
         Every event that Wardroom writes to its audit log. This page is made from the catalogue in\n\
         `crates/ledger/src/catalogue/` (`UPDATE_GOLDEN=1 cargo test -p wardroom-ledger` writes it; the same\n\
         test fails when it is stale). A code never changes meaning and is never used again.\n\n\
         An entry is an OCSF 1.8.0 event as canonical JSON (RFC 8785). The fields below stand under `unmapped`;\n\
         `metadata.event_code` is the code, `message` the name, `metadata.uid` the event's id,\n\
         `metadata.correlation_uid` the request's. Fields marked `?` may be absent. No entry holds the text of a\n\
         message, a name or an address: people are pseudonyms (a keyed hash) or ids, and what is personal about an\n\
         event is sealed elsewhere, named here by `detail_sha256`.\n\n\
         Severity: `I` information (OCSF 1), `W` warning (3), `E` error (4). Retention: how long the text of an\n\
         entry is kept unless the operator says otherwise; hashes are kept for good.\n\n\
         | code | name | OCSF class, activity | outcome | kept | meaning |\n|---|---|---|---|---|---|\n",
    );
    let all = catalogue();
    for info in &all {
        writeln!(
            page,
            "| `{}` | `{}` | {} {}, {} | {} | {} days | {} |",
            info.code,
            info.name,
            info.class.uid(),
            info.class.name(),
            info.activity,
            format!("{:?}", info.outcome).to_lowercase(),
            info.retention.days(),
            info.meaning.trim()
        )
        .unwrap();
    }
    page.push_str("\n## Fields\n");
    for info in &all {
        writeln!(page, "\n### {} {}\n\n| field | kind | meaning |\n|---|---|---|", info.code, info.name)
            .unwrap();
        for field in info.fields {
            let mark = if field.optional { "?" } else { "" };
            writeln!(page, "| `{}`{mark} | {} | {} |", field.name, field.kind, field.meaning.trim()).unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_events_is_up_to_date() {
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(found == page, "docs/events.md is stale: run UPDATE_GOLDEN=1 cargo test -p wardroom-ledger");
}

#[test]
fn codes_and_names_are_unique_and_say_their_severity() {
    let all = catalogue();
    let codes: BTreeSet<_> = all.iter().map(|info| info.code).collect();
    let names: BTreeSet<_> = all.iter().map(|info| info.name).collect();
    assert_eq!((codes.len(), names.len()), (all.len(), all.len()));
    for info in all {
        let (area, number) = info.code.split_once('-').unwrap();
        assert!(area.len() == 4 && area.bytes().all(|b| b.is_ascii_uppercase()), "{}", info.code);
        assert!(number.len() == 5 && number[..4].bytes().all(|b| b.is_ascii_digit()), "{}", info.code);
        assert!(number.ends_with(info.severity.letter()), "{}", info.code);
        assert!(!info.meaning.trim().is_empty() && info.fields.iter().all(|f| !f.meaning.trim().is_empty()));
        assert_eq!(find(info.code).unwrap().name, info.name);
    }
    assert!(find("CHAT-0000I").is_none());
}

#[test]
fn there_is_a_sample_of_every_event_and_it_reads_back() {
    let samples = samples();
    let sampled: BTreeSet<_> = samples.iter().map(Entry::code).collect();
    let all: BTreeSet<_> = catalogue().iter().map(|info| info.code).collect();
    assert_eq!(sampled, all);
    for entry in &samples {
        let record = Record::parse(entry.json()).unwrap_or_else(|error| panic!("{}: {error}", entry.code()));
        assert_eq!((record.info().name, record.event()), (entry.name(), entry.event()));
    }
}

#[test]
fn the_codes_that_are_contracts_mean_what_the_contract_says() {
    for (code, name) in [
        ("CHAT-1001I", "message.accepted"),
        ("AUTH-1002W", "login.failed"),
        ("EDGE-1003W", "request.blocked"),
        ("KEYS-1001I", "key.rotated"),
    ] {
        assert_eq!(find(code).map(|info| info.name), Some(name));
    }
}

fn header(at: u64) -> Header {
    Header::new(
        TenantId::from_bytes([1; 16]),
        EventId::from_bytes([2; 16]),
        Timestamp::from_millis(at),
        ActorRef::System,
    )
}

#[test]
fn an_entry_reads_byte_for_byte_as_here() {
    let event = ledger::catalogue::SessionEnded {
        user: Id::from_bytes([3; 16]),
        session: Id::from_bytes([4; 16]),
        why: "idle",
    };
    let mut header = header(1_795_378_500_125);
    header.source = Some(Pseudonym::from_mac([5; 16]));
    header.detail = Some([6; 32]);
    let expected = concat!(
        r#"{"activity_id":2,"actor":{"user":{"name":"wardroom","type":"System","type_id":3}},"category_uid":3,"#,
        r#""class_uid":3002,"message":"session.ended","metadata":{"event_code":"AUTH-1003I","log_name":"audit","#,
        r#""product":{"name":"Wardroom","vendor_name":"Wardroom"},"tenant_uid":"01010101-0101-0101-0101-010101010101","#,
        r#""uid":"02020202-0202-0202-0202-020202020202","version":"1.8.0"},"service":{"name":"wardroom"},"#,
        r#""session":{"uid":"04040404-0404-0404-0404-040404040404"},"severity_id":1,"#,
        r#""src_endpoint":{"uid":"05050505050505050505050505050505"},"status_id":1,"time":1795378500125,"#,
        r#""type_uid":300202,"unmapped":{"#,
        r#""detail_sha256":"0606060606060606060606060606060606060606060606060606060606060606","#,
        r#""session":"04040404-0404-0404-0404-040404040404","user":"03030303-0303-0303-0303-030303030303","#,
        r#""why":"idle"},"user":{"uid":"03030303-0303-0303-0303-030303030303"}}"#,
    );
    assert_eq!(String::from_utf8_lossy(Entry::record(&event, &header).json()), expected);
}

#[test]
fn the_longest_event_fits_an_entry_bundle() {
    let subjects = Listed::try_from(vec![Pseudonym::from_mac([7; 16]); Listed::<Pseudonym>::MAX]).unwrap();
    let event = TranscriptRead { conversation: Id::from_bytes([8; 16]), subjects, messages: u64::MAX };
    assert!(Entry::record(&event, &header(1)).json().len() <= MAX_ENTRY);
    let rules = vec![ledger::Token::lossy(&"r".repeat(96)); Listed::<ledger::Token>::MAX];
    let event = ledger::catalogue::RequestBlocked {
        rules: Listed::try_from(rules).unwrap(),
        score: u64::MAX,
        threshold: u64::MAX,
        route: ledger::Token::lossy(&"r".repeat(96)),
        method: ledger::catalogue::Method::Other,
        subject: Some(Pseudonym::from_mac([7; 16])),
        passed: false,
        count: u64::MAX,
    };
    let length = Entry::record(&event, &header(u64::MAX)).json().len();
    assert!(length <= MAX_ENTRY, "{length}");
}
