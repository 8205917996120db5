//! The configuration: one `wardroom.toml`, read and checked whole before any port is opened. Unknown
//! keys are refused with the nearest valid name; secrets stand in it by reference only.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kernel::Secret;
use serde::{Deserialize, Serialize};

/// Everything an operator may set. Every field has a default that is safe.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) public: Public,
    pub(crate) console: Console,
    pub(crate) tls: Tls,
    pub(crate) database: Database,
    pub(crate) keys: Keys,
    pub(crate) bots: Bots,
    pub(crate) sign_in: SignIn,
}

/// How staff sign in through identity providers. Which providers there are is set up on the console.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignIn {
    /// The domains of e-mail addresses that are this enterprise's, vouched for by the operator.
    pub(crate) domains: Vec<String>,
    /// Providers in the operator's own network, as `https://host:port`. Without this only public ones
    /// are called.
    pub(crate) internal_providers: Vec<String>,
    /// A PEM file with the authority of providers' certificates, if it is a private one.
    pub(crate) provider_ca: Option<PathBuf>,
}

/// The door for the people who chat.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Public {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The origin that people's browsers see, for example `https://chat.example.org`.
    pub(crate) origin: Option<String>,
}

impl Default for Public {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 8443)), origin: None }
    }
}

/// The door for staff.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Console {
    /// Where it listens. Another address than the public one, so that another network can hold it.
    pub(crate) listen: SocketAddr,
    /// The origin that staff's browsers see. Passkeys are bound to its host name.
    pub(crate) origin: Option<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9443)), origin: None }
    }
}

/// Where the certificates come from. Nothing set: the local certificate authority.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// PEM file with the certificate chain; reloaded when it changes.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub(crate) key: Option<PathBuf>,
    /// Names beside `localhost` that the local authority's certificate shall carry.
    pub(crate) names: Vec<String>,
    /// Certificates from a public authority by RFC 8555.
    pub(crate) acme: Option<Acme>,
}

/// Certificates from a public authority.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acme {
    /// The directory's address.
    pub(crate) directory: String,
    /// The names to certify.
    pub(crate) domains: Vec<String>,
    /// Where the authority may write to, for example `mailto:ops@example.org`.
    pub(crate) contact: Option<String>,
    /// Whether the authority's terms of service are agreed to. Must be true.
    pub(crate) terms_agreed: bool,
    /// Where the http-01 answers and the redirect to https listen; unset: tls-alpn-01 is used.
    pub(crate) http_listen: Option<SocketAddr>,
    /// A PEM file with the authority of the directory's own certificate, if it is a private one.
    pub(crate) directory_ca: Option<PathBuf>,
}

/// Where the rows are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    /// `postgres://..` by reference; unset: SQLite in the data directory.
    pub(crate) url: Option<Reference>,
}

/// Where the root key is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The root key's file; unset: `keys/root.key` in the data directory.
    pub(crate) root_file: Option<PathBuf>,
    /// A passphrase that the root key is derived from instead of a file.
    pub(crate) passphrase: Option<Reference>,
}

/// Which bot answers by default.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bots {
    /// The bot of the page at `/`.
    pub(crate) default: kernel::BotName,
}

impl Default for Bots {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant, held by a test")]
        let default = kernel::BotName::new("front-desk").expect("a slug");
        Self { default }
    }
}

/// A secret by reference: the configuration file itself can be shown to anybody.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Reference {
    /// The value of an environment variable.
    Env(String),
    /// The content of a file, without the line end.
    File(PathBuf),
}

impl Reference {
    /// Fetches the secret.
    pub(crate) fn resolve(&self) -> Result<Secret<String>, ConfigError> {
        match self {
            Self::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| ConfigError::Secret(format!("the environment variable `{name}` is not set"))),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
                .map_err(|error| {
                    ConfigError::Secret(format!("`{}` cannot be read: {error}", path.display()))
                }),
        }
    }
}

/// Why the configuration was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {message}", path.display())]
    Parse { path: PathBuf, line: usize, message: String },
    #[error("a secret cannot be fetched: {0}")]
    Secret(String),
    #[error("`{key}`: {message}")]
    Value { key: &'static str, message: String },
}

impl Config {
    /// Reads `path`; when it was not named by the operator, a missing file means all defaults.
    pub(crate) fn read(path: &Path, named: bool) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => {
                return Ok(Self::default());
            }
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::Parse { path: path.to_owned(), line, message: suggest(error.message()) }
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, message: &str| Err(ConfigError::Value { key, message: message.to_owned() });
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return refuse("tls", "set both `certificate` and `key`, or neither");
        }
        if self.tls.certificate.is_some() && self.tls.acme.is_some() {
            return refuse("tls", "`certificate` and `acme` exclude each other");
        }
        if self.tls.acme.as_ref().is_some_and(|acme| acme.domains.is_empty()) {
            return refuse("tls.acme.domains", "name at least one domain");
        }
        if self.keys.root_file.is_some() && self.keys.passphrase.is_some() {
            return refuse("keys", "`root_file` and `passphrase` exclude each other");
        }
        // Port 0 asks the system for any free port, so two zeros are two different ports.
        if self.public.listen == self.console.listen && self.public.listen.port() != 0 {
            return refuse("console.listen", "must differ from `public.listen`");
        }
        for (key, origin) in
            [("public.origin", &self.public.origin), ("console.origin", &self.console.origin)]
        {
            if origin.as_deref().is_some_and(|origin| !is_origin(origin)) {
                return refuse(
                    key,
                    "must be an https origin without a path, for example https://chat.example.org",
                );
            }
        }
        Ok(())
    }
}

fn is_origin(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
    })
}

/// Adds the nearest valid name to serde's "unknown field" message.
fn suggest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next().filter(|_| message.starts_with("unknown ")) else {
        return message.to_owned();
    };
    let nearest = quoted.map(|valid| (distance(wrong, valid), valid)).min();
    match nearest {
        Some((distance, valid)) if distance <= 3 => format!("unknown key `{wrong}`; did you mean `{valid}`?"),
        _ => message.to_owned(),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (diagonal + usize::from(ca != *cb)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = here;
            left = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("wardroom.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.public.listen.port(), 8443);
        assert!(config.console.listen.ip().is_loopback());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name_and_its_line() {
        assert_eq!(
            parse("[public]\nlisten = \"0.0.0.0:1\"\norigni = \"x\"\n").unwrap_err(),
            "wardroom.toml:3: unknown key `origni`; did you mean `origin`?"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse("[tls]\ncertificate = \"a\"\n").unwrap_err().contains("both"));
        assert!(parse("[console]\nlisten = \"0.0.0.0:8443\"\n").unwrap_err().contains("differ"));
        assert!(parse("[public]\norigin = \"http://a\"\n").unwrap_err().contains("https origin"));
    }

    #[test]
    fn a_secret_stands_by_reference_only() {
        assert!(parse("[database]\nurl = \"postgres://u:p@h/d\"\n").is_err());
        let config = parse("[database]\nurl = { env = \"DATABASE_URL\" }\n").unwrap();
        assert_eq!(config.database.url, Some(Reference::Env("DATABASE_URL".into())));
    }
}
