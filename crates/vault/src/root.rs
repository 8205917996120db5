//! A root key that is held in this process: what the file root and the passphrase root share.

use std::fmt;

use kernel::World;
use zeroize::Zeroizing;

use crate::key::{KeyBytes, ROOT_CHECK, WRAP};
use crate::provider::{ProviderError, WrapContext};
use crate::xaes::{NONCE, TAG, Xaes};

/// The first byte of what a local root wraps.
const VERSION: u8 = 1;
/// Bytes of a check value.
pub(crate) const CHECK: usize = 8;
/// `version | check 8 | nonce 24 | key 32 | tag 16`.
const BLOB: usize = 1 + CHECK + NONCE + 32 + TAG;

/// A root key, ready for use.
pub(crate) struct LocalRoot {
    wrap: Xaes,
    check: [u8; CHECK],
    world: World,
}

impl LocalRoot {
    pub(crate) fn new(root: &KeyBytes, world: World) -> Result<Self, ProviderError> {
        let derived = || {
            let wrap = Xaes::new(&root.derive(WRAP, "")?)?;
            Ok::<_, crate::VaultError>((wrap, root.derive(ROOT_CHECK, "")?.mac(b"")))
        };
        let (wrap, mac) = derived().map_err(|_| library())?;
        let (check, _) = mac.split_first_chunk::<CHECK>().ok_or_else(library)?;
        Ok(Self { wrap, check: *check, world })
    }

    /// The check value: it tells one root key from another and nothing about the key.
    pub(crate) fn check(&self) -> [u8; CHECK] {
        self.check
    }

    pub(crate) fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let nonce: [u8; NONCE] = self.world.bytes();
        let mut text = Zeroizing::new(*key.expose());
        let tag =
            self.wrap.seal(&nonce, &aad(&self.check, context), text.as_mut_slice()).map_err(|_| library())?;
        Ok([&[VERSION][..], &self.check, &nonce, text.as_slice(), &tag].concat())
    }

    pub(crate) fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let malformed = |why| ProviderError::Malformed { why };
        match blob.split_first() {
            Some((&VERSION, _)) if blob.len() == BLOB => {}
            Some((&VERSION, _)) | None => return Err(malformed("it is not 81 bytes long")),
            Some(_) => return Err(malformed("its version is not known to this build")),
        }
        let parts = blob.get(1..).and_then(|rest| {
            let (check, rest) = rest.split_first_chunk::<CHECK>()?;
            let (nonce, text) = rest.split_first_chunk::<NONCE>()?;
            Some((check, nonce, text))
        });
        let (check, nonce, text) = parts.ok_or_else(|| malformed("it is not 81 bytes long"))?;
        if *check != self.check {
            return Err(ProviderError::WrongRoot {
                ours: hex::encode(self.check),
                theirs: hex::encode(check),
            });
        }
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.wrap.open(nonce, &aad(check, context), &mut text).map_err(|_| library())?;
        KeyBytes::from_slice(opened.ok_or(ProviderError::Refused)?).ok_or(ProviderError::Refused)
    }
}

impl fmt::Debug for LocalRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalRoot({})", hex::encode(self.check))
    }
}

fn aad(check: &[u8; CHECK], context: &WrapContext) -> Vec<u8> {
    [b"wardroom/1/local-root\0".as_slice(), check, &context.aad()].concat()
}

fn library() -> ProviderError {
    ProviderError::Failed { why: "the cryptographic library failed".to_owned() }
}
