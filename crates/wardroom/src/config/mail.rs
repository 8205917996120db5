//! The relay that takes letters to staff: section `[mail]`.

use std::path::PathBuf;

use kernel::Secret;
use mail::{Credentials, Limits, MailError, Mailer, Security, Sender, Settings};
use outbound::Roots;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Reference};

/// A relay for SMTP submission, which the operator runs or rents. Nothing set: no letters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mail {
    /// Its name. Its certificate must hold it.
    pub(crate) server: Option<String>,
    /// Its port; unset: 465, or 587 with `security = "starttls"`.
    pub(crate) port: Option<u16>,
    /// How encryption begins; unset: `tls`, from the first byte.
    pub(crate) security: Option<Encryption>,
    /// Who Wardroom is there; unset: the relay asks for no password.
    pub(crate) user: Option<String>,
    /// With which password.
    pub(crate) password: Option<Reference>,
    /// Whom letters are from, for example `Wardroom <wardroom@example.org>`.
    pub(crate) from: Option<String>,
    /// A PEM file with the authority of the relay's certificate, if it is a private one.
    pub(crate) ca: Option<PathBuf>,
}

/// How encryption begins. There is no third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encryption {
    /// With the first byte.
    Tls,
    /// After STARTTLS, which the relay must offer.
    StartTls,
}

impl Mail {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, message: &str| Err(ConfigError::Value { key, message: message.to_owned() });
        if self.server.is_none() {
            return match *self == Self::default() {
                true => Ok(()),
                false => refuse("mail.server", "is missing: say which relay takes letters"),
            };
        }
        if self.from.is_none() {
            return refuse(
                "mail.from",
                "is missing: say whom letters are from, as `Wardroom <wardroom@example.org>`",
            );
        }
        if self.user.is_some() != self.password.is_some() {
            return refuse("mail.user", "needs `password` beside it, and the other way round");
        }
        if self.security == Some(Encryption::StartTls) && self.port == Some(465) {
            return refuse("mail.port", "465 is for `security = \"tls\"`; STARTTLS is mostly on 587");
        }
        // Fetched when it is needed, as every secret is.
        let stand_in = self.user.as_ref().map(|_| Secret::new("x".to_owned()));
        let message = |error: MailError| ConfigError::Value { key: "mail", message: super::words(&error) };
        self.settings(stand_in, Roots::Web).and_then(Mailer::new).map(|_| ()).map_err(message)
    }

    fn settings(&self, password: Option<Secret<String>>, roots: Roots) -> Result<Settings, MailError> {
        let security = match self.security.unwrap_or(Encryption::Tls) {
            Encryption::Tls => Security::Tls,
            Encryption::StartTls => Security::StartTls,
        };
        let usual = if security == Security::Tls { 465 } else { 587 };
        let credentials = match (&self.user, password) {
            (Some(user), Some(password)) => Some(Credentials::new(user, password)?),
            _ => None,
        };
        Ok(Settings {
            server: self.server.clone().unwrap_or_default(),
            port: self.port.unwrap_or(usual),
            security,
            credentials,
            from: Sender::parse(self.from.as_deref().unwrap_or_default())?,
            roots,
            limits: Limits::default(),
        })
    }

    /// The mailer, with its password and its authority fetched; none where no relay is named.
    pub(crate) fn mailer(&self) -> Result<Option<Mailer>, ConfigError> {
        if self.server.is_none() {
            return Ok(None);
        }
        let message = |error: MailError| ConfigError::Value { key: "mail", message: super::words(&error) };
        let roots = match &self.ca {
            None => Roots::Web,
            Some(file) => Roots::from_file(file)
                .map_err(|error| ConfigError::Value { key: "mail.ca", message: error.to_string() })?,
        };
        let password = self.password.as_ref().map(Reference::resolve).transpose()?;
        let settings = self.settings(password, roots).map_err(message)?;
        Mailer::new(settings).map(Some).map_err(message)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("wardroom.toml")).map_err(|error| error.to_string())
    }

    const RELAY: &str =
        "[mail]\nserver = \"relay.example.org\"\nfrom = \"Wardroom <wardroom@example.org>\"\n";

    #[test]
    fn a_relay_is_named_and_its_password_stands_elsewhere() {
        assert!(parse("").unwrap().mail.mailer().unwrap().is_none());
        let mailer = parse(RELAY).unwrap().mail.mailer().unwrap().unwrap();
        assert_eq!(mailer.server(), "relay.example.org:465");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hidden\n").unwrap();
        let more = format!(
            "security = \"starttls\"\nuser = \"wardroom\"\npassword = {{ file = {:?} }}\n",
            file.path()
        );
        let config = parse(&format!("{RELAY}{more}")).unwrap();
        let mailer = config.mail.mailer().unwrap().unwrap();
        assert_eq!(mailer.server(), "relay.example.org:587");
        let shown = toml::to_string(&config).unwrap();
        assert!(
            !format!("{shown}{mailer:?}").contains("hidden") && parse(&shown).unwrap() == config,
            "{shown}"
        );
        std::fs::remove_file(file.path()).unwrap();
        let refused = config.mail.mailer().unwrap_err().to_string();
        assert!(refused.contains("cannot be read"), "{refused}");
    }

    #[test]
    fn what_is_not_safe_or_not_whole_is_refused_before_a_port_opens() {
        for (text, words) in [
            ("[mail]\nport = 25\n", "say which relay"),
            ("[mail]\nserver = \"relay\"\n", "mail.from"),
            (&format!("{RELAY}user = \"a\"\n"), "needs `password`"),
            (&format!("{RELAY}password = {{ env = \"A\" }}\n"), "needs `password`"),
            (&format!("{RELAY}password = \"in the clear\"\nuser = \"a\"\n"), "wardroom.toml:4"),
            (&format!("{RELAY}security = \"none\"\n"), "starttls"),
            (&format!("{RELAY}security = \"starttls\"\nport = 465\n"), "587"),
            (&format!("{RELAY}port = 0\n"), "not a server"),
            (&format!("{RELAY}servr = \"a\"\n"), "did you mean `server`"),
            (&RELAY.replace("relay.example.org", "https://relay"), "not a server"),
            (&RELAY.replace("<wardroom@example.org>", "wardroom"), "is not like"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
        let missing = parse(&format!("{RELAY}ca = \"/nowhere/ca.pem\"\n")).unwrap();
        assert!(missing.mail.mailer().unwrap_err().to_string().contains("mail.ca"));
    }
}
