//! The mistakes of whoever meets Wardroom for the first time: each is answered with what is wrong, where,
//! and how to mend it, and with the status that a script goes by.

use std::fs;
use std::path::Path;

use crate::house::{House, wardroom, wardroom_in};

/// What a configuration is answered with, by `config check`.
fn checked(text: &str) -> (i32, String, String) {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("wardroom.toml"), text).unwrap();
    wardroom(&["config", "check", "--data", temp.path().to_str().unwrap()])
}

#[test]
fn the_check_of_a_configuration_finds_what_would_stop_the_start() {
    for (text, key, says) in [
        ("[tls]\ncertificate = \"/no/c.pem\"\nkey = \"/no/k.pem\"\n", "tls", "/no/c.pem"),
        ("[tls]\nnames = [\"a b\"]\n", "tls", "no name of a host"),
        ("[console]\nclient_ca = \"/no/ca.pem\"\n", "console.client_ca", "/no/ca.pem"),
        ("[database]\nurl = { env = \"WARDROOM_TEST_UNSET\" }\n", "database.url", "is not set"),
        ("[waf]\nrules = [\"builtin\", \"/no/crs\"]\n", "waf", "/no/crs"),
        ("[edge]\nplaces = [\"/no/places.mmdb\"]\n", "edge", "/no/places.mmdb"),
        ("[sign_in]\nprovider_ca = \"/no/ca.pem\"\n", "sign_in.provider_ca", "/no/ca.pem"),
        ("[sign_in]\ndomains = [\"corp example\"]\n", "sign_in.domains", "no domain"),
        ("[sign_in]\ninternal_providers = [\"http://x\"]\n", "sign_in.internal_providers", "https://"),
        ("[sign_in]\nbreached_passwords = \"/no/list\"\n", "sign_in.breached_passwords", "/no/list"),
        (
            "[mail]\nserver = \"relay\"\nfrom = \"w@e.org\"\nuser = \"w\"\npassword = { file = \"/no/pw\" }\n",
            "mail.password",
            "/no/pw",
        ),
        ("[mail]\nserver = \"relay\"\nfrom = \"w@e.org\"\nca = \"/no/ca.pem\"\n", "mail.ca", "/no/ca.pem"),
        ("[keys.next]\npassphrase = { file = \"/no/phrase\" }\n", "keys.next.passphrase", "/no/phrase"),
    ] {
        let (status, out, err) = checked(text);
        assert_eq!((status, out.as_str()), (1, ""), "{text}");
        assert!(err.contains(&format!("`{key}`: ")) && err.contains(says), "{text}: {err}");
        assert!(err.contains("1 mistake\n"), "{err}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_a_good_file_is_named() {
    let (status, _, err) = checked("[waf]\nrules = [\"/no/crs\"]\n[sign_in]\nprovider_ca = \"/no/ca\"\n");
    assert_eq!(status, 1);
    assert!(err.contains("/no/crs") && err.contains("/no/ca") && err.contains("2 mistakes"), "{err}");
    let (status, out, _) = checked("[public]\nlisten = \"127.0.0.1:0\"\n");
    assert!(status == 0 && out.contains("wardroom.toml` is good"), "{out}");
    let (status, out, _) = wardroom(&["config", "check", "--data", "/no/such/place"]);
    assert!(status == 0 && out.contains("there is no `/no/such/place/wardroom.toml`"), "{out}");
}

#[test]
fn two_doors_on_one_address_are_refused_before_anything_is_made() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let place = data.to_str().unwrap();
    let (status, _, err) =
        wardroom(&["up", "--data", place, "--listen", "127.0.0.1:1", "--console", "127.0.0.1:1"]);
    assert!(status == 1 && err.contains("another address or port"), "{err}");
    assert!(!data.exists(), "something was made");
    let (status, _, err) = wardroom(&["up", "--data", place, "--listen", "localhost"]);
    assert!(status == 2 && err.contains("`127.0.0.1:8443`"), "{err}");
}

#[test]
fn a_database_that_does_not_answer_is_named_by_its_key_and_never_by_its_password() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    std::fs::DirBuilder::new().create(&data).unwrap();
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(data.join("wardroom.toml"), "[database]\nurl = { env = \"WARDROOM_TEST_URL\" }\n").unwrap();
    let url = Path::new("postgres://wardroom:hunter2@127.0.0.1:1/wardroom");
    let (status, _, err) =
        wardroom_in(&["up", "--data", data.to_str().unwrap()], "", &[("WARDROOM_TEST_URL", url)]);
    assert!(status == 1 && err.contains("cannot be reached") && err.contains("`[database] url`"), "{err}");
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn a_bot_that_is_not_there_or_fails_its_conversations_says_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let (status, out, _) = wardroom(&["bot", "check", "/no/bot"]);
    assert!(status == 1 && out.contains("/no/bot") && out.contains("it is not there"), "{out}");
    assert!(out.contains("wardroom bot new NAME") && out.ends_with("warnings\n"), "{out}");
    let folder = temp.path().join("desk");
    let dir = folder.to_str().unwrap();
    assert_eq!(wardroom(&["bot", "new", "desk", "--dir", dir]).0, 0);
    assert_eq!(wardroom(&["bot", "test", dir]).0, 0, "what is made passes its own conversations");
    let about = folder.join("knowledge/about.md");
    let text = fs::read_to_string(&about).unwrap().replace("Monday to Friday", "Tuesday to Sunday");
    fs::write(&about, text).unwrap();
    let (status, out, _) = wardroom(&["bot", "test", dir]);
    assert!(status == 1 && out.contains("Tuesday to Sunday") && out.contains("\nmend: change"), "{out}");
}

#[test]
fn rules_that_are_not_there_are_not_taken_for_protection() {
    let temp = tempfile::tempdir().unwrap();
    let empty = temp.path().to_str().unwrap();
    let (status, _, err) = wardroom(&["waf", "check", empty]);
    assert!(status == 1 && err.contains("holds no rules") && err.contains("`*.conf`"), "{err}");
    let (status, _, err) = checked(&format!("[waf]\nrules = [\"builtin\", {empty:?}]\n"));
    assert!(status == 1 && err.contains("holds no rules"), "{err}");
    let file = temp.path().join("own.conf");
    fs::write(&file, "SecRule ARGZ \"@rx x\" \"id:1,phase:2,deny\"\n").unwrap();
    let (status, _, err) = wardroom(&["waf", "check", file.to_str().unwrap()]);
    assert!(status == 1 && err.contains("own.conf:1:") && err.contains("ARGS, "), "{err}");
    fs::write(&file, "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny\"\n").unwrap();
    let (_, _, err) = wardroom(&["waf", "check", file.to_str().unwrap()]);
    assert!(err.contains("there is no file `words.data`"), "{err}");
}

#[test]
fn names_and_ids_that_are_none_are_answered_with_where_to_find_them() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let place = data.to_str().unwrap();
    let refused = |args: &[&str]| {
        let (status, out, err) = wardroom(&[args, &["--data", place]].concat());
        assert_ne!(status, 0, "{args:?} {out}");
        assert!(!err.contains("the store failed"), "{err}");
        err
    };
    for args in [
        &["role", "explain", "--as", "owner", "--action", "bot.publish"][..],
        &["user", "invite", "--role", "owners"],
        &["role", "define", "night-desk", "transcript.lst"],
    ] {
        let err = refused(args);
        assert!(err.contains("; `wardroom role list` shows them"), "{err}");
    }
    let explain = ["role", "explain", "--as", "owner", "--action", "transcript.read", "--on"];
    let err = refused(&[&explain[..], &["conversation/none"]].concat());
    assert!(err.contains("what stands after `conversation/` is no id"), "{err}");
    assert!(refused(&["role", "retire", "night-desk"]).contains("wardroom role made"));
    let nobody = "0198c0de-1234-7abc-8def-0123456789ab";
    assert!(
        refused(&["erase", nobody, "--yes", "--reason", "a wish"]).contains("there is no such person here")
    );
    assert!(refused(&["erase", nobody]).contains("with --yes"));
    for args in [&["access", "arm", nobody][..], &["access", "disarm", nobody]] {
        let err = refused(args);
        assert!(err.contains("wardroom user list"), "{err}");
    }
    assert!(refused(&["policy", "diff", "7"]).contains("wardroom policy history"));
    let folder = temp.path().join("policies");
    let show = ["policy", "show", folder.to_str().unwrap()];
    assert_eq!(wardroom(&[&show[..], &["--data", place]].concat()).0, 0);
    assert!(refused(&show).contains("name a new folder"), "what was changed there would be written over");
    let export = temp.path().join("export");
    let export = export.to_str().unwrap();
    // The last checkpoint is signed at the end.
    assert_eq!(house.interrupt(), 0);
    assert_eq!(wardroom(&["audit", "export", export, "--data", place]).0, 0);
    assert!(refused(&["audit", "export", export]).contains("name a new folder"));
    let key = data.join("audit.vkey");
    let (status, out, err) =
        wardroom(&["audit", "verify", "--export", export, "--key", key.to_str().unwrap()]);
    assert!(status == 0 && !out.contains("the key was read from"), "{out}{err}");
}
