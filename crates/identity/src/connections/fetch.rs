//! The way to a provider. This room says what it needs of it; the house wires the one client that may
//! leave the machine.

use std::future::Future;
use std::pin::Pin;

use kernel::Secret;

/// What came back.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body, no larger than was asked for.
    pub body: Vec<u8>,
}

/// Why nothing came back. The words are for an administrator and hold no part of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address may not be called: it is not `https`, or leads into a network that is not for it.
    #[error("the address may not be called")]
    Forbidden,
    /// The provider does not answer, or not in time.
    #[error("the provider does not answer")]
    Unreachable,
    /// The provider's certificate is not one that is trusted.
    #[error("the provider's certificate is not trusted")]
    Untrusted,
    /// The answer is larger than was asked for.
    #[error("the provider's answer is too large")]
    TooLarge,
    /// The provider sends us elsewhere.
    #[error("the provider sends us elsewhere")]
    Redirected,
}

/// An exchange under way.
pub type Fetching<'f> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'f>>;

/// The way to a provider: `https` only, to addresses that may be called, without following a redirect,
/// bounded in time and in the size of an answer.
pub trait Fetch: Send + Sync {
    /// Fetches a document of at most `cap` bytes.
    fn get<'f>(&'f self, url: &'f str, bearer: Option<&'f Secret<String>>, cap: usize) -> Fetching<'f>;

    /// Posts a form (`application/x-www-form-urlencoded`), for an answer of at most `cap` bytes.
    fn post_form<'f>(
        &'f self,
        url: &'f str,
        form: &'f Secret<String>,
        authorization: Option<&'f Secret<String>>,
        cap: usize,
    ) -> Fetching<'f>;
}
