//! The configuration: one `wardroom.toml`, read and checked whole before any port is opened. Unknown
//! keys are refused with the nearest valid name; secrets stand in it by reference only.

mod mail;
pub(crate) mod roots;
mod shared;

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
    /// Trusted proxies and access lists.
    pub(crate) edge: edge::AccessConfig,
    /// How much of what there may be.
    pub(crate) admission: edge::AdmissionConfig,
    /// What the web application firewall refuses, and by which rules.
    pub(crate) waf: edge::FirewallConfig,
    /// The store that several edges share.
    pub(crate) shared: shared::SharedStore,
    pub(crate) sign_in: SignIn,
    /// The relay that takes letters to staff.
    pub(crate) mail: mail::Mail,
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
    /// A file of breached passwords, in the form of "Pwned Passwords" ordered by hash. None of them can be
    /// chosen.
    pub(crate) breached_passwords: Option<PathBuf>,
    /// After how many days a password has to be changed. Without it, never.
    pub(crate) password_days: Option<u32>,
}

impl SignIn {
    fn check(&self) -> Result<(), ConfigError> {
        if self.password_days.is_some_and(|days| !(1..=3650).contains(&days)) {
            let message = "must be 1 to 3650 days".to_owned();
            return Err(ConfigError::Value { key: "sign_in.password_days", message });
        }
        Ok(())
    }
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
    /// A PEM file with authorities: only clients with a certificate of theirs reach this door at all.
    pub(crate) client_ca: Option<PathBuf>,
    /// A PEM file with these authorities' revocation lists.
    pub(crate) client_crl: Option<PathBuf>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9443)),
            origin: None,
            client_ca: None,
            client_crl: None,
        }
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

/// Where the root key is, and how keys are renewed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The root key's file; unset: `keys/root.key` in the data directory.
    pub(crate) root_file: Option<PathBuf>,
    /// A passphrase that the root key is derived from instead of a file.
    pub(crate) passphrase: Option<Reference>,
    /// The kind of provider; unset: what the settings above imply.
    pub(crate) provider: Option<roots::Provider>,
    /// The name of the systemd credential that holds the root key.
    pub(crate) credential: Option<String>,
    /// What the provider of the same name needs.
    pub(crate) pkcs11: Option<roots::Pkcs11>,
    /// What the provider of the same name needs.
    pub(crate) openbao: Option<roots::Openbao>,
    /// What the provider of the same name needs.
    #[serde(rename = "aws-kms")]
    pub(crate) aws_kms: Option<roots::AwsKms>,
    /// What the provider of the same name needs.
    #[serde(rename = "gcp-kms")]
    pub(crate) gcp_kms: Option<roots::GcpKms>,
    /// What the provider of the same name needs.
    #[serde(rename = "azure-key-vault")]
    pub(crate) azure_key_vault: Option<roots::AzureKeyVault>,
    /// The age in days at which a key is renewed; unset: 90.
    pub(crate) rotate_after_days: Option<u32>,
    /// The days that a version which wraps nothing any more waits for its end; unset: 30.
    pub(crate) destroy_after_days: Option<u32>,
    /// The most keys that are wrapped anew in a second; unset: no bound.
    pub(crate) rewrap_per_second: Option<u32>,
    /// The root key to move to (`wardroom keys move`), written as the one in use is.
    pub(crate) next: Option<Box<Keys>>,
}

impl Keys {
    /// The deployment's policy, for tenants that decided nothing.
    pub(crate) fn policy(&self) -> custody::KeyPolicy {
        let default = custody::KeyPolicy::default();
        custody::KeyPolicy {
            rotate_after_days: self.rotate_after_days.unwrap_or(default.rotate_after_days),
            destroy_after_days: self.destroy_after_days.unwrap_or(default.destroy_after_days),
            rewrap_per_second: self.rewrap_per_second.unwrap_or(default.rewrap_per_second),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, message: &str| Err(ConfigError::Value { key, message: message.to_owned() });
        self.check_root()?;
        if self.rotate_after_days.is_some_and(|days| !(1..=3650).contains(&days)) {
            return refuse("keys.rotate_after_days", "must be 1 to 3650 days");
        }
        if self.destroy_after_days.is_some_and(|days| !(7..=30).contains(&days)) {
            return refuse("keys.destroy_after_days", "must be 7 to 30 days");
        }
        let Some(next) = &self.next else { return Ok(()) };
        if next.next.is_some()
            || next.rotate_after_days.or(next.destroy_after_days).or(next.rewrap_per_second).is_some()
        {
            return refuse("keys.next", "names a root key and nothing else");
        }
        let root = Keys {
            rotate_after_days: None,
            destroy_after_days: None,
            rewrap_per_second: None,
            next: None,
            ..self.clone()
        };
        if **next == root {
            return refuse("keys.next", "is the root key that is in use");
        }
        next.check()
    }
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
#[serde(from = "Written", into = "Written")]
pub(crate) enum Reference {
    /// The value of an environment variable.
    Env(String),
    /// The content of a file, without the line end.
    File(PathBuf),
}

/// A reference as it is written. What stands in its place by mistake is a secret: no error repeats it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "a secret is never written here: put it into a file or a variable, and write `{ file = \"/path\" }` or `{ env = \"NAME\" }`"
)]
enum Written {
    Env(InVariable),
    File(InFile),
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct InVariable {
    env: String,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    file: PathBuf,
}

impl From<Written> for Reference {
    fn from(written: Written) -> Self {
        match written {
            Written::Env(InVariable { env }) => Self::Env(env),
            Written::File(InFile { file }) => Self::File(file),
        }
    }
}

impl From<Reference> for Written {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::Env(env) => Self::Env(InVariable { env }),
            Reference::File(file) => Self::File(InFile { file }),
        }
    }
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

    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::Parse { path: path.to_owned(), line, message: suggest(error.message()) }
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what contradicts itself. Files are not looked at.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
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
        if self.console.client_crl.is_some() && self.console.client_ca.is_none() {
            return refuse("console.client_crl", "needs `client_ca` beside it");
        }
        self.keys.check()?;
        self.sign_in.check()?;
        // Port 0 asks the system for any free port, so two zeros are two different ports.
        if self.public.listen == self.console.listen && self.public.listen.port() != 0 {
            return refuse("console.listen", "must be another address or port than `public.listen`");
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
        let at = |key| move |error: edge::EdgeError| ConfigError::Value { key, message: words(&error) };
        self.shared.check()?;
        self.mail.check()?;
        self.waf.check().map_err(at("waf"))?;
        self.edge.check().map_err(at("edge"))?;
        self.admission.check().map_err(at("admission"))
    }
}

/// An error and its causes in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn is_origin(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
    })
}

/// Says what is to be written where serde says only what cannot be read, and adds the nearest valid name
/// to its "unknown field" message.
fn suggest(message: &str) -> String {
    match message {
        "invalid socket address syntax" => {
            return "must be an address and a port, for example `127.0.0.1:8443`".to_owned();
        }
        "invalid IP address syntax" => {
            return "must be a block of addresses, for example `10.0.0.0/24` or `2001:db8::/32`".to_owned();
        }
        _ => {}
    }
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
    fn a_value_of_the_wrong_form_is_refused_with_the_right_one() {
        for (text, form) in [
            ("[public]\nlisten = \"8443\"\n", "`127.0.0.1:8443`"),
            ("[edge]\ntrusted_proxies = [\"ten\"]\n", "`10.0.0.0/24`"),
            ("[admission]\naddress = 5\n", "{ per_second = 10, burst = 60 }"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(form), "{refused}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse("[tls]\ncertificate = \"a\"\n").unwrap_err().contains("both"));
        assert!(parse("[console]\nlisten = \"0.0.0.0:8443\"\n").unwrap_err().contains("another address"));
        assert!(parse("[public]\norigin = \"http://a\"\n").unwrap_err().contains("https origin"));
    }

    #[test]
    fn the_edge_and_its_admission_are_set_by_name() {
        let config = parse(
            "[edge]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[[edge.access]]\ndoors = [\"staff\"]\nallow = [\"10.1.0.0/16\"]\n\
             [admission]\naddress = { per_second = 5, burst = 10 }\n",
        )
        .unwrap();
        assert_eq!(config.admission.address, edge::Rate::new(5.0, 10.0));
        assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config, "what is shown can be read");
        assert!(
            parse("[admission]\nadress = { per_second = 5, burst = 10 }\n")
                .unwrap_err()
                .contains("`address`")
        );
        assert!(parse("[edge]\ntrusted_proxies = [\"ten\"]\n").is_err());
        assert!(parse("[admission]\nconcurrency = 0\n").unwrap_err().contains("admission.concurrency"));
    }

    #[test]
    fn the_firewall_is_set_by_name() {
        let config = parse(
            "[waf]\nmode = \"observe\"\nparanoia = 2\nrules = [\"builtin\", \"/etc/wardroom/crs\"]\n\
             [[waf.exclusions]]\nids = [942100]\ntarget = \"ARGS:note\"\n[[waf.exclusions]]\ntag = \"php\"\n\
             [[waf.routes]]\npath = \"/docs/*\"\nmode = \"observe\"\nrules = [\"/etc/wardroom/docs.conf\"]\n\
             [[waf.routes]]\nbot = \"desk\"\ndoor = \"public\"\nparanoia = 3\nanswers = false\n\
             exclusions = [{ ids = [1] }]\n",
        )
        .unwrap();
        assert_eq!((config.waf.paranoia, config.waf.exclusions.len(), config.waf.routes.len()), (2, 2, 2));
        assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config, "what is shown can be read");
        for (text, words) in [
            ("paranoia = 5", "1 to 4"),
            ("rules = []", "names no rules"),
            ("modus = \"block\"", "`mode`"),
            ("exclusions = [{ target = \"ARGS\" }]", "must name rules"),
            ("routes = [{ mode = \"off\" }]", "a `path` or a `bot`"),
            ("routes = [{ path = \"/\", exclusions = [{ target = \"ARGS\" }] }]", "must name rules"),
            ("routes = [{ path = \"/\", paranoia = 9 }]", "1 to 4"),
            ("exclusions = [{ tag = \"php\", target = \"WEATHER\" }]", "not a variable"),
        ] {
            let refused = parse(&format!("[waf]\n{text}\n")).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn the_root_key_to_move_to_is_another_one_and_has_no_policy() {
        let config = parse("[keys.next]\nroot_file = \"/safe/root.key\"\n").unwrap();
        assert!(config.keys.next.is_some());
        assert!(parse("[keys.next]\n").unwrap_err().contains("in use"));
        let refused = parse("[keys.next]\nroot_file = \"a\"\nrotate_after_days = 9\n").unwrap_err();
        assert!(refused.contains("nothing else"), "{refused}");
        assert!(parse("[keys]\nrotate_after_days = 0\n").unwrap_err().contains("3650"));
        assert!(parse("[keys]\ndestroy_after_days = 3\n").unwrap_err().contains("7 to 30"));
    }

    #[test]
    fn a_secret_stands_by_reference_only_and_no_error_repeats_one() {
        for text in [
            "[database]\nurl = \"postgres://u:hunter2@h/d\"\n",
            "[database]\nurl = { file = \"/a\", hunter2 = \"b\" }\n",
            "[database]\nurl = { evn = \"hunter2\" }\n",
            "[mail]\nserver = \"relay\"\nfrom = \"w@e.org\"\nuser = \"w\"\npassword = \"hunter2\"\n",
            "[keys]\npassphrase = \"hunter2\"\n",
            "[shared]\nurl = \"redis://localhost\"\nsecret = \"hunter2\"\n",
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains("{ file = \"/path\" }"), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let config = parse("[database]\nurl = { env = \"DATABASE_URL\" }\n").unwrap();
        assert_eq!(config.database.url, Some(Reference::Env("DATABASE_URL".into())));
    }
}
