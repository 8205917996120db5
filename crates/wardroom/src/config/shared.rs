//! The store that several edges share: section `[shared]`.

use std::path::PathBuf;
use std::time::Duration;

use kernel::Secret;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Reference};

/// A Valkey or Redis in which edges have their budgets and denials in common.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SharedStore {
    /// `rediss://..`, by reference when it holds a password; unset: every edge limits alone.
    pub(crate) url: Option<Url>,
    /// What all edges know and the store does not.
    pub(crate) secret: Option<Reference>,
    /// A PEM file with the authority of the store's certificate, if it is a private one.
    pub(crate) ca: Option<PathBuf>,
    /// Whether the store may be on another machine without TLS.
    pub(crate) cleartext: bool,
    /// The beginning of every name in the store; unset: `wardroom`.
    pub(crate) name: Option<String>,
    /// How long a request waits for the store at most; unset: 25.
    pub(crate) timeout_ms: Option<u64>,
}

/// An address that holds no password, or a reference to one that does.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected an address, or a reference such as { env = \"SHARED_URL\" }")]
pub(crate) enum Url {
    /// As it is.
    Plain(String),
    /// Elsewhere.
    Reference(Reference),
}

impl SharedStore {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, message: &str| Err(ConfigError::Value { key, message: message.to_owned() });
        match &self.url {
            None if *self == Self::default() => Ok(()),
            None => refuse("shared.url", "is missing: say where the store is"),
            Some(Url::Plain(url)) if url.contains('@') => {
                refuse("shared.url", "holds a password: put it into a file or a variable and name that")
            }
            Some(Url::Plain(url)) => self.with(Secret::new(url.clone()), None),
            // Fetched when it is needed, as every secret is.
            Some(Url::Reference(_)) => self.with(Secret::new("redis://localhost".to_owned()), None),
        }
    }

    fn with(&self, url: Secret<String>, secret: Option<Secret<String>>) -> Result<(), ConfigError> {
        let message =
            |error: edge::EdgeError| ConfigError::Value { key: "shared", message: super::words(&error) };
        self.settings(url, secret).check().map_err(message)
    }

    fn settings(&self, url: Secret<String>, secret: Option<Secret<String>>) -> edge::SharedConfig {
        edge::SharedConfig {
            url,
            secret,
            ca: self.ca.clone(),
            cleartext: self.cleartext,
            name: self.name.clone().unwrap_or_else(|| "wardroom".to_owned()),
            timeout: Duration::from_millis(self.timeout_ms.unwrap_or(25)),
        }
    }

    /// What the edge needs, with its secrets; none where edges share nothing.
    pub(crate) fn fetched(&self) -> Result<Option<edge::SharedConfig>, ConfigError> {
        let url = match &self.url {
            None => return Ok(None),
            Some(Url::Plain(url)) => Secret::new(url.clone()),
            Some(Url::Reference(reference)) => reference.resolve()?,
        };
        let secret = self.secret.as_ref().map(Reference::resolve).transpose()?;
        Ok(Some(self.settings(url, secret)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("wardroom.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_store_is_named_by_its_address_and_its_secrets_by_reference() {
        assert!(parse("").unwrap().shared.fetched().unwrap().is_none());
        let config = parse("[shared]\nurl = \"redis://127.0.0.1:6379\"\n").unwrap();
        let settings = config.shared.fetched().unwrap().unwrap();
        assert_eq!((settings.name.as_str(), settings.timeout.as_millis()), ("wardroom", 25));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "rediss://:hidden@store.example/2\n").unwrap();
        let text = format!("[shared]\nurl = {{ file = {:?} }}\ntimeout_ms = 5\n", file.path());
        let config = parse(&text).unwrap();
        assert!(config.shared.fetched().unwrap().unwrap().check().is_ok());
        let shown = toml::to_string(&config).unwrap();
        assert!(!shown.contains("hidden") && parse(&shown).unwrap() == config, "{shown}");
    }

    #[test]
    fn what_is_not_safe_is_refused_before_a_port_opens() {
        for (text, words) in [
            ("url = \"rediss://:hidden@store\"", "holds a password"),
            ("url = \"redis://store.example\"", "another machine"),
            ("url = \"http://localhost\"", "must be like"),
            ("url = 7", "expected an address"),
            ("timeout_ms = 5", "say where"),
            ("url = \"redis://localhost\"\ntimeout_ms = 0", "1 to 1000"),
            ("urll = \"redis://localhost\"", "did you mean `url`"),
        ] {
            let refused = parse(&format!("[shared]\n{text}\n")).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
