//! The mailer: one relay, how it is reached, and who we are there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kernel::Secret;
use outbound::{Dialer, Line, Origin, Roots, Target};
use tokio::sync::Semaphore;

use crate::session::Talk;
use crate::{Letter, MailError, Receipt, Sender, Session, Words};

/// The most connections to the relay at once.
const CONNECTIONS: usize = 2;

/// How encryption begins. There is no mode without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// With the first byte; usually on port 465 (RFC 8314).
    Tls,
    /// After STARTTLS, which the relay must offer; usually on port 587 (RFC 3207).
    StartTls,
}

/// Who we are at the relay.
pub struct Credentials {
    user: String,
    password: Secret<String>,
}

impl Credentials {
    /// These.
    ///
    /// # Errors
    /// When one is empty or holds a NUL, which the protocol has no place for.
    pub fn new(user: &str, password: Secret<String>) -> Result<Self, MailError> {
        let unusable = |text: &str| text.is_empty() || text.contains('\0');
        if unusable(user) || unusable(password.expose()) {
            return Err(MailError::Settings {
                why: "`user` or `password` is empty, or holds a NUL".to_owned(),
            });
        }
        Ok(Self { user: user.to_owned(), password })
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &Secret<String> {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

/// How long the relay may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For looking up its name, for connecting and for encryption, each.
    pub connect: Duration,
    /// For an answer, each.
    pub answer: Duration,
}

impl Default for Limits {
    /// 10 seconds, 60 seconds.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60) }
    }
}

/// What a mailer is made of.
#[derive(Debug)]
pub struct Settings {
    /// The relay's name or address. Its certificate must name it.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How encryption begins.
    pub security: Security,
    /// Who we are there; none at a relay that knows us by our address.
    pub credentials: Option<Credentials>,
    /// Whom letters are from.
    pub from: Sender,
    /// Who may vouch for the relay.
    pub roots: Roots,
    /// How long it may take.
    pub limits: Limits,
}

/// What is going on, for whoever tries the relay out.
#[derive(Debug, Clone)]
pub enum Told {
    /// The relay's name leads here.
    Resolved(Vec<IpAddr>),
    /// The connection is to this address.
    Connected(SocketAddr),
    /// The relay greeted, in these words.
    Greeted(Words),
    /// The line is encrypted and the relay's name verified; how.
    Encrypted(String),
    /// We are signed in, by this mechanism.
    SignedIn(&'static str),
}

/// Hands letters over to one relay. Cloning it shares the bound on connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    dialer: Dialer,
    security: Security,
    credentials: Option<Arc<Credentials>>,
    from: Sender,
    limits: Limits,
    turns: Arc<Semaphore>,
}

impl Mailer {
    /// A mailer for this relay.
    ///
    /// # Errors
    /// When the relay cannot be one, or an authority cannot be used.
    pub fn new(settings: Settings) -> Result<Self, MailError> {
        let Settings { server, port, security, credentials, from, roots, limits } = settings;
        // The operator named it, and a relay mostly stands in the operator's own network.
        let target = Target::internal(Origin::at(&server, port)?);
        Ok(Self {
            dialer: Dialer::new(target, &roots, limits.connect)?,
            security,
            credentials: credentials.map(Arc::new),
            from,
            limits,
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    /// The relay as `host:port`.
    pub fn server(&self) -> String {
        self.dialer.server()
    }

    /// Opens a session, and signs in where there is something to sign in with. Waits while as many are open
    /// as may be.
    ///
    /// # Errors
    /// When the relay cannot be reached, is not to be trusted, or does not let us in.
    pub async fn open(&self) -> Result<Session, MailError> {
        self.open_telling(&mut |_| {}).await
    }

    /// The same, telling each step as it is taken.
    ///
    /// # Errors
    /// As [`Mailer::open`].
    pub async fn open_telling(&self, tell: &mut (dyn FnMut(Told) + Send)) -> Result<Session, MailError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| MailError::Unwritable)?;
        let addresses = self.dialer.resolve().await?;
        tell(Told::Resolved(addresses.list()));
        let plain = self.dialer.connect(&addresses).await?;
        let me = plain.local();
        tell(Told::Connected(plain.peer()));
        let mut talk = match self.security {
            Security::Tls => {
                let mut talk = self.talk(self.dialer.secure(plain).await?);
                tell(Told::Greeted(talk.greeting().await?.words()));
                talk
            }
            Security::StartTls => {
                let mut talk = Talk::new(plain, self.server(), self.limits.answer);
                tell(Told::Greeted(talk.greeting().await?.words()));
                let offers = talk.hello(me).await?;
                self.talk(self.dialer.secure(talk.start_tls(&offers).await?).await?)
            }
        };
        let offers = talk.hello(me).await?;
        let mut session = Session::new(talk, offers, self.from.clone(), turn);
        tell(Told::Encrypted(session.line().agreed()));
        if let Some(credentials) = &self.credentials {
            tell(Told::SignedIn(session.sign_in(credentials).await?));
        }
        Ok(session)
    }

    /// Hands one letter over, in a session of its own.
    ///
    /// # Errors
    /// As [`Mailer::open`] and [`Session::send`].
    pub async fn send(&self, letter: &Letter) -> Result<Receipt, MailError> {
        let mut session = self.open().await?;
        let receipt = session.send(letter).await;
        session.end().await;
        receipt
    }

    fn talk(&self, line: Line) -> Talk<Line> {
        Talk::new(line, self.server(), self.limits.answer)
    }
}
