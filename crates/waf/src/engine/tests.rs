//! The engine as its parts together, on small rules of its own and on the built-in ones.

use super::{Prepared, request, response};
use crate::{
    Cause, Decision, Exclusion, LoadError, Policy, Request, Response, Source, Verdict,
    compile::{Program, compile},
    seclang,
};
use proptest::prelude::*;

fn load(source: &Source) -> Result<Program, LoadError> {
    compile(seclang::read(source)?)
}

fn program(text: &str) -> Program {
    load(&Source::Text { name: "test.conf".into(), text: text.into() }).unwrap()
}

fn json<'a>(target: &'a str, headers: &'a [(&'a [u8], &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        remote: [192, 0, 2, 1].into(),
        method: b"POST",
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers,
        body,
    }
}

const HEADERS: &[(&[u8], &[u8])] = &[(b"Host", b"bank.example"), (b"Content-Type", b"application/json")];

fn ask(program: &Program, policy: &Policy, target: &str, body: &str) -> Verdict {
    let prepared = Prepared::new(program, policy.clone());
    request(program, &prepared, &json(target, HEADERS, body.as_bytes()), false).0
}

fn ids(verdict: &Verdict) -> Vec<u32> {
    verdict.matches.iter().map(|found| found.rule).collect()
}

fn chat() -> Policy {
    Policy { conversation_text: vec!["json.text".into()], ..Policy::block(1) }
}

#[test]
fn a_chain_matches_only_whole_and_its_markers_are_leapt_to() {
    let program = program(
        r#"
SecRule ARGS:a "@contains x" "id:1,phase:2,pass,t:none,t:lowercase,chain,setvar:tx.seen=+1"
    SecRule MATCHED_VARS "@endsWith z" "setvar:tx.whole=+1"
SecRule TX:whole "@ge 1" "id:2,phase:2,pass,skipAfter:END"
SecRule ARGS:a "@rx ." "id:3,phase:2,pass"
SecMarker END
SecRule TX:seen "@eq 1" "id:4,phase:2,pass"
"#,
    );
    assert_eq!(ids(&ask(&program, &Policy::block(1), "/?a=XyZ", "{}")), [1, 2, 4]);
    assert_eq!(ids(&ask(&program, &Policy::block(1), "/?a=Xy", "{}")), [3, 4]);
    assert_eq!(ids(&ask(&program, &Policy::block(1), "/?a=y", "{}")), [3]);
}

#[test]
fn captures_macros_and_counts_work_together() {
    let program = program(
        r#"
SecRule &ARGS "@eq 2" "id:1,phase:2,pass"
SecRule ARGS_NAMES "@rx ^(.)(.)$" "id:2,phase:2,pass,capture,setvar:'tx.name_%{tx.1}=/%{tx.2}/'"
SecRule TX:/^name_/ "@within /b/ /c/" "id:3,phase:2,pass"
SecRule REQUEST_METHOD "!@streq %{ARGS._method}" "id:4,phase:2,deny,status:405"
"#,
    );
    let verdict = ask(&program, &Policy::block(1), "/?ab=1&_method=GET", "");
    assert_eq!(ids(&verdict), [1, 2, 3, 4]);
    assert!(matches!(verdict.decision, Decision::Refuse(refusal) if refusal.status == 405));
    assert!(!ask(&program, &Policy::observe(1), "/?ab=1&_method=GET", "").refuses());
    assert!(ask(&program, &Policy::observe(1), "/?ab=1&_method=GET", "").withheld.is_some());
}

#[test]
fn exclusions_take_a_rule_a_tag_or_a_target_away() {
    let program = program(
        r#"SecRule ARGS "@contains x" "id:7,phase:2,deny,tag:'small'"
SecRule ARGS:skip "@eq 1" "id:8,phase:1,pass,nolog,ctl:ruleRemoveTargetById=7;ARGS:a"
"#,
    );
    let refused = |exclusions| {
        let policy = Policy { exclusions, ..Policy::block(1) };
        ask(&program, &policy, "/?a=x", "").refuses()
    };
    assert!(refused(vec![]));
    assert!(!refused(vec![Exclusion::ids(5..=7)]));
    assert!(!refused(vec![Exclusion::tag("small")]));
    assert!(!refused(vec![Exclusion::tag("small").of_target("ARGS:/^a/").unwrap()]));
    assert!(refused(vec![Exclusion::tag("small").of_target("ARGS:b").unwrap()]));
    assert!(!ask(&program, &Policy::block(1), "/?a=x&skip=1", "").refuses());
    assert!(ask(&program, &Policy::block(1), "/?b=x&skip=1", "").refuses());
}

#[test]
fn conversation_text_is_a_signal_and_every_other_byte_is_at_full_strength() {
    let program = load(&Source::BuiltIn).unwrap();
    let attack = "' OR 1=1; DROP TABLE users; -- <script>alert(1)</script> $(cat /etc/passwd)";
    let spoken = ask(&program, &chat(), "/m", &format!(r#"{{"text":"{attack}"}}"#));
    assert_eq!(spoken.decision, Decision::Pass, "{:?}", ids(&spoken));
    assert!(spoken.signal.score >= 5 && !spoken.signal.rules.is_empty());
    assert_eq!(spoken.inbound_score, 0);
    for body in [r#"{"text":"hi","id":"ATTACK"}"#, r#"{"text":"hi","ATTACK":1}"#] {
        assert!(ask(&program, &chat(), "/m", &body.replace("ATTACK", attack)).refuses());
    }
    assert!(ask(&program, &chat(), "/m?q=%3Cscript%3Ealert(1)%3C/script%3E", r#"{"text":"hi"}"#).refuses());
    let plain = ask(&program, &chat(), "/m", r#"{"text":"When does the branch open?"}"#);
    assert_eq!((plain.decision, plain.signal.score), (Decision::Pass, 0));
}

#[test]
fn bad_form_is_refused_in_conversation_text_as_well() {
    let program = load(&Source::BuiltIn).unwrap();
    assert!(ask(&program, &chat(), "/m", r#"{"text":"a\u0000b"}"#).refuses());
    assert!(
        request(
            &program,
            &Prepared::new(&program, chat()),
            &json("/m", HEADERS, b"{\"text\":\"\xff\"}"),
            false
        )
        .0
        .refuses()
    );
    assert!(ask(&program, &chat(), "/m", r#"{"text":"open"#).refuses());
}

#[test]
fn a_body_that_was_read_is_looked_at_in_its_parts_and_one_that_was_not_is_looked_at_whole() {
    let program = program(r#"SecRule REQUEST_BODY "@contains needle" "id:1,phase:2,deny""#);
    assert!(!ask(&program, &chat(), "/m", r#"{"text":"a needle"}"#).refuses());
    assert!(ask(&program, &chat(), "/m", r#"{"text":"a needle"#).refuses());
}

#[test]
fn too_much_work_is_refused_and_says_so() {
    let program = load(&Source::BuiltIn).unwrap();
    let policy = Policy { steps: 2_000, ..Policy::block(1) };
    let verdict = ask(&program, &policy, "/m", &format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000)));
    assert!(matches!(verdict.decision, Decision::Refuse(refusal) if refusal.cause == Cause::TooMuchWork));
}

#[test]
fn a_response_that_tells_too_much_is_withheld() {
    let program = load(&Source::BuiltIn).unwrap();
    let asked = json("/m", HEADERS, b"{}");
    let policy = Prepared::new(&program, chat());
    let answer = |body: &[u8]| {
        let (_, carried, _) = request(&program, &policy, &asked, false);
        let answered = Response { status: 200, protocol: b"HTTP/1.1", headers: &[], body };
        response(&program, &policy, carried, &asked, &answered, false).0
    };
    assert!(!answer(b"<p>Hello</p>").refuses());
    assert!(answer(b"-----BEGIN EC PRIVATE KEY-----").refuses());
    assert!(answer(b"thread 'main' panicked at src/main.rs:1").refuses());
}

#[test]
fn a_verdict_holds_no_content_and_an_explanation_does() {
    let program = load(&Source::BuiltIn).unwrap();
    let asked = json("/m?note=%3CSCRIPT%3Ealert(7345)%3C/script%3E", HEADERS, b"{}");
    let (verdict, _, told) = request(&program, &Prepared::new(&program, Policy::block(1)), &asked, true);
    assert!(verdict.refuses() && !format!("{verdict:?}").contains("7345"));
    let script = told.iter().find(|said| said.rule == 100_201).unwrap();
    assert_eq!(script.name, b"ARGS:note");
    assert_eq!(script.part, Some(0..7));
}

/// Pieces that attacks and chats are made of.
fn value() -> impl Strategy<Value = String> {
    let pieces = [
        "' or 1=1 --",
        "union/**/select",
        "<script>",
        "onerror=",
        "javascript:",
        "../",
        "%2e%2e%2f",
        "/etc/passwd",
        ";cat ",
        "$(",
        "`id`",
        "${jndi:",
        "{{7*7}}",
        "__proto__",
        "http://127.0.0.1/",
        "hello ",
        "card",
        "SELECT a FROM b",
        "\\u003c",
        "&lt;",
        "%3c",
        "+",
        "\n",
        "é",
        "O'Brien",
        "sleep(5)",
        "<?php",
        "java.lang.Runtime",
        "|",
        "\"",
        "\\",
        "/*",
        "*/",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The prefilter is sound: with it and without it the same rules match.
    #[test]
    fn no_rule_is_kept_from_a_text_it_would_match(a in value(), b in value()) {
        thread_local! {
            static BOTH: [Program; 2] = [true, false].map(|guarded| {
                let mut program = load(&Source::BuiltIn).unwrap();
                for rule in program.rules.iter_mut().filter(|_| !guarded) {
                    rule.needs = Box::default();
                }
                program
            });
        }
        let encoded: String = a.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let target = format!("/m?a={encoded}");
        let escaped = b.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let body = format!("{{\"b\":\"{escaped}\"}}");
        let policy = Policy::observe(4);
        BOTH.with(|[guarded, bare]| {
            let found = (ids(&ask(guarded, &policy, &target, &body)), ids(&ask(bare, &policy, &target, &body)));
            prop_assert_eq!(&found.0, &found.1);
            Ok(())
        })?;
    }

    /// Work grows with the request and not faster, whatever stands in it.
    #[test]
    fn work_is_linear_in_the_request(piece in value(), times in 1_usize..400) {
        thread_local! {
            static PROGRAM: Program = load(&Source::BuiltIn).unwrap();
        }
        let text = piece.replace(['\\', '"', '\n'], " ").repeat(times);
        let body = format!("{{\"b\":\"{text}\"}}");
        let steps = PROGRAM.with(|program| ask(program, &Policy::observe(4), "/m", &body).effort.steps);
        prop_assert!(steps < 120 * (body.len() as u64 + 400), "{} steps for {} bytes", steps, body.len());
    }
}
