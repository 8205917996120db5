//! Where the database is. An address is read whole before anything is opened: a PostgreSQL server on
//! another machine without TLS is refused here, not discovered by a reviewer.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kernel::Secret;

use crate::StoreError;

/// Where the database is: a file, or a server.
pub enum DbUrl {
    /// A SQLite file. It is made if it is missing; its folder must exist.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server, or one that speaks its protocol.
    Postgres {
        /// `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=verify-full&sslrootcert=FILE]`.
        /// TLS always verifies the server's name and its chain up to `sslrootcert`; it may be left
        /// out only for loopback addresses and local sockets.
        url: Secret<String>,
    },
}

impl DbUrl {
    /// A SQLite database at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite { path: path.into() }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { .. } => f.write_str("postgres:[redacted]"),
        }
    }
}

impl FromStr for DbUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(['?', '\0']) {
                return Err(StoreError::Address { why: "expected `sqlite:PATH` without options" });
            }
            return Ok(Self::sqlite(path));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            PostgresAddress::parse(text)?;
            return Ok(Self::Postgres { url: Secret::new(text.to_owned()) });
        }
        Err(StoreError::Address { why: "expected `sqlite:PATH` or `postgres://USER@HOST/DATABASE`" })
    }
}

/// A PostgreSQL address, taken apart.
#[derive(Debug)]
pub(crate) struct PostgresAddress {
    /// The client's configuration, with `ssl_mode` decided.
    pub(crate) config: postgres::Config,
    /// The certificates that may vouch for the server. None: no TLS, loopback only.
    pub(crate) root: Option<PathBuf>,
}

impl PostgresAddress {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(Path::new(value).to_owned()),
                _ => rest.push(pair),
            }
        }
        let rebuilt = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        // The parser's error may repeat a part of the address, and with it a password.
        let mut config: postgres::Config = rebuilt.parse().map_err(|_| StoreError::Address {
            why: "expected `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`",
        })?;
        let tls = match mode {
            Some("require" | "verify-full") => true,
            Some("disable") | None => false,
            Some(_) => {
                return Err(StoreError::Address { why: "`sslmode` must be `verify-full` or `disable`" });
            }
        };
        match (tls, &root) {
            (true, None) => {
                return Err(StoreError::Address { why: "`sslmode=verify-full` needs `sslrootcert=FILE`" });
            }
            (false, Some(_)) => {
                return Err(StoreError::Address { why: "`sslrootcert` needs `sslmode=verify-full`" });
            }
            (false, None) if !stays_on_this_machine(&config) => {
                return Err(StoreError::Address {
                    why: "a server on another machine needs `sslmode=verify-full&sslrootcert=FILE`",
                });
            }
            _ => {}
        }
        config.ssl_mode(if tls {
            postgres::config::SslMode::Require
        } else {
            postgres::config::SslMode::Disable
        });
        Ok(Self { config, root })
    }
}

fn stays_on_this_machine(config: &postgres::Config) -> bool {
    use postgres::config::Host;
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_without_verified_tls_is_refused() {
        for address in [
            "postgres://w@db.example/w",
            "postgres://w@10.0.0.7/w?sslmode=disable",
            "postgres://w@10.0.0.7/w?sslmode=prefer",
            "postgres://w@10.0.0.7/w?sslmode=verify-full",
            "postgres://w@localhost,10.0.0.7/w",
        ] {
            assert!(matches!(address.parse::<DbUrl>(), Err(StoreError::Address { .. })), "{address}");
        }
        for address in [
            "postgres://w@127.0.0.1:5432/w",
            "postgres://w@[::1]/w",
            "postgres://w@%2Frun%2Fpostgresql/w",
            "postgres://w@db.example/w?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ] {
            assert!(address.parse::<DbUrl>().is_ok(), "{address}");
        }
    }

    #[test]
    fn an_address_never_repeats_its_password() {
        let secret = "postgres://w:hunter2@10.0.0.7/w";
        assert!(!secret.parse::<DbUrl>().unwrap_err().to_string().contains("hunter2"));
        let fine: DbUrl = "postgres://w:hunter2@127.0.0.1/w".parse().unwrap();
        assert!(!format!("{fine:?}").contains("hunter2"));
    }

    #[test]
    fn other_schemes_and_options_of_sqlite_are_refused() {
        for address in ["", "mysql://x", "sqlite:", "sqlite:a.db?mode=memory", "a.db"] {
            assert!(address.parse::<DbUrl>().is_err(), "{address}");
        }
    }
}
