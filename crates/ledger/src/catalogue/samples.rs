//! One entry of every event, in every variant that changes its shape: for `wardroom siem test`, and
//! for the check of our events by code of others.

use kernel::{BotName, EventId, Id, TenantId, Timestamp};

use super::*;
use crate::event::{ActorRef, Entry, Event, Header};
use crate::words::{Listed, Pseudonym, Token};

fn id<T: Id>(n: u8) -> T {
    // A UUIDv7 of 2026-11-22 with a tail that tells the samples apart.
    T::from_bytes([0x01, 0x9a, 0xac, 0x5b, 0x2e, 0x00, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n])
}

struct Samples {
    entries: Vec<Entry>,
}

impl Samples {
    fn add<E: Event>(&mut self, event: &E) {
        let n = u8::try_from(self.entries.len()).unwrap_or(u8::MAX);
        let actor = match n % 5 {
            0 => ActorRef::Staff(id(200)),
            1 => ActorRef::Visitor(Pseudonym::from_mac([0xaa; 16])),
            2 => ActorRef::Service("edge"),
            3 => ActorRef::Operator,
            _ => ActorRef::System,
        };
        let at = Timestamp::from_millis(1_795_378_500_000 + u64::from(n));
        let mut header = Header::new(id::<TenantId>(1), id::<EventId>(n), at, actor);
        // Every other sample has the members that a header may have.
        if n.is_multiple_of(2) {
            header.request = Some(id(201));
            header.source = Some(Pseudonym::from_mac([0xbb; 16]));
            header.detail = Some([0xcc; 32]);
        }
        self.entries.push(Entry::record(event, &header));
    }
}

/// The samples, each of a rising time and with an id of its own, all of one tenant.
pub fn samples() -> Vec<Entry> {
    let Ok(bot) = BotName::new("front-desk") else { return Vec::new() };
    let mut all = Samples { entries: Vec::new() };
    chat(&mut all, &bot);
    auth(&mut all);
    bots(&mut all, &bot);
    machine(&mut all);
    all.entries
}

fn chat(all: &mut Samples, bot: &BotName) {
    let (conversation, message, subject) = (id(10), id(11), Pseudonym::from_mac([0xaa; 16]));
    all.add(&MessageAccepted { conversation, message, seq: 1, sealed_bytes: 300 });
    for release in [Some(id(12)), None] {
        all.add(&ReplySent { conversation, message, seq: 2, sealed_bytes: 420, release, citations: 1 });
        all.add(&ConversationOpened { conversation, subject, bot: bot.clone(), release });
    }
    all.add(&ConversationClosed { conversation, why: "idle", messages: 12 });
    let (bot, proof) = (bot.clone(), [0xcc; 32]);
    all.add(&ConversationExpired { conversation, bot, days: 90, messages: 12, proof });
    all.add(&RecordRefused { table: Token::lossy("messages"), row: Token::lossy("019aac5b"), reason: "tag" });
    all.add(&HandoffRequested { conversation, by: "visitor" });
    all.add(&HandoffChanged { conversation, to: "agent" });
    for conversation in [Some(conversation), None] {
        all.add(&TicketOpened { ticket: id(13), conversation });
    }
    all.add(&TranscriptRead { conversation, subjects: Listed::one(subject), messages: 12 });
    for how in ["list", "search"] {
        all.add(&TranscriptSearched { how, subjects: Listed::one(subject), found: 1 });
    }
}

fn auth(all: &mut Samples) {
    let (user, session, role) = (id(20), id(21), Token::lossy("agent"));
    let scope = Token::lossy("tenant");
    all.add(&LoginSucceeded { user, session, method: "password+totp", mfa: true });
    for user in [Some(user), None] {
        let login = Pseudonym::from_mac([0xdd; 16]);
        all.add(&LoginFailed { user, login, reason: "password", attempt: 3 });
    }
    all.add(&SessionEnded { user, session, why: "idle" });
    all.add(&FactorEnrolled { user, factor: "totp" });
    all.add(&UserInvited { user, invite: id(22), role: role.clone() });
    for invite in [Some(id(22)), None] {
        all.add(&UserEnrolled { user, invite });
    }
    all.add(&UserDisabled { user, sessions_ended: 2 });
    all.add(&RoleGranted { user, role: role.clone(), scope: scope.clone() });
    all.add(&RoleRevoked { user, role, scope });
    let resource = Token::lossy("conversation:019aac5b");
    all.add(&AccessDenied { action: "transcript.read", resource, rule: Token::lossy("default") });
    all.add(&FactorsReset { user, removed: 2 });
    all.add(&FactorRemoved { user, factor: "passkey" });
    all.add(&PasskeyNamed { user });
    all.add(&PasswordChanged { user });
    all.add(&RecoveryCodeUsed { user, left: 9 });
    for user in [Some(user), None] {
        all.add(&ProviderRefused { connection: id(23), user, reason: "oidc.nonce" });
    }
    all.add(&IdentityLinked { user, connection: id(23), how: "created" });
    for connection in [Some(id(23)), None] {
        all.add(&ConnectionChanged { connection, what: "enabled" });
    }
    all.add(&BreakGlassNamed { user, named: true });
    all.add(&BreakGlassArmed { user, hours: 4 });
    all.add(&BreakGlassUsed { user, session });
    let (key, owner) = (id(50), user);
    for replaces in [Some(id(51)), None] {
        let (scope, expires) = (Token::lossy("tenant"), Timestamp::from_millis(1_795_378_500_125));
        all.add(&ApiKeyMade { key, owner, acts: 2, scope, expires, replaces });
    }
    all.add(&ApiKeyRevoked { key, owner });
    all.add(&ApiKeyRefused { key, owner, reason: "expired" });
    all.add(&ServiceAccountMade { user, answers: id(52) });
    let (request, role, scope) = (id(53), Token::lossy("support_manager"), Token::lossy("tenant"));
    all.add(&AccessRequested { request, user, role: role.clone(), scope: scope.clone(), hours: 8 });
    let until = Timestamp::from_millis(1_795_378_500_125);
    all.add(&AccessApproved { request, user, role: role.clone(), scope: scope.clone(), until });
    all.add(&AccessRefused { request, user });
    all.add(&AccessWithdrawn { request, user });
    all.add(&AccessEnded { request, user, role, scope, why: "expired" });
    all.add(&BreakGlassReviewed { user, session });
    all.add(&PersonExported { subject: Pseudonym::from_mac([0xaa; 16]), conversations: 2, lines: 14 });
    let subject = || Pseudonym::from_mac([0xaa; 16]);
    all.add(&PersonSignedIn { subject: subject(), session, connection: id(23) });
    all.add(&PersonSessionEnded { subject: subject(), session, why: "provider" });
    all.add(&AccessReviewExported { accounts: 12, format: Token::lossy("csv") });
    let (connection, entry) = (id(23), id(24));
    for connection in [Some(connection), None] {
        all.add(&UserEnabled { user, connection });
    }
    all.add(&DirectoryGroup { connection, entry, what: "changed", added: 2, removed: 1 });
    for user in [Some(user), None] {
        all.add(&DirectoryPerson { connection, entry, user, what: "made" });
        all.add(&DirectoryRefused { connection, user, reason: "last-owner" });
    }
}

fn bots(all: &mut Samples, bot: &BotName) {
    let release = id(12);
    all.add(&ReleaseMade { bot: bot.clone(), release, sha256: [0x11; 32], tests_passed: 40 });
    for previous in [Some(id(14)), None] {
        all.add(&ReleaseActivated { bot: bot.clone(), release, previous });
    }
    all.add(&ReleaseRefused { bot: bot.clone(), step: "test", findings: 2 });
    all.add(&BotSecretChanged { bot: bot.clone(), secret: Token::lossy("CRM_TOKEN"), change: "set" });
}

fn machine(all: &mut Samples) {
    let root = [0x22; 32];
    all.add(&CheckpointSigned { size: 1000, root });
    all.add(&AuditExported { leaves: 1000, root });
    all.add(&AuditVerified { leaves: 1000, checkpoints: 3, root });
    for index in [Some(17), None] {
        all.add(&AuditVerifyFailed { index, fault: "entry_hash" });
    }
    for key in [Some(id(30)), None] {
        all.add(&KeyRotated { kind: "tenant", key, version: 2, why: "schedule" });
        all.add(&KeyCreated { kind: "tenant", key, provider: Token::lossy("file-root") });
        all.add(&KeyRefused { kind: "data", key, reason: "commitment" });
    }
    custody(all);
    let methods =
        ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH", "PROPFIND"]
            .map(Method::named);
    for method in methods {
        let route = Token::lossy("/chat/v1/conversations/{id}/messages");
        all.add(&RequestRefused { limit: "address", route: route.clone(), method, count: 250 });
        let rules = Listed::one(Token::lossy("942100"));
        for passed in [false, true] {
            let (rules, route) = (rules.clone(), route.clone());
            let subject = None;
            all.add(&RequestBlocked {
                rules,
                score: 15,
                threshold: 5,
                route,
                method,
                subject,
                passed,
                count: 1,
            });
        }
        for passed in [false, true] {
            let (rules, route) = (Listed::one(Token::lossy("100910")), route.clone());
            all.add(&ResponseWithheld { rules, score: 4, threshold: 4, route, method, passed, count: 1 });
        }
        all.add(&SuspiciousText { rules, score: 5, route, method, count: 3 });
    }
    let signals = Listed::one(Token::lossy("rate"));
    all.add(&TrafficState { state: "elevated", signals });
    let block = Some(Pseudonym::from_mac([5; 16]));
    let agent = Some(Token::lossy("curl/8.1"));
    all.add(&TrafficLimited {
        dimension: "address",
        value: None,
        block,
        step: "throttle",
        why: "over-budget",
        seconds: 10,
    });
    all.add(&TrafficUnlimited { dimension: "agent", value: agent, block: None, seconds: 42 });
    all.add(&TrafficDecided { block: Pseudonym::from_mac([5; 16]), decision: "deny", seconds: 3600 });
    all.add(&ChallengeAnswered { accepted: 12, refused: 3, bits: 17 });
    backups(all);
    all.add(&ServiceStarted { role: "all", version: Token::lossy("0.1.0"), config_sha256: root });
    all.add(&ServiceStopped { role: "all", why: "signal" });
    all.add(&PostureWeak { check: Token::lossy("tls.certificate-age"), findings: 1 });
    all.add(&ConfigChanged { setting: Token::lossy("chat.masking"), config_sha256: root });
    all.add(&PolicyProposed { version: 1, policies_sha256: root, changes: 3 });
    all.add(&PolicyApproved { version: 1, policies_sha256: root });
    all.add(&PolicyRefused { version: 2 });
    all.add(&PolicyRolledBack { version: 3, restores: 0, policies_sha256: root });
    let role = Token::lossy("custom:night-desk/transcript.list/overview.read");
    all.add(&RoleDefined { role: role.clone(), holders: 0 });
    all.add(&RoleRetired { role, holders: 2 });
    mail(all);
}

fn mail(all: &mut Samples) {
    let (notice, user) = (id(60), id(20));
    all.add(&LetterSent { notice, user, kind: "password_changed" });
    for code in [Some(550), None] {
        all.add(&LetterGivenUp { notice, user, kind: "password_changed", tries: 12, code });
        all.add(&MailFailing { why: "refused", code });
    }
    all.add(&MailRestored { seconds: 1800 });
    all.add(&InvitationSent { to: Pseudonym::from_mac([0xbb; 16]) });
}

fn custody(all: &mut Samples) {
    let (request, provider) = (id(40), Token::lossy("file-root"));
    all.add(&KeyOverdue { kind: "tenant", version: 1, age_days: 100 });
    all.add(&KeyStateChanged { version: 1, from: "retiring", to: "disabled" });
    all.add(&KeyRequested { request, kind: "destroy", version: Some(1), provider: None });
    all.add(&KeyRequested { request, kind: "move", version: None, provider: Some(provider.clone()) });
    for version in [Some(1), None] {
        all.add(&KeyApproved { request, kind: "destroy", version });
        all.add(&KeyCancelled { request: Some(request), version });
    }
    let due = Timestamp::from_millis(1_795_378_500_000);
    all.add(&KeyDestructionScheduled { version: 1, due, why: "policy" });
    all.add(&KeyDestroyed { version: 1 });
    all.add(&KeyRewrapped { kind: "data", from: 1, to: 2, keys: 500 });
    all.add(&KeyMoved { version: 2, provider: provider.clone() });
    all.add(&RootUsed { operation: "unwrap", version: 2, times: 3, provider: provider.clone() });
    all.add(&RootFailed { operation: "unwrap", reason: "unavailable", times: 2, provider });
    all.add(&KeyRewrapPaused { paused: true });
    all.add(&KeyPolicyChanged {
        own: true,
        rotate_days_before: 90,
        rotate_days: 30,
        destroy_days: 30,
        rewrap_per_second: 0,
    });
}

fn backups(all: &mut Samples) {
    let (root, taken) = ([0x22; 32], Timestamp::from_millis(1_795_378_000_000));
    all.add(&BackupStarted { schema: 1 });
    all.add(&BackupCreated { sha256: root, bytes: 1 << 20, rows: 4096 });
    all.add(&BackupVerified { taken, rows: 4096, records: 2000 });
    for (replaced_leaves, replaced_root) in [(Some(900), Some(root)), (None, None)] {
        all.add(&BackupRestored { taken, rows: 4096, erasures: 1, replaced_leaves, replaced_root });
    }
    all.add(&SubjectErased { subject: Pseudonym::from_mac([0xaa; 16]), keys: 3, proof: root });
    let subject = Pseudonym::from_mac([0xaa; 16]);
    for (on, subject, conversation) in [
        ("everybody", None, None),
        ("person", Some(subject), None),
        ("conversation", Some(subject), Some(id(3))),
    ] {
        all.add(&HoldPlaced { hold: id(31), on, subject, conversation });
    }
    all.add(&HoldLifted { hold: id(31) });
}
