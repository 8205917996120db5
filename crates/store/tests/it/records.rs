//! The audit ledger's rows, and bots with their releases.

use std::time::Duration;

use guard::action::{ActivateRelease, PushRelease, ReadAudit, ReadBots, UpdateBot, VerifyAudit};
use guard::{Resource, Role};
use kernel::{ReleaseId, Secret, Timestamp, UserId};
use ledger::catalogue::SessionEnded;
use ledger::verify::{Expect, StoredLeaf};
use ledger::{ActorRef, Entry, Frontier, Header, SignedCheckpoint, Signer};
use store::audit::{self, Detail, Filter};
use store::bots::{self, NewRelease, ReleaseState};
use store::{StoreError, Tx};
use vault::Purpose;

use crate::house::{House, both};
use crate::people::{Tenancy, bot};

both!(
    entries_appended_at_once_make_one_log_that_verifies,
    an_act_that_fails_leaves_no_entry,
    a_changed_leaf_is_found_by_the_verifier,
    entries_are_listed_by_page_and_filter,
    a_detail_is_kept_beside_its_entry,
    two_programs_append_to_one_log,
    a_release_is_pushed_approved_and_rolled_back,
);

fn entry(tenancy: &Tenancy, user: UserId, at: Timestamp) -> Entry {
    let event = SessionEnded { user, session: tenancy.world.id(), why: "logout" };
    Entry::record(&event, &Header::new(tenancy.tenant, tenancy.world.id(), at, ActorRef::Staff(user)))
}

fn append(entry: Entry, user: UserId) -> impl FnMut(&mut Tx<'_>) -> Result<u64, StoreError> + Send + 'static {
    move |tx| audit::append(tx, &entry, Some(user), None)
}

async fn verify(house: &House, tenancy: &Tenancy, signer: &Signer) -> ledger::verify::VerifyReport {
    let permit = tenancy.permit::<VerifyAudit>(&tenancy.operator(), &tenancy.whole());
    let (leaves, notes) = house
        .db
        .read(move |tx| {
            let mut leaves: Vec<StoredLeaf> = Vec::new();
            loop {
                let from = leaves.last().map_or(0, |leaf| leaf.index + 1);
                let page = audit::walk(tx, &permit, from, 7)?;
                if page.is_empty() {
                    return Ok((leaves, audit::checkpoints(tx, &permit)?));
                }
                leaves.extend(page.into_iter().map(StoredLeaf::from));
            }
        })
        .await
        .unwrap();
    let expect = Expect::signed_by(vec![signer.verifier_key().clone()]);
    let leaves = leaves.into_iter().map(Ok::<_, StoreError>);
    ledger::verify::stored(leaves, notes.into_iter().map(|(_, note)| Ok(note)), &expect).unwrap()
}

fn signer(tenancy: &Tenancy) -> Signer {
    let name = format!("wardroom.test/{}", tenancy.tenant);
    Signer::from_seed(&name, &Secret::new([7u8; 32])).unwrap()
}

async fn sign(house: &House, tenancy: &Tenancy, signer: &Signer) {
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let frontier: Frontier = house.db.read(move |tx| audit::frontier(tx, tenant)).await.unwrap();
    let note = SignedCheckpoint::sign(&frontier, signer).as_str().to_owned();
    let size = frontier.size();
    house.db.write(move |tx| audit::save_checkpoint(tx, tenant, size, &note, now)).await.unwrap();
}

async fn entries_appended_at_once_make_one_log_that_verifies(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let (db, user) = (house.db.clone(), tenancy.world.id());
        let job = append(entry(&tenancy, user, tenancy.world.now()), user);
        waiting.push(tokio::spawn(async move { db.write(job).await }));
    }
    let mut indexes = Vec::new();
    for job in waiting {
        indexes.push(job.await.unwrap().unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..40).collect::<Vec<_>>());

    let signer = signer(&tenancy);
    sign(&house, &tenancy, &signer).await;
    let report = verify(&house, &tenancy, &signer).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.leaves, report.signed_leaves, report.checkpoints), (40, 40, 1));
    let tenant = tenancy.tenant;
    let last = house.db.read(move |tx| audit::last_checkpoint(tx, tenant)).await.unwrap().unwrap();
    assert_eq!(last.0, 40);
}

async fn an_act_that_fails_leaves_no_entry(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (user, tenant) = (tenancy.world.id(), tenancy.tenant);
    let mut record = append(entry(&tenancy, user, tenancy.world.now()), user);
    let failed = house
        .db
        .write(move |tx| {
            record(tx)?;
            Err::<(), _>(StoreError::Missing { what: "anything" })
        })
        .await;
    assert!(failed.is_err());
    let frontier = house.db.read(move |tx| audit::frontier(tx, tenant)).await.unwrap();
    assert_eq!(frontier, Frontier::new());
}

async fn a_changed_leaf_is_found_by_the_verifier(house: House) {
    let tenancy = Tenancy::new(&house).await;
    for _ in 0..10 {
        let user = tenancy.world.id();
        house.db.write(append(entry(&tenancy, user, tenancy.world.now()), user)).await.unwrap();
    }
    let signer = signer(&tenancy);
    sign(&house, &tenancy, &signer).await;
    // Whoever can write to the database rewrites an entry and its hash; the signed root remains.
    let forged = entry(&tenancy, tenancy.world.id(), tenancy.world.now());
    let tenant = tenancy.tenant;
    house
        .db
        .write(move |tx| {
            tx.execute(
                "UPDATE ledger_leaves SET json = $2, leaf_hash = $3 WHERE tenant = $1 AND idx = 4",
                store::params![tenant, forged.json(), forged.leaf_hash()],
            )
        })
        .await
        .unwrap();
    let report = verify(&house, &tenancy, &signer).await;
    assert!(!report.ok);
}

async fn entries_are_listed_by_page_and_filter(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (ada, eve): (UserId, UserId) = (tenancy.world.id(), tenancy.world.id());
    for n in 0..6u64 {
        let user = if n % 3 == 0 { ada } else { eve };
        let at = tenancy.world.now().after(Duration::from_secs(n));
        house.db.write(append(entry(&tenancy, user, at), user)).await.unwrap();
    }
    let list = async |filter: Filter| {
        let auditor = tenancy.staff(Role::Auditor);
        let permit = tenancy.permit::<ReadAudit>(&auditor, &tenancy.whole());
        let page = house.db.read(move |tx| audit::list(tx, &permit, &filter)).await.unwrap();
        page.iter().map(|leaf| leaf.index).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(list(Filter { limit: 2, before: Some(4), ..Filter::default() }).await, [3, 2]);
    assert_eq!(list(Filter { actor: Some(ada), ..Filter::default() }).await, [3, 0]);
    assert_eq!(list(Filter { code: "AUTH-".to_owned(), limit: 1, ..Filter::default() }).await, [5]);
    assert_eq!(list(Filter { code: "CHAT-".to_owned(), ..Filter::default() }).await, [] as [u64; 0]);
    let (from, to) = (
        tenancy.world.now().after(Duration::from_secs(2)),
        tenancy.world.now().after(Duration::from_secs(4)),
    );
    assert_eq!(list(Filter { from, to, ..Filter::default() }).await, [3, 2]);
}

async fn a_detail_is_kept_beside_its_entry(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let key = tenancy.key(&house, Purpose::Ledger).await;
    let (user, tenant): (UserId, _) = (tenancy.world.id(), tenancy.tenant);
    let entry = entry(&tenancy, user, tenancy.world.now());
    let place = audit::detail_place(tenant, entry.event());
    let sealed = key.seal(&place, &b"because the customer asked".to_vec()).unwrap();
    let detail = Detail { sealed, key_gen: key.generation() };
    house.db.write(move |tx| audit::append(tx, &entry, Some(user), Some(&detail))).await.unwrap();
    let permit = tenancy.permit::<ReadAudit>(&tenancy.staff(Role::Auditor), &tenancy.whole());
    let found = house.db.read(move |tx| audit::detail(tx, &permit, 0)).await.unwrap().unwrap();
    assert_eq!(key.open(&place, &found.sealed).unwrap(), b"because the customer asked");
}

async fn two_programs_append_to_one_log(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let other = store::Db::open(&house.kind.url(), &house.world).unwrap();
    let mut waiting = Vec::new();
    for n in 0..60 {
        let db = if n % 2 == 0 { house.db.clone() } else { other.clone() };
        let user = tenancy.world.id();
        let job = append(entry(&tenancy, user, tenancy.world.now()), user);
        waiting.push(tokio::spawn(async move { db.write(job).await }));
    }
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    let signer = signer(&tenancy);
    sign(&house, &tenancy, &signer).await;
    let report = verify(&house, &tenancy, &signer).await;
    assert!(report.ok && report.leaves == 60, "{report:?}");
}

async fn a_release_is_pushed_approved_and_rolled_back(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let key = tenancy.key(&house, Purpose::Bots).await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let (developer, owner) = (tenancy.staff(Role::BotDeveloper), tenancy.staff(Role::Owner));
    let the_bot = Resource::Bot { tenant, bot: bot() };
    let permit = tenancy.permit::<UpdateBot>(&developer, &the_bot);
    house.db.write(move |tx| bots::create(tx, &permit, now)).await.unwrap();

    let mut pushed: Vec<ReleaseId> = Vec::new();
    for version in 1..=2u32 {
        let id: ReleaseId = tenancy.world.id();
        let artifact = vec![version as u8; bots::PART_BYTES + 10];
        let parts = artifact
            .chunks(bots::PART_BYTES)
            .enumerate()
            .map(|(n, part)| key.seal(&bots::part_place(tenant, id, n as u64), &part.to_vec()).unwrap())
            .collect();
        let size = artifact.len() as u64;
        let new = NewRelease { id, sha256: [version as u8; 32], size, parts, key_gen: key.generation(), now };
        let permit = tenancy.permit::<PushRelease>(&developer, &the_bot);
        let got = house.db.write(move |tx| bots::push(tx, &permit, &new)).await.unwrap();
        assert_eq!(got, version);
        pushed.push(id);
    }
    let name = bot();
    let active = async || {
        let name = name.clone();
        house.db.read(move |tx| bots::find(tx, tenant, &name)).await.unwrap().unwrap().active
    };
    assert_eq!(active().await, None);
    for id in [pushed[0], pushed[1], pushed[0]] {
        let release = house.db.read(move |tx| bots::release(tx, tenant, id)).await.unwrap().unwrap();
        assert_eq!(release.author, developer.staff().map(|staff| staff.user));
        let permit = tenancy.permit::<ActivateRelease>(&owner, &release.resource());
        house.db.write(move |tx| bots::activate(tx, &permit, now)).await.unwrap();
        assert_eq!(active().await, Some(id));
    }
    let id = pushed[0];
    let parts = house.db.read(move |tx| bots::parts(tx, tenant, id)).await.unwrap();
    let mut artifact = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        artifact.extend(key.open(&bots::part_place(tenant, id, n as u64), part).unwrap());
    }
    assert_eq!(artifact, vec![1u8; bots::PART_BYTES + 10]);

    let permit = tenancy.permit::<ReadBots>(&developer, &tenancy.whole());
    let (bots, releases) = house
        .db
        .read(move |tx| Ok((bots::list(tx, &permit)?, bots::releases(tx, &permit, None, 10)?)))
        .await
        .unwrap();
    assert_eq!(bots.len(), 1);
    let seen: Vec<_> = releases.iter().map(|release| (release.version, release.state)).collect();
    assert_eq!(seen, [(2, ReleaseState::Approved), (1, ReleaseState::Approved)]);
    let permit = tenancy.permit::<PushRelease>(&developer, &the_bot);
    let withdrawn = house.db.write(move |tx| bots::withdraw(tx, &permit, id)).await;
    assert!(withdrawn.is_err(), "an approved release is not withdrawn");
}
