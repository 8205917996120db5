//! Rows about who may do what beside roles: keys of programs, roles made of actions, policies, roles for a
//! while, and the people whom a site vouches for.

use std::time::Duration;

use kernel::{SessionId, UserId};
use store::{access_requests, api_keys, notices, params, policies};
use vault::{Place, Purpose};

use crate::house::House;

impl House {
    pub(crate) async fn powers(&self, session: SessionId) {
        let (tenant, user, subject) = (self.tenant, self.user, self.subject);
        let (now, late) = (self.world.now(), self.world.now().after(Duration::from_secs(86_400)));
        let (staff, set) = (self.key(Purpose::Identity).await, self.key(Purpose::Settings).await);
        let (words, hash, blind) = (b"what nobody may read".to_vec(), [13u8; 32], [13u8; 16]);
        let seal = |place: Place| staff.seal(&place, &words).unwrap().as_bytes().to_vec();
        let set = |place: Place| set.seal(&place, &words).unwrap().as_bytes().to_vec();
        let other: UserId = self.world.id();

        self.run(
            "INSERT INTO service_accounts (tenant, user_id, answers, made_ms, made_by) VALUES ($1, $2, $3, $4, $5)",
            params![tenant, user, user, now, other],
        )
        .await;
        let key = self.world.id();
        self.run(
            "INSERT INTO api_keys (tenant, id, owner, secret_hash, tag, line, acts, scope, key_gen, name, sources,
                                   made_ms, made_by, expires_ms, used_ms, revoked_ms)
             VALUES ($1, $2, $3, $4, '0badcafe', $2, 'bot.read', 'tenant', 1, $5, $6, $7, $8, $9, $7, $9)",
            params![
                tenant,
                key,
                user,
                hash,
                seal(api_keys::name_place(tenant, key)),
                seal(api_keys::sources_place(tenant, key)),
                now,
                other,
                late
            ],
        )
        .await;
        let notice = self.world.id();
        self.run(
            "INSERT INTO notices (tenant, id, user_id, kind, hand, at_ms, key_gen, particulars, seen_ms, mailed_ms, tries,
                                  next_ms)
             VALUES ($1, $2, $3, 'factor_added', 'oneself', $4, 1, $5, $4, $4, 2, $6)",
            params![tenant, notice, user, now, seal(notices::particulars_place(tenant, notice)), late],
        )
        .await;
        let request = self.world.id();
        self.run(
            "INSERT INTO access_requests (tenant, id, user_id, role, scope, hours, key_gen, reason, state, asked_ms,
                                          asked_by, expires_ms, decided_ms, decided_by, until_ms)
             VALUES ($1, $2, $3, 'auditor', 'tenant', 8, 1, $4, 'approved', $5, $3, $6, $5, $7, $6)",
            params![
                tenant,
                request,
                user,
                seal(access_requests::reason_place(tenant, request)),
                now,
                late,
                other
            ],
        )
        .await;
        self.run(
            "INSERT INTO break_glass_uses (tenant, session, user_id, used_ms, due_ms, reviewed_ms, reviewed_by, key_gen,
                                           finding)
             VALUES ($1, $2, $3, $4, $5, $4, $6, 1, $7)",
            params![
                tenant,
                session,
                user,
                now,
                late,
                other,
                seal(access_requests::finding_place(tenant, session))
            ],
        )
        .await;
        self.run(
            "INSERT INTO custom_roles (tenant, name, role, made_by, made_ms)
             VALUES ($1, 'tuner', 'custom:tuner/bot.read', $2, $3)",
            params![tenant, other, now],
        )
        .await;
        let version = self.world.id();
        self.run(
            "INSERT INTO policy_versions (tenant, version, id, state, digest, key_gen, files, reason, restores,
                                          proposed_by, proposed_ms, expires_ms, decided_by, decided_ms)
             VALUES ($1, 1, $2, 'in-force', $3, 1, $4, $5, 0, $6, $7, $8, $6, $7)",
            params![
                tenant,
                version,
                hash,
                set(policies::files_place(tenant, version)),
                set(policies::reason_place(tenant, version)),
                other,
                now,
                late
            ],
        )
        .await;
        self.run(
            "INSERT INTO decision_shapes (tenant, digest, shape, allowed, rule, times, first_ms, last_ms)
             VALUES ($1, $2, 'owner bot.read', 1, 'owner.bots', 3, $3, $3)",
            params![tenant, hash, now],
        )
        .await;
        self.run(
            "INSERT INTO end_users (tenant, person_blind, subject, bot, made_ms, seen_ms)
             VALUES ($1, $2, $3, 'desk', $4, $4)",
            params![tenant, blind, subject, now],
        )
        .await;
    }
}
