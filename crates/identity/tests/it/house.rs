//! A house with a database, keys, and people who enrolled.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use guard::action::InviteUser;
use guard::{Action, Actor, Circumstances, Grant, Guard, Permit, Resource, Role, ServiceName};
use identity::passkey::RelyingParty;
use identity::password::Passwords;
use identity::{CeremonyId, Enrolled, Identity, IdentityError, Refused, Signed, SignedIn, TotpSetup};
use kernel::{DisplayName, Email, ManualClock, Reason, Secret, TenantId, Timestamp, UserId, World};
use store::{Db, DbUrl, Keychain, Via, tenants};
use tempfile::TempDir;
use vault::{CachePolicy, FileRoot, Keyring};

use crate::authenticator::{Authenticator, ORIGIN};

pub(crate) const PASSWORD: &str = "herring tidal copper lantern";

pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) world: World,
    pub(crate) db: Db,
    pub(crate) tenant: TenantId,
    pub(crate) identity: Identity,
    pub(crate) keys: Keychain,
    room: TempDir,
}

/// Somebody with a password and an authenticator app.
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) letters: String,
    pub(crate) codes: Vec<String>,
    pub(crate) signed_in: SignedIn,
}

pub(crate) fn guard() -> &'static Guard {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(|| Guard::embedded().unwrap())
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

pub(crate) fn from(address: &str) -> Via {
    Via { request: None, source: Some(address.to_owned()), device: None }
}

pub(crate) fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

pub(crate) fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

/// Why something was refused. Anything else is a bug.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, IdentityError>) -> Refused {
    match outcome.unwrap_err() {
        IdentityError::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn challenge(options: &serde_json::Value) -> &str {
    options["challenge"].as_str().unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        let room = tempfile::tempdir().unwrap();
        let url = DbUrl::sqlite(room.path().join("house.db"));
        Self::on(&url, room).await
    }

    /// The same on another database.
    pub(crate) async fn on(url: &DbUrl, room: tempfile::TempDir) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_378_500_125)));
        let world = World::rehearsal(clock.clone(), 7);
        let (address, opening) = (format!("{url:?}"), world.clone());
        let db = Db::open(url, &opening).unwrap_or_else(|error| panic!("{address}: {error}"));
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        let keys = Keychain::new(db.clone(), keyring, world.clone());
        let (tenant, now): (TenantId, _) = (world.id(), world.now());
        db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        keys.prepare(tenant).await.unwrap();
        let party = RelyingParty::of_origin(ORIGIN).unwrap();
        let cheap = Passwords::with_cost(&world, (64, 1, 1)).unwrap();
        let identity = Identity::with_hasher(
            db.clone(),
            keys.clone(),
            guard().clone(),
            world.clone(),
            tenant,
            party,
            cheap,
        );
        Self { clock, world, db, tenant, identity, keys, room }
    }

    /// The staff door of another tenant in the same database.
    pub(crate) async fn next_door(&self) -> Identity {
        let (tenant, now): (TenantId, _) = (self.world.id(), self.world.now());
        self.db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        self.keys.prepare(tenant).await.unwrap();
        let party = RelyingParty::of_origin("https://next.example.org").unwrap();
        let (db, keys, world) = (self.db.clone(), self.keys.clone(), self.world.clone());
        let cheap = Passwords::with_cost(&world, (64, 1, 1)).unwrap();
        Identity::with_hasher(db, keys, guard().clone(), world, tenant, party, cheap)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.room.path()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn minutes(&self, minutes: u64) {
        self.advance(minutes * 60);
    }

    pub(crate) fn operator(&self) -> Actor {
        Actor::Service { name: ServiceName::Operator, tenant: self.tenant }
    }

    pub(crate) fn whole(&self) -> Resource {
        Resource::Tenant(self.tenant)
    }

    pub(crate) fn account(&self, user: UserId) -> Resource {
        Resource::Account { tenant: self.tenant, user }
    }

    pub(crate) fn permit<A: Action>(&self, actor: &Actor, resource: &Resource) -> Permit<A> {
        let at = Circumstances::at(self.world.now()).because(Reason::new("covers the night shift").unwrap());
        guard().permit(actor, resource, &at).unwrap()
    }

    pub(crate) fn operator_may<A: Action>(&self, resource: &Resource) -> Permit<A> {
        self.permit(&self.operator(), resource)
    }

    pub(crate) async fn invite(&self, role: Role, address: Option<&str>) -> Secret<String> {
        let permit = self.operator_may::<InviteUser>(&self.whole());
        let grant = Grant::everywhere(role);
        self.identity.invite(permit, grant, address.map(email), &Via::default()).await.unwrap()
    }

    /// The code that the app with this seed shows now.
    pub(crate) fn code(&self, letters: &str) -> String {
        let seed = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &seed);
        let tag = hmac::sign(&key, &(self.world.now().as_millis() / 30_000).to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }

    pub(crate) async fn begin(&self, invite: &Secret<String>, who: &str, address: &str) -> CeremonyId {
        self.identity.begin_enrolment(invite.expose(), name(who), email(address)).await.unwrap()
    }

    pub(crate) async fn choose(&self, ceremony: &CeremonyId) -> TotpSetup {
        self.identity.enrol_password(ceremony, secret(PASSWORD)).await.unwrap()
    }

    /// Enrols somebody with a password and an app.
    pub(crate) async fn enrol(&self, invite: &Secret<String>, who: &str, address: &str) -> Person {
        let ceremony = self.begin(invite, who, address).await;
        let letters = self.choose(&ceremony).await.letters.expose().clone();
        let code = self.code(&letters);
        let done = self.identity.enrol_code(&ceremony, &code, &from("192.0.2.1")).await.unwrap();
        let Enrolled { recovery_codes, signed_in } = done;
        let codes = recovery_codes.iter().map(|code| code.expose().clone()).collect();
        // The first code is used up; the next person-sized moment has another.
        self.advance(60);
        Person { user: signed_in.user, email: address.to_owned(), letters, codes, signed_in }
    }

    pub(crate) async fn staff(&self, role: Role, address: &str) -> Person {
        let invite = self.invite(role, None).await;
        self.enrol(&invite, "Ada Lovelace", address).await
    }

    /// Enrols somebody with a passkey.
    pub(crate) async fn with_passkey(&self, role: Role, address: &str) -> (Authenticator, SignedIn) {
        let invite = self.invite(role, None).await;
        let ceremony = self.begin(&invite, "Grace Hopper", address).await;
        let options = self.identity.enrol_passkey_options(&ceremony).await.unwrap();
        let key = Authenticator::new();
        let sent = key.create(challenge(&options), ORIGIN);
        let done = self
            .identity
            .enrol_passkey(&ceremony, &sent, name("blue key"), &from("192.0.2.1"))
            .await
            .unwrap();
        (key, done.signed_in)
    }

    pub(crate) async fn password(&self, who: &str, password: &str) -> Result<CeremonyId, IdentityError> {
        self.identity.password_step(who, secret(password), None, &from("192.0.2.9")).await
    }

    /// Signs in with both factors.
    pub(crate) async fn sign_in(&self, person: &Person) -> SignedIn {
        let ceremony = self.password(&person.email, PASSWORD).await.unwrap();
        let code = self.code(&person.letters);
        let signed_in = self.identity.totp_step(&ceremony, &code, &from("192.0.2.9")).await.unwrap();
        self.advance(60);
        signed_in
    }

    pub(crate) async fn passkey(&self, key: &Authenticator) -> Result<SignedIn, IdentityError> {
        let (ceremony, options) = self.identity.passkey_begin().await.unwrap();
        assert_eq!(options["allowCredentials"], serde_json::json!([]));
        let sent = key.get(challenge(&options), ORIGIN);
        self.identity.passkey_finish(&ceremony, &sent, None, &from("192.0.2.9")).await
    }

    pub(crate) async fn signed(&self, signed_in: &SignedIn) -> Signed {
        self.identity.session(&signed_in.secret).await.unwrap().unwrap()
    }

    /// The leaves of the audit log with this code, oldest first.
    pub(crate) async fn events(&self, code: &'static str) -> Vec<serde_json::Value> {
        let rows = self.db.read(|tx| {
            let rows = tx.rows("SELECT code, json FROM ledger_leaves ORDER BY idx", &[])?;
            let both = rows.into_iter().map(|mut row| Ok((row.take("code")?, row.take("json")?)));
            both.collect::<Result<Vec<(String, Vec<u8>)>, store::StoreError>>()
        });
        let rows = rows.await.unwrap();
        rows.into_iter()
            .filter(|(found, _)| found == code)
            .map(|(_, entry)| {
                serde_json::from_slice::<serde_json::Value>(&entry).unwrap()["unmapped"].clone()
            })
            .collect()
    }
}
