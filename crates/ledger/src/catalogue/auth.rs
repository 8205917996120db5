//! Who signs in, who may do what, and who was refused.

use kernel::{ConnectionId, DirectoryEntryId, InviteId, SessionId, UserId};

use super::{by_name, by_uid, events};
use crate::jcs::Json;
use crate::words::{Pseudonym, Token};

events! {
    /// A member of staff signed in.
    "AUTH-1001I" "login.succeeded" LoginSucceeded: Authentication 1, Info, Success, Security {
        /// Who.
        user: UserId,
        /// The session that began.
        session: SessionId,
        /// How: `password+totp`, `passkey`, `oidc`, `saml`, ...
        method: &'static str,
        /// Whether a second factor was asked for and given.
        mfa: bool,
    }
    shape |e| { "user": by_uid(e.user), "session": by_uid(e.session), "is_mfa": Json::Flag(e.mfa) };

    /// A sign-in was refused.
    "AUTH-1002W" "login.failed" LoginFailed: Authentication 1, Warning, Failure, Security {
        /// The account that was tried, when it exists.
        user: Option<UserId>,
        /// The login name that was typed.
        login: Pseudonym,
        /// Why: `password`, `factor`, `unknown`, `disabled`, `throttled`, `assertion`.
        reason: &'static str,
        /// How often in a row for this login name.
        attempt: u64,
    }
    shape |e| { "user": e.user.map_or_else(|| by_uid(e.login), by_uid), "status_detail": Json::text(e.reason) };

    /// A session ended.
    "AUTH-1003I" "session.ended" SessionEnded: Authentication 2, Info, Success, Security {
        /// Whose.
        user: UserId,
        /// The session.
        session: SessionId,
        /// Why: `logout`, `idle`, `expired`, `revoked`, `replaced`, `provider`.
        why: &'static str,
    }
    shape |e| { "user": by_uid(e.user), "session": by_uid(e.session) };

    /// A member of staff enrolled a factor.
    "AUTH-1004I" "factor.enrolled" FactorEnrolled: AccountChange 10, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// Which kind: `totp`, `passkey`, `recovery-codes`.
        factor: &'static str,
    }
    shape |e| { "user": by_uid(e.user) };

    /// Somebody was invited to the staff.
    "AUTH-1005I" "user.invited" UserInvited: AccountChange 1, Info, Success, Accountability {
        /// The account that the invitation makes.
        user: UserId,
        /// The invitation.
        invite: InviteId,
        /// The role that comes with it.
        role: Token,
    }
    shape |e| { "user": by_uid(e.user) };

    /// An invited person took up their account.
    "AUTH-1006I" "user.enrolled" UserEnrolled: AccountChange 2, Info, Success, Accountability {
        /// Who.
        user: UserId,
        /// The invitation; absent when a directory made the account.
        invite: Option<InviteId>,
    }
    shape |e| { "user": by_uid(e.user) };

    /// An account was disabled; its sessions end with it.
    "AUTH-1007I" "user.disabled" UserDisabled: AccountChange 5, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// How many sessions were ended.
        sessions_ended: u64,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A role was granted.
    "AUTH-1008I" "role.granted" RoleGranted: UserAccess 1, Info, Success, Accountability {
        /// To whom.
        user: UserId,
        /// The role.
        role: Token,
        /// Where it holds: `tenant`, or a bot.
        scope: Token,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(vec![Json::text(e.role.to_string())]) };

    /// A role was taken away.
    "AUTH-1009I" "role.revoked" RoleRevoked: UserAccess 2, Info, Success, Accountability {
        /// From whom.
        user: UserId,
        /// The role.
        role: Token,
        /// Where it held.
        scope: Token,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(vec![Json::text(e.role.to_string())]) };

    /// Somebody asked for what they may not do, and was refused.
    "AUTH-1010W" "access.denied" AccessDenied: Api 99, Warning, Failure, Security {
        /// The action.
        action: &'static str,
        /// What it would have been done to.
        resource: Token,
        /// The rule that forbade it, or `default` when none allowed it.
        rule: Token,
    }
    shape |e| {
        "resources": Json::List(vec![by_uid(&e.resource)]),
        "action_id": Json::whole(2),
        "policy": by_name(&e.rule),
        "status_detail": Json::text(e.action),
    };

    /// All factors of an account were reset by somebody else; its owner must enrol anew.
    "AUTH-1011I" "factors.reset" FactorsReset: AccountChange 11, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// How many factors were removed.
        removed: u64,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A recovery code stood in for a factor, and is spent.
    "AUTH-1012I" "recovery_code.used" RecoveryCodeUsed: Authentication 99, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// How many codes are left.
        left: u64,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A sign-in or a logout through a provider was refused. What the provider sent is not repeated.
    "AUTH-1013W" "provider.refused" ProviderRefused: Authentication 1, Warning, Failure, Security {
        /// The connection.
        connection: ConnectionId,
        /// The account, when it is known.
        user: Option<UserId>,
        /// Why: the stable code of the check that failed.
        reason: &'static str,
    }
    shape |e| {
        "user": e.user.map_or_else(|| by_uid(e.connection), by_uid),
        "status_detail": Json::text(e.reason),
    };

    /// A person of a provider and an account were linked: from now on the provider vouches for it.
    "AUTH-1014I" "identity.linked" IdentityLinked: AccountChange 99, Info, Success, Accountability {
        /// The account.
        user: UserId,
        /// The connection.
        connection: ConnectionId,
        /// How: `created` with the sign-in, or `address` because a proved domain's address is the same.
        how: &'static str,
    }
    shape |e| { "user": by_uid(e.user) };

    /// How people sign in was changed. What it was before and is now is the sealed detail, secrets left
    /// out.
    "AUTH-1015I" "connection.changed" ConnectionChanged: Api 3, Info, Success, Accountability {
        /// The connection; none when it is a rule for all.
        connection: Option<ConnectionId>,
        /// What: `made`, `settings`, `secret`, `domains`, `enabled`, `disabled`, `removed`, `only-connections`,
        /// `any-way`, `directory-token-made`, `directory-token-revoked`.
        what: &'static str,
    }
    shape |e| {
        "resources": Json::List(vec![by_uid(e.connection.map_or_else(|| "sign-in".to_owned(), |id| id.to_string()))]),
    };

    /// An account was named, or no longer is, that signs in with its own factors where all others sign in
    /// through a provider.
    "AUTH-1016I" "break_glass.named" BreakGlassNamed: AccountChange 99, Info, Success, Accountability {
        /// The account.
        user: UserId,
        /// Whether it is from now on.
        named: bool,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A break-glass account was armed for some hours, or disarmed. Look why.
    "AUTH-1062W" "break_glass.armed" BreakGlassArmed: AccountChange 99, Warning, Success, Accountability {
        /// The account.
        user: UserId,
        /// For how many hours; 0 when it was disarmed.
        hours: u32,
    }
    shape |e| { "user": by_uid(e.user) };

    /// Somebody signed in with their own factors although all others sign in through a provider. Look
    /// why.
    "AUTH-1017W" "break_glass.used" BreakGlassUsed: Authentication 1, Warning, Success, Accountability {
        /// The account.
        user: UserId,
        /// The session that began.
        session: SessionId,
    }
    shape |e| { "user": by_uid(e.user), "session": by_uid(e.session) };

    /// A member of staff removed a factor of theirs, or another took its place.
    "AUTH-1018I" "factor.removed" FactorRemoved: AccountChange 11, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// Which kind: `totp`, `passkey`, `recovery-codes`.
        factor: &'static str,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A member of staff gave a passkey of theirs another name.
    "AUTH-1019I" "passkey.named" PasskeyNamed: AccountChange 99, Info, Success, Accountability {
        /// Whose.
        user: UserId,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A member of staff changed their password.
    "AUTH-1020I" "password.changed" PasswordChanged: AccountChange 3, Info, Success, Accountability {
        /// Whose.
        user: UserId,
    }
    shape |e| { "user": by_uid(e.user) };

    /// An account that was disabled may sign in again, because the directory that had disabled it says so, or
    /// somebody here. What had ended with it stays ended.
    "AUTH-1030I" "user.enabled" UserEnabled: AccountChange 2, Info, Success, Accountability {
        /// Whose.
        user: UserId,
        /// The connection of the directory; none when somebody here enabled it.
        connection: Option<ConnectionId>,
    }
    shape |e| { "user": by_uid(e.user) };

    /// A directory described somebody: made, changed or deleted what is known of them.
    "AUTH-1031I" "directory.person" DirectoryPerson: AccountChange 99, Info, Success, Accountability {
        /// The connection of the directory.
        connection: ConnectionId,
        /// The person there.
        entry: DirectoryEntryId,
        /// The account here, if they have one.
        user: Option<UserId>,
        /// What: `made`, `changed`, `deleted`.
        what: &'static str,
    }
    shape |e| { "user": e.user.map_or_else(|| by_uid(e.entry), by_uid) };

    /// A directory made, changed or deleted a group, or who is in it.
    "AUTH-1032I" "directory.group" DirectoryGroup: Api 3, Info, Success, Accountability {
        /// The connection of the directory.
        connection: ConnectionId,
        /// The group there.
        entry: DirectoryEntryId,
        /// What: `made`, `changed`, `deleted`.
        what: &'static str,
        /// How many people came into it.
        added: u64,
        /// How many left it.
        removed: u64,
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.entry)]) };

    /// Something that a directory asked for was not done. Look whether it should be done by hand.
    "AUTH-1033W" "directory.refused" DirectoryRefused: AccountChange 99, Warning, Failure, Security {
        /// The connection of the directory.
        connection: ConnectionId,
        /// The account that it is about, when it is about one.
        user: Option<UserId>,
        /// Why: `last-owner`, `nobody-left`, `roles-conflict`, `token-ended`, `connection-off`,
        /// `connection-not-for-staff`.
        reason: &'static str,
    }
    shape |e| {
        "user": e.user.map_or_else(|| by_uid(e.connection), by_uid),
        "status_detail": Json::text(e.reason),
    };
}
