//! The token that opens one conversation: what a browser keeps instead of an account. It is a message
//! authentication code over what it opens, so checking it needs no look-up; it is good for half an
//! hour and for nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::Visitor;
use kernel::{ConversationId, Id, Secret, SubjectId, TenantId, Timestamp};
use subtle::ConstantTimeEq;
use vault::{DataKey, VaultError};

/// What a token is good for.
pub const TOKEN_LIFE: Duration = Duration::from_secs(30 * 60);

const PREFIX: &str = "wct1_";
const LABEL: &str = "wardroom/1/conversation-token";
/// Conversation 16, subject 16, expiry 8.
const CLAIMS: usize = 40;

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
        visitor: Visitor,
        /// Since when.
        at: Timestamp,
    },
    /// The key that checks it cannot be used now.
    #[error("conversation tokens cannot be checked now")]
    Key,
}

/// Makes a token for a visitor.
///
/// # Errors
/// When the key cannot be used.
pub fn mint(key: &DataKey, visitor: &Visitor, now: Timestamp) -> Result<Secret<String>, VaultError> {
    let mut bytes = Vec::with_capacity(CLAIMS + 32);
    bytes.extend_from_slice(&visitor.conversation.to_bytes());
    bytes.extend_from_slice(&visitor.subject.to_bytes());
    bytes.extend_from_slice(&now.after(TOKEN_LIFE).as_millis().to_be_bytes());
    let mac = mac(key, visitor.tenant, &bytes)?;
    bytes.extend_from_slice(&mac);
    Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// Checks a token at the door of `tenant`.
///
/// # Errors
/// When it is false or expired.
pub fn check(key: &DataKey, tenant: TenantId, token: &str, now: Timestamp) -> Result<Visitor, TokenRefused> {
    let encoded = token.strip_prefix(PREFIX).ok_or(TokenRefused::False)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenRefused::False)?;
    let (claims, sent) = bytes.split_first_chunk::<CLAIMS>().ok_or(TokenRefused::False)?;
    let ours = mac(key, tenant, claims).map_err(|_| TokenRefused::Key)?;
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
    let at = Timestamp::from_millis(u64::from_be_bytes(*expiry));
    if now >= at { Err(TokenRefused::Expired { visitor, at }) } else { Ok(visitor) }
}

fn mac(key: &DataKey, tenant: TenantId, claims: &[u8]) -> Result<[u8; 32], VaultError> {
    key.mac(LABEL, &[&tenant.to_bytes(), claims].concat())
}
