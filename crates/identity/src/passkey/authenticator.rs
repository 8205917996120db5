//! What an authenticator signs: the attestation object's CBOR and the authenticator data inside it
//! (W3C Web Authentication Level 3, sections 6.1 and 6.5).

use ciborium::Value;

use super::PasskeyError;

/// The parsed authenticator data.
#[derive(Debug)]
pub(super) struct AuthenticatorData {
    pub(super) rp_id_hash: [u8; 32],
    pub(super) user_present: bool,
    pub(super) user_verified: bool,
    pub(super) counter: u32,
    /// The new credential's id and its COSE key, at registration.
    pub(super) credential: Option<(Vec<u8>, Value)>,
}

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// More than any attestation object without a statement needs.
const MOST: usize = 16 * 1024;

/// The authenticator data of an attestation object. The statement in it is not read.
pub(super) fn from_attestation_object(object: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    let unreadable = PasskeyError::Encoding("attestation object");
    if object.len() > MOST {
        return Err(unreadable);
    }
    let mut rest = object;
    let Ok(Value::Map(map)) = ciborium::from_reader(&mut rest) else { return Err(unreadable) };
    let found = map.into_iter().find(|(key, _)| key.as_text() == Some("authData"));
    match found {
        Some((_, Value::Bytes(bytes))) if rest.is_empty() => Ok(bytes),
        _ => Err(unreadable),
    }
}

impl AuthenticatorData {
    /// Parses authenticator data; nothing may follow it.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, PasskeyError> {
        const UNREADABLE: PasskeyError = PasskeyError::Encoding("authenticator data");
        let (rp_id_hash, rest) = raw.split_first_chunk::<32>().ok_or(UNREADABLE)?;
        let (&flags, rest) = rest.split_first().ok_or(UNREADABLE)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(UNREADABLE)?;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (_aaguid, after) = rest.split_first_chunk::<16>().ok_or(UNREADABLE)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(UNREADABLE)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, mut after) = after.split_at_checked(length).ok_or(UNREADABLE)?;
            let key: Value = ciborium::from_reader(&mut after).map_err(|_| UNREADABLE)?;
            credential = Some((id.to_vec(), key));
            rest = after;
        }
        if flags & EXTENSIONS != 0 {
            // Read only to know where they end: none was asked for, none is used.
            let _: Value = ciborium::from_reader(&mut rest).map_err(|_| UNREADABLE)?;
        }
        if !rest.is_empty() {
            return Err(UNREADABLE);
        }
        Ok(Self {
            rp_id_hash: *rp_id_hash,
            user_present: flags & USER_PRESENT != 0,
            user_verified: flags & USER_VERIFIED != 0,
            counter: u32::from_be_bytes(*counter),
            credential,
        })
    }
}
