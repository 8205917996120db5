//! What the database's files do not tell.

use guard::Role;
use store::Via;

use crate::house::{House, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn no_name_address_password_code_or_secret_is_in_the_database_files() {
    let house = House::new().await;
    let invite = house.invite(Role::SupportAgent, Some("canary.person@aviary.example")).await;
    let ada = house.enrol(&invite, "Canary Birdwhistle", "canary.person@aviary.example").await;
    let pending = house.invite(Role::SupportAgent, Some("second.canary@aviary.example")).await;
    let half = house.begin(&pending, "Finch Birdwhistle", "second.canary@aviary.example").await;
    let letters = house.choose(&half).await.letters;
    let _ = house.password("guessed.canary@aviary.example", "a wrong canary").await;
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    house.identity.recovery_step(&ceremony, &ada.codes[0], &Via::default()).await.unwrap();

    let seed = data_encoding::BASE32_NOPAD.decode(ada.letters.as_bytes()).unwrap();
    let seed2 = data_encoding::BASE32_NOPAD.decode(letters.expose().as_bytes()).unwrap();
    let words: [&[u8]; 11] = [
        b"aviary",
        b"canary",
        b"Canary",
        b"Birdwhistle",
        b"argon2id",
        PASSWORD.as_bytes(),
        invite.expose().as_bytes(),
        ada.letters.as_bytes(),
        &seed,
        &seed2,
        ada.signed_in.secret.expose(),
    ];
    let mut bytes = 0;
    for file in std::fs::read_dir(house.folder()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        bytes += content.len();
        for (n, word) in words.iter().enumerate() {
            assert!(!content.windows(word.len()).any(|window| window == *word), "word {n}");
        }
    }
    assert!(bytes > 50_000, "the files were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_address_or_code_is_in_a_dump_or_the_files_of_postgresql() {
    let cluster = testkit::Cluster::shared();
    let database = cluster.database();
    let house = House::on(&cluster.url(&database).parse().unwrap(), tempfile::tempdir().unwrap()).await;
    let invite = house.invite(Role::SupportAgent, Some("canary.person@aviary.example")).await;
    let ada = house.enrol(&invite, "Canary Birdwhistle", "canary.person@aviary.example").await;
    let _ = house.password("guessed.canary@aviary.example", "a wrong canary").await;

    cluster.sql(&database, "CHECKPOINT");
    let dump = cluster.dump(&database).to_lowercase();
    assert!(dump.contains("copy public.users"), "the accounts are in the dump");
    let words = ["aviary", "canary", "birdwhistle", "argon2id", PASSWORD, invite.expose(), &ada.letters];
    for (number, word) in words.iter().enumerate() {
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(&word.to_lowercase()) && !dump.contains(&hex), "word {number}");
    }
    assert_eq!(files_with(cluster.files(), b"irdwhistle"), 0);
    assert_eq!(files_with(cluster.files(), b"@aviary"), 0);
}

fn files_with(folder: &std::path::Path, word: &[u8]) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries
        .map(|path| match path.is_dir() {
            true => files_with(&path, word),
            // Sockets and files that the server removes meanwhile cannot be read.
            false => {
                std::fs::read(path).is_ok_and(|bytes| bytes.windows(word.len()).any(|w| w == word)).into()
            }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_or_secret_is_in_what_debug_prints() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "canary@aviary.example").await;
    let signed = house.signed(&ada.signed_in).await;
    let who = house.identity.who(&signed).await.unwrap();
    let invite = house.invite(Role::Owner, Some("second@aviary.example")).await;
    let view = house.identity.look_at_invite(invite.expose()).await.unwrap();
    let shown = format!("{:?} {signed:?} {who:?} {view:?} {invite:?} {:?}", house.identity, ada.signed_in);
    assert!(!shown.contains("aviary") && !shown.contains("Lovelace"), "{shown}");
    assert!(!shown.contains(ada.signed_in.device.expose()), "{shown}");
}
