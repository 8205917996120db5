//! The token that opens one conversation: what a browser keeps instead of an account. It is a message
//! authentication code over what it opens, so checking it needs no look-up; it is good for half an
//! hour and for nothing else.
//!
//! A token that was given out to somebody who is signed in names their session. It is worth as much as the
//! session is: whoever takes it asks whether that still holds.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::Visitor;
use kernel::{ConversationId, Id, Secret, SessionId, SubjectId, TenantId, Timestamp};
use subtle::ConstantTimeEq;
use vault::{DataKey, VaultError};

/// What a token is good for.
pub const TOKEN_LIFE: Duration = Duration::from_secs(30 * 60);

const PREFIX: &str = "wct1_";
const LABEL: &str = "wardroom/1/conversation-token";
/// Conversation 16, subject 16, expiry 8.
const CLAIMS: usize = 40;

const SESSION_PREFIX: &str = "wct2_";
const SESSION_LABEL: &str = "wardroom/1/conversation-token-of-session";
/// The same, and session 16.
const SESSION_CLAIMS: usize = CLAIMS + 16;

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The person and the conversation.
    pub visitor: Visitor,
    /// The session that must still hold, when the token was given out in one.
    pub session: Option<SessionId>,
}

impl From<Visitor> for Holder {
    /// Somebody who is not signed in.
    fn from(visitor: Visitor) -> Self {
        Self { visitor, session: None }
    }
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is not a token of ours, or was changed.
    #[error("the conversation token is not valid")]
    False,
    /// It was good until then.
    #[error("the conversation token has expired")]
    Expired {
        /// Whose it was: it may still be exchanged for a new one for a while.
        holder: Holder,
        /// Since when.
        at: Timestamp,
    },
    /// The key that checks it cannot be used now.
    #[error("conversation tokens cannot be checked now")]
    Key,
}

/// Makes a token.
///
/// # Errors
/// When the key cannot be used.
pub fn mint(key: &DataKey, holder: &Holder, now: Timestamp) -> Result<Secret<String>, VaultError> {
    let Holder { visitor, session } = holder;
    let mut bytes = Vec::with_capacity(SESSION_CLAIMS + 32);
    bytes.extend_from_slice(&visitor.conversation.to_bytes());
    bytes.extend_from_slice(&visitor.subject.to_bytes());
    bytes.extend_from_slice(&now.after(TOKEN_LIFE).as_millis().to_be_bytes());
    let (prefix, label) = match session {
        Some(session) => {
            bytes.extend_from_slice(&session.to_bytes());
            (SESSION_PREFIX, SESSION_LABEL)
        }
        None => (PREFIX, LABEL),
    };
    let mac = mac(key, label, visitor.tenant, &bytes)?;
    bytes.extend_from_slice(&mac);
    Ok(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// Checks a token at the door of `tenant`. Whether its session holds is not looked at here.
///
/// # Errors
/// When it is false or expired.
pub fn check(key: &DataKey, tenant: TenantId, token: &str, now: Timestamp) -> Result<Holder, TokenRefused> {
    let (encoded, label, length) = match (token.strip_prefix(PREFIX), token.strip_prefix(SESSION_PREFIX)) {
        (Some(encoded), _) => (encoded, LABEL, CLAIMS),
        (None, Some(encoded)) => (encoded, SESSION_LABEL, SESSION_CLAIMS),
        (None, None) => return Err(TokenRefused::False),
    };
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenRefused::False)?;
    let (all, sent) = bytes.split_at_checked(length).ok_or(TokenRefused::False)?;
    let (claims, session) = all.split_first_chunk::<CLAIMS>().ok_or(TokenRefused::False)?;
    let ours = mac(key, label, tenant, all).map_err(|_| TokenRefused::Key)?;
    if !bool::from(ours.as_slice().ct_eq(sent)) {
        return Err(TokenRefused::False);
    }
    let [conversation, subject] =
        [0, 16].map(|at| claims.get(at..).and_then(|rest| rest.first_chunk::<16>()));
    let expiry = claims.last_chunk::<8>();
    let (Some(conversation), Some(subject), Some(expiry)) = (conversation, subject, expiry) else {
        return Err(TokenRefused::False);
    };
    let visitor = Visitor {
        tenant,
        subject: SubjectId::from_bytes(*subject),
        conversation: ConversationId::from_bytes(*conversation),
    };
    let session = session.first_chunk::<16>().map(|session| SessionId::from_bytes(*session));
    let (holder, at) = (Holder { visitor, session }, Timestamp::from_millis(u64::from_be_bytes(*expiry)));
    if now >= at { Err(TokenRefused::Expired { holder, at }) } else { Ok(holder) }
}

fn mac(key: &DataKey, label: &'static str, tenant: TenantId, claims: &[u8]) -> Result<[u8; 32], VaultError> {
    key.mac(label, &[&tenant.to_bytes(), claims].concat())
}
