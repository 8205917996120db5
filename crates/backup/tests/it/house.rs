//! A database with at least one row in every table, on either engine, all of it sound.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};

use backup::{Progress, Report};
use guard::action::{OpenConversation, PostMessage, VerifyAudit};
use guard::{Actor, Circumstances, Grant, Guard, Permit, Resource, Role, ServiceName, Staff, Visitor};
use kernel::{
    BotName, ConversationId, Id, ManualClock, MessageText, SubjectId, TenantId, Timestamp, UserId, World,
};
use ledger::catalogue::{KeyCreated, MessageAccepted};
use ledger::{SignedCheckpoint, Signer, Token};
use store::messages::{self, NewMessage, Next, Speaker};
use store::{
    Db, DbUrl, Keychain, StoreError, Value, Via, audit, bots, connections, conversations, credentials,
    directory, holds, identities, keys, params, person_sessions, sessions, settings, tenants, tickets, users,
};
use tempfile::TempDir;
use testkit::Cluster;
use vault::{CachePolicy, DataKey, FileRoot, Keyring, Place, Purpose};

const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) world: World,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) conversation: ConversationId,
    pub(crate) subject: SubjectId,
    past: Past,
    _room: TempDir,
}

fn guard() -> &'static Guard {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(|| Guard::embedded().unwrap())
}

/// A statement that is put together by the test.
pub(crate) fn sql(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

impl House {
    pub(crate) async fn sqlite() -> Self {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("house.db");
        let world = World::rehearsal(Arc::new(ManualClock::at(NOON)), 7);
        let db = Db::open(&DbUrl::sqlite(&path), &world).unwrap();
        Self::filled(room, db, world, |_| Past::sqlite(path)).await
    }

    pub(crate) async fn postgres() -> Self {
        let cluster = Cluster::shared();
        let url: DbUrl = cluster.url(&cluster.database()).parse().unwrap();
        let world = World::rehearsal(Arc::new(ManualClock::at(NOON)), 7);
        let db = Db::open(&url, &world).unwrap();
        Self::filled(tempfile::tempdir().unwrap(), db, world, |db| Past::Postgres(db.clone())).await
    }

    async fn filled(room: TempDir, db: Db, world: World, past: impl FnOnce(&Db) -> Past) -> Self {
        let tenant: TenantId = world.id();
        let now = world.now();
        db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        let keys = Keychain::new(db.clone(), Arc::clone(&keyring), world.clone());
        keys.prepare(tenant).await.unwrap();
        let (user, conversation, subject) = (world.id(), world.id(), world.id());
        let past = past(&db);
        let house = Self { db, keys, world, tenant, user, conversation, subject, past, _room: room };
        house.talk().await;
        house.rows().await;
        // As in a database that was made before rows were bound: the key for it is made, and every row
        // is bound.
        house.run("DELETE FROM data_keys WHERE purpose = $1", params![Purpose::Rows.code()]).await;
        house.keys.prepare(tenant).await.unwrap();
        house.sign().await;
        let found = house.check().await.unwrap();
        assert!(found.is_sound(), "{:?}", found.faults);
        house
    }

    pub(crate) fn leave<A: guard::Action>(&self) -> Permit<A> {
        let operator = Actor::Service { name: ServiceName::Operator, tenant: self.tenant };
        let now = Circumstances::at(self.world.now());
        guard().permit(&operator, &Resource::Tenant(self.tenant), &now).unwrap()
    }

    pub(crate) fn posts(&self) -> Permit<PostMessage> {
        let (tenant, subject, conversation) = (self.tenant, self.subject, self.conversation);
        let bot = BotName::new("front-desk").unwrap();
        let talk =
            Resource::Conversation { tenant, bot, conversation, subject, assignee: None, waiting: false };
        let visitor = Actor::Visitor(Visitor { tenant, subject, conversation });
        guard().permit(&visitor, &talk, &Circumstances::at(self.world.now())).unwrap()
    }

    /// What `wardroom audit verify` does.
    pub(crate) async fn check(&self) -> Result<Report, backup::BackupError> {
        // As in a process that has just begun: no key is kept from before.
        self.keys.keyring().forget_all();
        let permits = Arc::new(vec![self.leave::<VerifyAudit>()]);
        backup::check(&self.db, &self.keys, &permits, &[], &Progress::default()).await
    }

    pub(crate) async fn run(&self, statement: &'static str, values: &[Value<'_>]) {
        let values: Vec<Value<'static>> = values.iter().map(owned).collect();
        self.db.write(move |tx| tx.execute(statement, &values)).await.unwrap();
    }

    /// Writes to the database as somebody would who is not held to its rules.
    pub(crate) async fn write_past(&mut self, statement: &'static str, values: Vec<Value<'static>>) {
        match &mut self.past {
            Past::Sqlite { to, from, .. } => Past::tell(to, from, statement, &values),
            Past::Postgres(db) => {
                db.write(move |tx| {
                    tx.execute("SET LOCAL session_replication_role = replica", &[])?;
                    tx.execute(statement, &values)
                })
                .await
                .unwrap();
            }
        }
    }

    /// Three messages, the last with citations, and their events.
    async fn talk(&self) {
        let (tenant, subject, conversation) = (self.tenant, self.subject, self.conversation);
        let key = self.keys.conversation_key(tenant, subject, conversation).await.unwrap();
        let scribe = self.keys.scribe(tenant).await.unwrap();
        let now = self.world.now();
        let door = Resource::Bot { tenant, bot: BotName::new("front-desk").unwrap() };
        let anybody = Actor::Anonymous { tenant };
        let open: Permit<OpenConversation> =
            guard().permit(&anybody, &door, &Circumstances::at(now)).unwrap();
        let new = conversations::NewConversation {
            id: conversation,
            subject,
            now,
            locale: "en".to_owned(),
            release: None,
            context: None,
        };
        self.db.write(move |tx| conversations::open(tx, &open, &new)).await.unwrap();
        for number in 0..3 {
            let (permit, id) = (self.posts(), self.world.id());
            let (key, scribe) = (Arc::clone(&key), scribe.clone());
            let job = move |tx: &mut store::Tx<'_>| {
                let Next::Fresh(slot) = messages::next(tx, &permit, id, Speaker::Person, now)? else {
                    return Err(StoreError::Missing { what: "slot" });
                };
                let text = MessageText::new(&format!("word {number}")).unwrap();
                let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
                let sources = key.seal(&slot.citations_place(), &b"[]".to_vec());
                let citations = (number == 2).then(|| sources.unwrap());
                let sealed_bytes = record.as_bytes().len() as u64;
                let event = MessageAccepted { conversation, message: id, seq: slot.seq(), sealed_bytes };
                let new = NewMessage { record, citations, key_gen: key.generation(), author: None };
                messages::append(tx, slot, new)?;
                let entry = scribe.write(&event, permit.actor(), &Via::default());
                entry.map_err(StoreError::refuse)?.append(tx)
            };
            self.db.write(job).await.unwrap();
        }
    }

    pub(crate) async fn key(&self, purpose: Purpose) -> Arc<DataKey> {
        self.keys.tenant_data_key(self.tenant, purpose).await.unwrap()
    }

    /// A row in every other table.
    async fn rows(&self) {
        let (tenant, user, conversation) = (self.tenant, self.user, self.conversation);
        let (now, late) = (self.world.now(), self.world.now().after(std::time::Duration::from_secs(86_400)));
        let (one, hash) = (1i64, [7u8; 32]);
        let id = || self.world.id::<UserId>();
        let chat = self.keys.conversation_key(tenant, self.subject, conversation).await.unwrap();
        let (staff, bot_key) = (self.key(Purpose::Identity).await, self.key(Purpose::Bots).await);
        let (set, secret) = (self.key(Purpose::Settings).await, self.key(Purpose::Secrets).await);
        let seal = |key: &DataKey, place: &Place| {
            key.seal(place, &b"what nobody may read".to_vec()).unwrap().as_bytes().to_vec()
        };

        let second = self.keys.keyring().new_tenant_key(tenant, 2).unwrap();
        self.db.write(move |tx| keys::add_tenant_key(tx, &second, "file", now)).await.unwrap();
        self.keys.look_again(tenant);
        self.run("INSERT INTO erasures VALUES ($1, $2, $3)", params![tenant, id(), now]).await;
        self.run("INSERT INTO bots VALUES ($1, $2, $3, $4, $5)", params![tenant, *"desk", id(), now, now])
            .await;
        let release = id();
        self.run(
            "INSERT INTO releases VALUES ($1, $2, $3, $4, 'approved', $5, 9, 1, 1, $6, $7, $8, $9)",
            params![tenant, release, *"desk", one, hash, now, id(), now, id()],
        )
        .await;
        let part = bots::part_place(tenant, Id::from_bytes(release.to_bytes()), 0);
        self.run(
            "INSERT INTO release_parts VALUES ($1, $2, 0, $3)",
            params![tenant, release, seal(&bot_key, &part)],
        )
        .await;
        self.run(
            "UPDATE conversations SET context = $3, context_gen = 1, flow_state = $4, flow_gen = 1, flow_seq = 3,
                                      release = $5, assignee = $6
             WHERE tenant = $1 AND id = $2",
            params![
                tenant,
                conversation,
                seal(&chat, &conversations::context_place(tenant, conversation)),
                seal(&chat, &conversations::flow_place(tenant, conversation, 3)),
                release,
                user
            ],
        )
        .await;
        let ticket = self.world.id();
        self.run(
            "INSERT INTO tickets VALUES ($1, $2, $3, $4, 'open', $5, $6, 1, $7, $8, $9)",
            params![
                tenant,
                ticket,
                conversation,
                *"desk",
                now,
                now,
                seal(&chat, &tickets::title_place(tenant, ticket)),
                seal(&chat, &tickets::body_place(tenant, ticket)),
                seal(&chat, &tickets::contact_place(tenant, ticket))
            ],
        )
        .await;
        self.people(&staff, &seal, late).await;
        let connection = self.world.id();
        self.run(
            "INSERT INTO connections (tenant, id, kind, name, state, key_gen, settings, secret_gen, secret, version,
                                      created_ms, changed_ms, changed_by)
             VALUES ($1, $2, 'oidc', $3, 'enabled', 1, $4, 1, $5, 1, $6, $7, $8)",
            params![
                tenant,
                connection,
                *"Example",
                seal(&set, &connections::settings_place(tenant, connection)),
                seal(&secret, &connections::secret_place(tenant, connection)),
                now,
                now,
                user
            ],
        )
        .await;
        let blind = [3u8; 16];
        self.run(
            "INSERT INTO connection_domains (tenant, domain_blind, connection, key_gen, domain, proof, proved_ms)
             VALUES ($1, $2, $3, 1, $4, 'operator', $5)",
            params![tenant, blind, connection, seal(&staff, &connections::domain_place(tenant, blind)), now],
        )
        .await;
        self.run(
            "INSERT INTO identities (tenant, connection, subject_blind, user_id, key_gen, subject, created_ms, seen_ms)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7)",
            params![
                tenant,
                connection,
                blind,
                user,
                seal(&staff, &identities::subject_place(tenant, blind)),
                now,
                now
            ],
        )
        .await;
        let session = self.world.id();
        self.run(
            "INSERT INTO sessions (tenant, id, secret_hash, csrf_hash, user_id, assurance, epoch, created_ms, auth_ms,
                                   last_seen_ms, absolute_ms)
             VALUES ($1, $2, $3, $4, $5, 2, 1, $6, $7, $8, $9)",
            params![tenant, session, [9u8; 32], hash, user, now, now, now, late],
        )
        .await;
        self.run(
            "INSERT INTO session_origins VALUES ($1, $2, $3, $4, $5, 1, $6)",
            params![
                tenant,
                session,
                connection,
                blind,
                blind,
                seal(&staff, &identities::hint_place(tenant, session))
            ],
        )
        .await;
        let session = self.world.id();
        self.run(
            "INSERT INTO person_sessions (tenant, id, secret_hash, subject, connection, subject_blind, sid_blind, key_gen,
                                          hint, created_ms, last_seen_ms, absolute_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11)",
            params![
                tenant,
                session,
                [8u8; 32],
                self.subject,
                connection,
                blind,
                blind,
                seal(&staff, &person_sessions::hint_place(tenant, session)),
                now,
                now,
                late
            ],
        )
        .await;
        self.run(
            "INSERT INTO provider_replays VALUES ($1, $2, $3, $4)",
            params![tenant, connection, hash, late],
        )
        .await;
        self.run(
            "INSERT INTO break_glass (tenant, user_id, named_ms, named_by) VALUES ($1, $2, $3, $4)",
            params![tenant, user, now, id()],
        )
        .await;
        self.run(
            "INSERT INTO sign_in_rules (tenant, only_connections, changed_ms, changed_by) VALUES ($1, 0, $2, $3)",
            params![tenant, now, id()],
        )
        .await;
        self.run(
            "INSERT INTO ceremonies VALUES ($1, $2, 'sign-in', 1, $3, $4)",
            params![tenant, blind, seal(&staff, &sessions::ceremony_place(tenant, blind)), late],
        )
        .await;
        self.run("INSERT INTO login_failures VALUES ($1, $2, 3, $3, $4)", params![tenant, blind, late, now])
            .await;
        let (person, group) = (self.world.id(), self.world.id());
        for (entry, kind) in [(person, "user"), (group, "group")] {
            self.run(
                "INSERT INTO directory_entries VALUES ($1, $2, $3, $4, $5, $6, NULL, 1, 1, $7, 1, $8, $9)",
                params![
                    tenant,
                    connection,
                    entry,
                    *kind,
                    blind,
                    blind,
                    seal(&staff, &directory::record_place(tenant, entry)),
                    now,
                    now
                ],
            )
            .await;
        }
        self.run("INSERT INTO directory_members VALUES ($1, $2, $3)", params![tenant, group, person]).await;
        self.run(
            "INSERT INTO directory_holds VALUES ($1, $2, $3, $4)",
            params![tenant, user, connection, now],
        )
        .await;
        self.run(
            "INSERT INTO directory_tokens (tenant, connection, id, hash, created_ms, created_by, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            params![tenant, connection, id(), hash, now, user, late],
        )
        .await;
        let hold: kernel::HoldId = self.world.id();
        self.run(
            "INSERT INTO legal_holds (tenant, id, subject, conversation, key_gen, reason, placed_ms, placed_by,
                                      lifted_ms, lifted_by, lift_gen, lift_reason)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $7, 1, $9)",
            params![
                tenant,
                hold,
                self.subject,
                conversation,
                seal(&staff, &holds::reason_place(tenant, hold)),
                now,
                user,
                late,
                seal(&staff, &holds::lift_place(tenant, hold))
            ],
        )
        .await;
        self.custody(id().to_bytes(), now, late).await;
        self.powers(session).await;
    }

    async fn people(&self, staff: &DataKey, seal: &dyn Fn(&DataKey, &Place) -> Vec<u8>, late: Timestamp) {
        let (tenant, user, now) = (self.tenant, self.user, self.world.now());
        let (blind, hash) = ([5u8; 16], [5u8; 32]);
        self.run(
            "INSERT INTO users (tenant, id, email_blind, key_gen, email, name, state, epoch, created_ms, last_login_ms)
             VALUES ($1, $2, $3, 1, $4, $5, 'active', 1, $6, $7)",
            params![
                tenant,
                user,
                blind,
                seal(staff, &users::email_place(tenant, user)),
                seal(staff, &users::name_place(tenant, user)),
                now,
                now
            ],
        )
        .await;
        self.run(
            "INSERT INTO passwords VALUES ($1, $2, 1, $3, $4)",
            params![tenant, user, seal(staff, &credentials::password_place(tenant, user, now)), now],
        )
        .await;
        self.run(
            "INSERT INTO totp (tenant, user_id, key_gen, seed, last_step, confirmed_ms) VALUES ($1, $2, 1, $3, 77, $4)",
            params![tenant, user, seal(staff, &credentials::totp_place(tenant, user)), now],
        )
        .await;
        self.run(
            "INSERT INTO passkeys (tenant, credential, user_id, key_gen, public, name, counter, created_ms, used_ms)
             VALUES ($1, $2, $3, 1, $4, $5, 4, $6, $7)",
            params![
                tenant,
                hash,
                user,
                seal(staff, &credentials::passkey_place(tenant, user, hash)),
                seal(staff, &credentials::passkey_name_place(tenant, user, hash)),
                now,
                now
            ],
        )
        .await;
        self.run(
            "INSERT INTO recovery_codes (tenant, user_id, code_hash, created_ms, used_ms) VALUES ($1, $2, $3, $4, $5)",
            params![tenant, user, hash, now, now],
        )
        .await;
        self.run(
            "INSERT INTO grants (tenant, user_id, role, scope, source, granted_by, key_gen, reason, granted_ms,
                                 expires_ms)
             VALUES ($1, $2, 'auditor', 'tenant', 'manual', $3, 1, $4, $5, $6)",
            params![
                tenant,
                user,
                self.world.id::<UserId>(),
                seal(staff, &users::reason_place(tenant, user, now)),
                now,
                late
            ],
        )
        .await;
        let invite = self.world.id();
        self.run(
            "INSERT INTO invites (tenant, id, secret_hash, role, scope, key_gen, email, invited_by, created_ms,
                                  expires_ms)
             VALUES ($1, $2, $3, 'auditor', 'tenant', 1, $4, $5, $6, $7)",
            params![tenant, invite, hash, seal(staff, &users::invite_place(tenant, invite)), user, now, late],
        )
        .await;
    }

    async fn custody(&self, request: [u8; 16], now: Timestamp, late: Timestamp) {
        let tenant = self.tenant;
        self.run("INSERT INTO key_policies VALUES ($1, 90, 30, 1000, $2)", params![tenant, now]).await;
        self.run(
            "INSERT INTO key_requests (tenant, id, kind, version, days, root, state, requested_by, requested_ms, expires_ms,
                                       decided_by, decided_ms)
             VALUES ($1, $2, 'destroy', 1, 7, 'file', 'approved', $3, $4, $5, $6, $7)",
            params![tenant, request, self.user, now, late, self.user, now],
        )
        .await;
        self.run(
            "INSERT INTO key_destructions VALUES ($1, 1, 'retiring', $2, $3, $4, $5)",
            params![tenant, request, now, late, now],
        )
        .await;
        self.run(
            "INSERT INTO key_rewraps VALUES ($1, 1, 2, $2, 10, 0, $3, $4, $5)",
            params![tenant, request, now, now, now],
        )
        .await;
    }

    /// An entry of a member of staff with a sealed detail, and a signed checkpoint over it all.
    async fn sign(&self) {
        let (tenant, now) = (self.tenant, self.world.now());
        let secret = self.key(Purpose::Secrets).await;
        let seed = [11u8; 32];
        let place = settings::value_place(tenant, audit::SEED);
        let value = secret.seal(&place, &seed.to_vec()).unwrap();
        let generation = secret.generation();
        self.db
            .write(move |tx| settings::set(tx, tenant, audit::SEED, &value, generation, now))
            .await
            .unwrap();
        let staff = Actor::Staff(Staff {
            user: self.user,
            tenant,
            grants: vec![Grant::everywhere(Role::Owner)],
            assurance: 3,
            authenticated_at: now,
            session: self.world.id(),
        });
        let event = KeyCreated { kind: "data", key: None, provider: Token::lossy("file") };
        let scribe = self.keys.scribe(tenant).await.unwrap();
        let entry = scribe.write_with(&event, &staff, &Via::default(), b"a reason".to_vec()).unwrap();
        self.db.write(move |tx| entry.append(tx)).await.unwrap();
        let signer = Signer::from_seed(&audit::origin(tenant), &kernel::Secret::new(seed)).unwrap();
        let frontier = self.db.read(move |tx| audit::frontier(tx, tenant)).await.unwrap();
        let signed = SignedCheckpoint::sign(&frontier, &signer);
        let (size, note) = (frontier.size(), signed.as_str().to_owned());
        self.db.write(move |tx| audit::save_checkpoint(tx, tenant, size, &note, now)).await.unwrap();
    }
}

pub(crate) fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Int(number) => Value::Int(*number),
        Value::Text(text) => Value::Text(text.to_string().into()),
        Value::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
    }
}

/// The way past the program: for SQLite a Python process that keeps no rule of the schema.
enum Past {
    Sqlite { child: Child, to: ChildStdin, from: BufReader<ChildStdout> },
    Postgres(Db),
}

const PYTHON: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute('PRAGMA foreign_keys = OFF')
for line in sys.stdin:
    sql, *values = line.rstrip('\\n').split('\\t')
    read = {'i': int, 't': lambda text: bytes.fromhex(text).decode(), 'b': bytes.fromhex, 'n': lambda _: None}
    done = db.execute(sql, [read[value[0]](value[1:]) for value in values])
    print(done.rowcount, flush=True)
";

impl Past {
    fn sqlite(path: PathBuf) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", PYTHON])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self::Sqlite { child, to, from }
    }

    fn tell(to: &mut ChildStdin, from: &mut BufReader<ChildStdout>, statement: &str, values: &[Value<'_>]) {
        let mut line = statement.replace('$', "?").replace('\n', " ");
        for value in values {
            line.push('\t');
            line += &match value {
                Value::Null => "n".to_owned(),
                Value::Int(number) => format!("i{number}"),
                Value::Text(text) => format!("t{}", hex::encode(text.as_bytes())),
                Value::Blob(bytes) => format!("b{}", hex::encode(bytes)),
            };
        }
        writeln!(to, "{line}").unwrap();
        let mut answer = String::new();
        from.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "1", "{statement}");
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        if let Self::Sqlite { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
