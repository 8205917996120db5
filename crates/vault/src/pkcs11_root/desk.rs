//! The thread at the token: it holds the session, logs in, and opens a new session when one is lost.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use kernel::World;
use zeroize::{Zeroize, Zeroizing};

use super::{Pkcs11Method, Pkcs11Settings};
use crate::KeyBytes;
use crate::key::WRAP;
use crate::provider::{ProviderError, WrapContext};
use crate::xaes::{NONCE, TAG, Xaes};

/// The first byte of what this provider wraps.
const VERSION: u8 = 1;
/// The second byte: how it was wrapped.
const GCM: u8 = 1;
const KEY_WRAP: u8 = 2;
const CHECK: usize = 8;
const IV: usize = 12;
/// A 32-byte key wrapped by RFC 3394.
const WRAPPED: usize = 40;

/// What the thread works with.
pub(super) struct Desk {
    settings: Pkcs11Settings,
    method: Option<Pkcs11Method>,
    world: World,
    open: Option<Open>,
    /// The token refused the PIN. Trying again would use up the attempts it allows.
    pin_refused: bool,
}

/// A session that is logged in, and the key in it.
struct Open {
    session: Session,
    key: ObjectHandle,
    check: [u8; CHECK],
    method: Pkcs11Method,
}

impl Desk {
    pub(super) fn new(settings: Pkcs11Settings, method: Option<Pkcs11Method>, world: World) -> Self {
        Self { settings, method, world, open: None, pin_refused: false }
    }

    /// Makes the key.
    pub(super) fn create(&mut self) -> Result<(), ProviderError> {
        let (session, _) = self.log_in(true)?;
        if !session.find_objects(&self.template()).map_err(refusal)?.is_empty() {
            return Err(self.not_usable("exists already; it is not made anew"));
        }
        let mut template = self.template();
        template.extend([
            Attribute::Id(self.world.bytes::<16>().to_vec()),
            Attribute::ValueLen(32.into()),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(true),
            Attribute::Unwrap(true),
        ]);
        session.generate_key(&Mechanism::AesKeyGen, &template).map_err(refusal)?;
        Ok(())
    }

    /// Looks whether session and key are still there; opens a session when there is none.
    pub(super) fn health(&mut self) -> Result<(), ProviderError> {
        let open = self.session()?;
        if open.is_alive() {
            return Ok(());
        }
        self.open = None;
        self.session().map(|_| ())
    }

    pub(super) fn wrap(&mut self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let (iv, carrier) = (self.world.bytes::<IV>(), KeyBytes::generate(&self.world));
        let nonce = self.world.bytes::<NONCE>();
        let open = self.session()?;
        let wrapped = match open.method {
            Pkcs11Method::AesGcm => open.gcm_wrap(iv, key, context),
            Pkcs11Method::AesKeyWrap => open.carry(&nonce, &carrier, key, context),
        };
        self.unless_lost(wrapped, refusal)
    }

    pub(super) fn unwrap(&mut self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let malformed = |why| ProviderError::Malformed { why };
        let parts = blob.split_first_chunk::<2>().and_then(|(head, rest)| {
            let (check, rest) = rest.split_first_chunk::<CHECK>()?;
            Some((head, check, rest))
        });
        let (head, check, rest) = parts.ok_or_else(|| malformed("it is too short"))?;
        let open = self.session()?;
        if *check != open.check {
            let (ours, theirs) = (hex::encode(open.check), hex::encode(check));
            return Err(ProviderError::WrongRoot { ours, theirs });
        }
        let unwrapped = match *head {
            [VERSION, GCM] if rest.len() == IV + 32 + TAG => open.gcm_unwrap(rest, context),
            [VERSION, KEY_WRAP] if rest.len() == WRAPPED + NONCE + 32 + TAG => open.uncarry(rest, context),
            [VERSION, GCM | KEY_WRAP] => return Err(malformed("its length is not that of its method")),
            _ => return Err(malformed("its version or method is not known to this build")),
        };
        // Tokens answer a wrong tag with errors of every kind, so the session tells what happened.
        self.unless_lost(unwrapped, |_| ProviderError::Refused)?.ok_or(ProviderError::Refused)
    }

    /// An error with the session still there is what `alive` makes of it; one that came with the loss
    /// of the session means that the token is out of reach, and the next request opens a new one.
    fn unless_lost<T>(
        &mut self,
        done: Result<T, Error>,
        alive: impl Fn(Error) -> ProviderError,
    ) -> Result<T, ProviderError> {
        done.map_err(|error| match &self.open {
            Some(open) if open.is_alive() => alive(error),
            _ => {
                self.open = None;
                ProviderError::Unavailable { why: error.to_string() }
            }
        })
    }

    fn session(&mut self) -> Result<&Open, ProviderError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        Ok(self.open.insert(open))
    }

    fn connect(&mut self) -> Result<Open, ProviderError> {
        let (session, methods) = self.log_in(false)?;
        let key = match session.find_objects(&self.template()).map_err(refusal)?.as_slice() {
            [key] => *key,
            [] => return Err(self.not_usable("is not there")),
            _ => return Err(self.not_usable("is there more than once; labels must be unique")),
        };
        let wanted = [AttributeType::Id, AttributeType::Sensitive, AttributeType::Extractable];
        let (mut id, mut sensitive, mut extractable) = (Vec::new(), false, true);
        for attribute in session.get_attributes(key, &wanted).map_err(refusal)? {
            match attribute {
                Attribute::Id(bytes) => id = bytes,
                Attribute::Sensitive(is) => sensitive = is,
                Attribute::Extractable(is) => extractable = is,
                _ => {}
            }
        }
        if !sensitive || extractable {
            return Err(self.not_usable("can be extracted from the token; make one that cannot"));
        }
        if id.is_empty() {
            return Err(self.not_usable("has no CKA_ID; give it one that no other key has"));
        }
        let method = self.method.or(methods).ok_or_else(|| {
            let why = "the token has neither AES-GCM nor AES key wrap".to_owned();
            ProviderError::Unsafe { why }
        })?;
        let mut check = [0; CHECK];
        for (to, from) in check.iter_mut().zip(digest::digest(&digest::SHA256, &id).as_ref()) {
            *to = *from;
        }
        Ok(Open { session, key, check, method })
    }

    /// A session of the user's, and what the token wraps with best.
    fn log_in(&mut self, write: bool) -> Result<(Session, Option<Pkcs11Method>), ProviderError> {
        if self.pin_refused {
            let why = "it refused the PIN; restart with the right one".to_owned();
            return Err(ProviderError::Denied { why });
        }
        let module = module(&self.settings.module)?;
        let slot = self.slot(&module)?;
        let mechanisms = module.get_mechanism_list(slot).map_err(refusal)?;
        let method = if mechanisms.contains(&MechanismType::AES_GCM) {
            Some(Pkcs11Method::AesGcm)
        } else if mechanisms.contains(&MechanismType::AES_KEY_WRAP) {
            Some(Pkcs11Method::AesKeyWrap)
        } else {
            None
        };
        let session = if write { module.open_rw_session(slot) } else { module.open_ro_session(slot) }
            .map_err(refusal)?;
        let pin = self.settings.pin.expose().clone().into();
        match session.login(UserType::User, Some(&pin)) {
            // One login holds for all of a process's sessions with a token.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok((session, method)),
            Err(error) => {
                self.pin_refused = matches!(
                    error,
                    Error::Pkcs11(
                        RvError::PinIncorrect
                            | RvError::PinInvalid
                            | RvError::PinLenRange
                            | RvError::PinExpired
                            | RvError::PinLocked,
                        _
                    )
                );
                Err(refusal(error))
            }
        }
    }

    fn slot(&self, module: &Pkcs11) -> Result<Slot, ProviderError> {
        let mut found = Vec::new();
        for slot in module.get_slots_with_initialized_token().map_err(refusal)? {
            if module.get_token_info(slot).map_err(refusal)?.label() == self.settings.token {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(ProviderError::Unavailable {
                why: format!("there is no token `{}`", self.settings.token),
            }),
            _ => Err(ProviderError::Unsafe {
                why: format!("there is more than one token `{}`", self.settings.token),
            }),
        }
    }

    /// What the key is found by.
    fn template(&self) -> Vec<Attribute> {
        let mut template = secret_key(true);
        template.push(Attribute::Label(self.settings.key.as_bytes().to_vec()));
        template
    }

    fn not_usable(&self, what: &str) -> ProviderError {
        let Pkcs11Settings { key, token, .. } = &self.settings;
        ProviderError::Unsafe { why: format!("the key `{key}` in the token `{token}` {what}") }
    }
}

impl Open {
    fn is_alive(&self) -> bool {
        self.session.get_attributes(self.key, &[AttributeType::Id]).is_ok_and(|found| !found.is_empty())
    }

    fn gcm_wrap(&self, mut iv: [u8; IV], key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, Error> {
        let aad = aad(&self.check, context);
        let params = GcmParams::new(&mut iv, &aad, 128.into())?;
        let wrapped = self.session.encrypt(&Mechanism::AesGcm(params), self.key, key.expose())?;
        // The IV is read after the call: some tokens write one of their own over it.
        Ok([&[VERSION, GCM][..], &self.check, &iv, &wrapped].concat())
    }

    fn gcm_unwrap(&self, wrapped: &[u8], context: &WrapContext) -> Result<Option<KeyBytes>, Error> {
        let Some((iv, text)) = wrapped.split_first_chunk::<IV>() else { return Ok(None) };
        let (mut iv, aad) = (*iv, aad(&self.check, context));
        let params = GcmParams::new(&mut iv, &aad, 128.into())?;
        let key = Zeroizing::new(self.session.decrypt(&Mechanism::AesGcm(params), self.key, text)?);
        Ok(KeyBytes::from_slice(&key))
    }

    /// RFC 3394 binds no context, so the token wraps a fresh carrier key, and that seals the key.
    fn carry(
        &self,
        nonce: &[u8; NONCE],
        carrier: &KeyBytes,
        key: &KeyBytes,
        context: &WrapContext,
    ) -> Result<Vec<u8>, Error> {
        let mut template = passing_key();
        template.push(Attribute::Value(carrier.expose().to_vec()));
        let object = self.session.create_object(&template);
        wipe(&mut template);
        let object = object?;
        let wrapped = self.session.wrap_key(&Mechanism::AesKeyWrap, self.key, object);
        self.session.destroy_object(object)?;
        let mut text = Zeroizing::new(*key.expose());
        let sealed = carrier.derive(WRAP, "").and_then(|carrier| {
            Xaes::new(&carrier)?.seal(nonce, &aad(&self.check, context), text.as_mut_slice())
        });
        let tag = sealed.map_err(|_| Error::InvalidValue)?;
        Ok([&[VERSION, KEY_WRAP][..], &self.check, &wrapped?, nonce, text.as_slice(), &tag].concat())
    }

    fn uncarry(&self, wrapped: &[u8], context: &WrapContext) -> Result<Option<KeyBytes>, Error> {
        let Some((carrier, sealed)) = wrapped.split_first_chunk::<WRAPPED>() else { return Ok(None) };
        let Some((nonce, text)) = sealed.split_first_chunk::<NONCE>() else { return Ok(None) };
        let object = self.session.unwrap_key(&Mechanism::AesKeyWrap, self.key, carrier, &passing_key())?;
        let value = self.session.get_attributes(object, &[AttributeType::Value]);
        self.session.destroy_object(object)?;
        let mut value = value?;
        let carrier = value.iter().find_map(|attribute| match attribute {
            Attribute::Value(bytes) => KeyBytes::from_slice(bytes),
            _ => None,
        });
        wipe(&mut value);
        let Some(carrier) = carrier else { return Ok(None) };
        let mut text = Zeroizing::new(text.to_vec());
        let carrier = carrier.derive(WRAP, "").and_then(|carrier| Xaes::new(&carrier));
        let carrier = carrier.map_err(|_| Error::InvalidValue)?;
        let opened = carrier.open(nonce, &aad(&self.check, context), &mut text);
        Ok(opened.map_err(|_| Error::InvalidValue)?.and_then(|key| KeyBytes::from_slice(key)))
    }
}

/// Every module that was loaded into this process, with its context. A module is initialized once: a
/// second `C_Initialize` while sessions are open is undefined behaviour in more than one of them.
static MODULES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

fn module(path: &Path) -> Result<Pkcs11, ProviderError> {
    let unusable =
        |why: String| ProviderError::Unsafe { why: format!("the module `{}` {why}", path.display()) };
    let path = path.canonicalize().map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, module)) = modules.iter().find(|(loaded, _)| *loaded == path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&path).map_err(|error| unusable(format!("cannot be loaded: {error}")))?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(refusal)?;
    modules.push((path, module.clone()));
    Ok(module)
}

fn secret_key(in_token: bool) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(in_token),
    ]
}

/// A key that only passes through the token, and is gone with the session at the latest.
fn passing_key() -> Vec<Attribute> {
    let mut template = secret_key(false);
    template.extend([Attribute::Private(true), Attribute::Sensitive(false), Attribute::Extractable(true)]);
    template
}

fn wipe(attributes: &mut [Attribute]) {
    for attribute in attributes {
        if let Attribute::Value(bytes) = attribute {
            bytes.zeroize();
        }
    }
}

fn aad(check: &[u8; CHECK], context: &WrapContext) -> Vec<u8> {
    [b"wardroom/1/pkcs11-root\0".as_slice(), check, &context.aad()].concat()
}

fn refusal(error: Error) -> ProviderError {
    let why = error.to_string();
    match error {
        Error::Pkcs11(
            RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
            | RvError::KeyFunctionNotPermitted
            | RvError::ActionProhibited,
            _,
        ) => ProviderError::Denied { why },
        Error::Pkcs11(
            RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::TemplateInconsistent,
            _,
        ) => ProviderError::Failed { why },
        _ => ProviderError::Unavailable { why },
    }
}
