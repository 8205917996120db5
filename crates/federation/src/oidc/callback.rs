//! The answer that the browser brings back, and the code it holds (RFC 6749 section 4.1.2, RFC 9207).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use kernel::Secret;

use super::{Provider, Refusal, Ties};

/// The most bytes of an answer.
const MAX: usize = 16 * 1024;

/// An answer as it came: nothing of it is believed yet, but its state says which sign-in to look for.
#[derive(Debug)]
pub struct Answer {
    state: String,
    issuer: Option<String>,
    error: Option<String>,
    code: Option<Secret<String>>,
}

/// A code that answers this browser's question and comes from the provider that was asked.
#[derive(Debug)]
pub struct Code(pub(crate) Secret<String>);

impl Answer {
    /// Reads the query of an answer.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::CallbackTwice`], [`Refusal::State`] when there is none.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        if query.len() > MAX {
            return Err(Refusal::TooLarge);
        }
        let mut found = [const { None }; 4];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = ["state", "iss", "error", "code"].iter().position(|known| *known == name);
            let Some(slot) = place.and_then(|at| found.get_mut(at)) else { continue };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Refusal::CallbackTwice);
            }
        }
        let [state, issuer, error, code] = found;
        let state = state.filter(|state| !state.is_empty()).ok_or(Refusal::State)?;
        let code = code.filter(|code| !code.is_empty()).map(Secret::new);
        Ok(Self { state, issuer, error, code })
    }

    /// The state, to look the sign-in up by.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Holds the answer against the question.
    ///
    /// # Errors
    /// [`Refusal::State`], [`Refusal::CallbackIssuer`], [`Refusal::CallbackIssuerMissing`],
    /// [`Refusal::ProviderError`], [`Refusal::CodeMissing`].
    pub fn check(self, ties: &Ties, provider: &Provider) -> Result<Code, Refusal> {
        verify_slices_are_equal(self.state.as_bytes(), ties.state.as_bytes()).map_err(|_| Refusal::State)?;
        match &self.issuer {
            Some(issuer) if issuer == provider.issuer.as_str() => {}
            Some(_) => return Err(Refusal::CallbackIssuer),
            None if provider.names_itself => return Err(Refusal::CallbackIssuerMissing),
            None => {}
        }
        match (self.error, self.code) {
            (None, Some(code)) => Ok(Code(code)),
            (Some(_), None) => Err(Refusal::ProviderError),
            _ => Err(Refusal::CodeMissing),
        }
    }
}
