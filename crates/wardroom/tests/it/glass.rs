//! A break-glass account from outside: named on the console, armed and disarmed on the console and on the
//! machine, which is where it is done when nobody can get in.

use crate::enrol::owner_with_passkey;
use crate::house::{House, wardroom};

const WHO: &str = "ines@desk.example";

#[tokio::test]
async fn a_break_glass_account_is_named_on_the_console_and_armed_there_or_on_the_machine() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let mut owner = owner_with_passkey(&house).await;
    let command = |args: &[&str]| {
        let (status, out, err) = wardroom(&[args, &["--data", data.to_str().unwrap()]].concat());
        (status, format!("{out}{err}"))
    };
    let (status, said) = command(&["access", "arm", WHO]);
    assert!(status == 1 && said.contains("no break-glass account"), "{said}");

    let page = owner.get("/connections").await;
    let (_, rest) = page.split_once("<option value=\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    let csrf = owner.csrf("/connections").await;
    let token = ("csrf_token", csrf.as_str());
    owner.post("/break-glass", &[token, ("user", &id), ("named", "yes")]).await;
    assert!(owner.get("/connections").await.contains("Not armed"));

    owner.post("/break-glass/arm", &[token, ("user", &id), ("hours", "4")]).await;
    assert!(owner.get("/connections").await.contains("Armed until"));
    owner.post("/break-glass/arm", &[token, ("user", &id)]).await;
    assert!(owner.get("/connections").await.contains("Not armed"));

    let (status, said) = command(&["access", "arm", WHO, "--hours", "2"]);
    assert!(status == 0 && said.contains("armed until 2"), "{said}");
    assert!(owner.get("/connections").await.contains("Armed until"));
    let (status, said) = command(&["access", "arm", WHO, "--hours", "25"]);
    assert!(status == 1 && said.contains("hours"), "{said}");
    assert_eq!(command(&["access", "disarm", WHO]).0, 0);
    assert!(owner.get("/connections").await.contains("Not armed"));
    let (_, log) = command(&["audit", "tail", "--lines", "40"]);
    assert_eq!(log.matches("break_glass.armed").count(), 4, "{log}");
    assert_eq!(house.interrupt(), 0);
}
