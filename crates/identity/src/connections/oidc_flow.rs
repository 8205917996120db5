//! Coming back from a provider that speaks OpenID Connect.

use federation::groups::Groups;
use federation::oidc::{
    Answer, Expected, IdToken, Issuer, Refusal, SKEW, Tokens, Trail, UserInfo, as_received,
};
use kernel::{ConnectionId, DisplayName, Email, Secret};
use serde_json::Value;
use store::Via;

use super::begin::{For, OidcAsked, redirect};
use super::providers::Published;
use super::reason::{Failure, Objection};
use super::settings::{OidcSettings, Provider};
use super::told::{GroupsTold, Told};
use super::trial::Seen;
use super::{Access, Opened};
use crate::sign_in::ABSOLUTE;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, SignedIn};
use doors::cookie::SessionSecret;

/// What came of coming back.
#[derive(Debug)]
pub enum Finished {
    /// A session began.
    SignedIn {
        /// What the browser is to keep.
        signed_in: SignedIn,
        /// The page to go to.
        next: String,
        /// Whether a factor of our own is still needed, because the provider proves only one.
        factor_missing: bool,
    },
    /// A session goes on, with a fresh proof.
    SteppedUp {
        /// The session's new secret.
        secret: SessionSecret,
        /// The page to go to.
        next: String,
    },
    /// A trial is over.
    Tried {
        /// The connection.
        connection: ConnectionId,
        /// Where its outcome is kept for a while; for the cookie.
        ceremony: CeremonyId,
    },
}

impl Identity {
    /// Takes an answer that the browser brings back: its query as it came, and the cookie of the
    /// ceremony. `of` is the connection that the answer's address names, if it names one. The ceremony
    /// is over whatever the answer is.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`], [`Refused::Provider`] whatever else is wrong.
    pub async fn oidc_answer(
        &self,
        ceremony: &CeremonyId,
        query: &str,
        of: Option<ConnectionId>,
        via: &Via,
    ) -> Result<Finished, IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let OidcAsked { connection, ties, wish } = inner.take::<OidcAsked>(ceremony).await?;
        let opened = inner.opened(connection).await?;
        let Provider::Oidc(oidc) = opened.settings.provider.clone() else {
            return Err(Refused::NoConnection.into());
        };
        let mut seen = Seen::default();
        let elsewhere = of.is_some_and(|of| of != connection);
        let told = match elsewhere {
            true => Err(Refusal::State.into()),
            false => {
                let redirect = redirect(&access.origin, connection, &oidc);
                let exchange = Exchange {
                    inner,
                    access,
                    opened: &opened,
                    oidc: &oidc,
                    ties: &ties,
                    redirect: &redirect,
                };
                exchange.run(query, &mut seen).await?
            }
        };
        inner.conclude(&opened, wish, told, seen, via).await
    }
}

impl Inner {
    /// What follows from what was told, or from its having been refused.
    pub(crate) async fn conclude(
        &self,
        opened: &Opened,
        wish: For,
        told: Result<Told, Failure>,
        seen: Seen,
        via: &Via,
    ) -> Result<Finished, IdentityError> {
        if let For::Trial { user } = wish {
            let ceremony = self.file_trial(opened, user, told, seen, via).await?;
            return Ok(Finished::Tried { connection: opened.row.id, ceremony });
        }
        let told = match told {
            Ok(told) => told,
            Err(failure) => self.objected::<Told>(opened, None, failure, via).await?.map_err(refused)?,
        };
        if !opened.settings.serves.staff() {
            self.objected::<()>(opened, None, Objection::NotForStaff, via).await?.map_err(refused)?;
        }
        match wish {
            For::StepUp { session, user, next } => {
                let secret = self.step_up_through(opened, &told, session, user, via).await?;
                Ok(Finished::SteppedUp { secret: secret.map_err(refused)?, next })
            }
            For::SignIn { next } => {
                let signed_in = self.let_in(opened, &told, via).await?.map_err(refused)?;
                Ok(Finished::SignedIn { signed_in, next, factor_missing: told.level < 2 })
            }
            For::Trial { .. } => Err(Refused::CeremonyOver.into()),
        }
    }
}

/// Whatever it was: the reason is recorded, and whoever signs in hears one sentence.
pub(crate) fn refused(failure: Failure) -> IdentityError {
    tracing::info!(reason = failure.code(), "a sign-in through a provider was refused");
    Refused::Provider.into()
}

/// One exchange with a provider.
pub(crate) struct Exchange<'e> {
    pub(crate) inner: &'e Inner,
    pub(crate) access: &'e Access,
    pub(crate) opened: &'e Opened,
    pub(crate) oidc: &'e OidcSettings,
    pub(crate) ties: &'e federation::oidc::Ties,
    /// Where the provider was told to answer to.
    pub(crate) redirect: &'e str,
}

impl Exchange<'_> {
    /// From the answer to what was told.
    pub(crate) async fn run(
        &self,
        query: &str,
        seen: &mut Seen,
    ) -> Result<Result<Told, Failure>, IdentityError> {
        let secret = match self.inner.client_secret(self.opened).await? {
            Ok(secret) => secret,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.talk(query, &secret, seen).await)
    }

    async fn talk(&self, query: &str, secret: &Secret<String>, seen: &mut Seen) -> Result<Told, Failure> {
        let published = self.inner.published(self.access, self.oidc).await?;
        let (provider, fetch) = (published.provider.as_ref(), self.access.fetch.as_ref());
        seen.pass("the provider's discovery document speaks for its issuer");
        let code = Answer::parse(query)?.check(self.ties, provider)?;
        seen.pass("the answer belongs to this browser's question and to this provider");
        let request = code.request(provider, self.ties, &self.oidc.client, secret, self.redirect);
        let authorization = request.authorization.as_ref();
        let url = provider.token_endpoint().as_str();
        let answer = fetch.post_form(url, &request.form, authorization, Tokens::MAX).await?;
        let tokens = Tokens::parse(answer.status, &answer.body)?;
        seen.pass("the provider gave tokens for the code");
        if let Some((header, claims)) = as_received(tokens.id_token.expose()) {
            seen.show("ID token: header", header);
            seen.show("ID token: claims", claims);
        }
        let token = self.verified(&published, &tokens, seen).await?;
        let info = match (self.oidc.user_info, provider.user_info_endpoint()) {
            (true, Some(endpoint)) => {
                let bearer = Secret::new(format!("Bearer {}", tokens.access_token.expose()));
                let answer = fetch.get(endpoint.as_str(), Some(&bearer), UserInfo::MAX).await?;
                if answer.status != 200 {
                    return Err(Refusal::UserInfoSubject.into());
                }
                let info = UserInfo::parse(&answer.body, &token)?;
                seen.show("User info", info.pretty());
                seen.pass("the user info is about the same person");
                info
            }
            _ => UserInfo::default(),
        };
        self.told(&token, &info, &tokens.id_token)
    }

    async fn verified(
        &self,
        published: &Published,
        tokens: &Tokens,
        seen: &mut Seen,
    ) -> Result<IdToken, Failure> {
        let issuer = Issuer::parse(&self.oidc.issuer)?;
        let expected = Expected {
            issuer: &issuer,
            client: &self.oidc.client,
            nonce: self.ties.nonce(),
            // It was asked for, but not every provider tells; what follows from that is decided later.
            max_age: None,
            algorithms: &self.oidc.algorithms,
            access_token: Some(&tokens.access_token),
            now: self.inner.world.now(),
        };
        let mut trail = Trail::default();
        let mut outcome = IdToken::verify(tokens.id_token.expose(), &published.keys, &expected, &mut trail);
        if outcome.as_ref().err() == Some(&Refusal::UnknownKey) {
            let (fetch, world) = (self.access.fetch.as_ref(), &self.inner.world);
            if let Some(again) = self.access.providers.keys_again(&issuer, published, fetch, world).await? {
                trail = Trail::default();
                outcome = IdToken::verify(tokens.id_token.expose(), &again.keys, &expected, &mut trail);
            }
        }
        trail.passed().iter().for_each(|check| seen.pass(check));
        let token = outcome?;
        let late = |proved| expected.now.since(proved) > ABSOLUTE + SKEW;
        if token.auth_time().is_some_and(late) {
            return Err(Refusal::AuthTime.into());
        }
        Ok(token)
    }

    fn told(&self, token: &IdToken, info: &UserInfo, hint: &Secret<String>) -> Result<Told, Failure> {
        let people = &self.opened.settings.people;
        let claim = |name: &str| token.claim(name).or_else(|| info.claim(name));
        let text = |name: &str| claim(name).and_then(Value::as_str);
        let groups = match &people.groups {
            Some(name) => {
                Groups::of_claim(name, claim(name).or_else(|| inside(name, claim)), claim("_claim_names"))
            }
            None => Groups::Unsaid,
        };
        let verified = match claim("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(word)) => word == "true",
            Some(_) => false,
            None => true,
        };
        // Entra's word for it: a person's address there may be anything that they wrote themselves.
        let owned = match claim("xms_edov") {
            None => true,
            Some(Value::Bool(owned)) => *owned,
            Some(Value::String(word)) => matches!(word.as_str(), "1" | "true"),
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            Some(_) => false,
        };
        Ok(Told {
            subject: format!("{}\0{}", self.oidc.issuer, token.subject()),
            id: token.subject().to_owned(),
            email: text(&people.email).and_then(|email| Email::new(email).ok()),
            unverified: !verified || !owned,
            name: text(&people.name).and_then(|name| DisplayName::new(name).ok()),
            groups: GroupsTold::from(groups),
            level: people.assurance.level(token.acr(), &token.amr()),
            proved: token.auth_time(),
            ends: token.session_ends(),
            sid: token.sid().map(str::to_owned),
            hint: Some(hint.expose().clone()),
            leaver: None,
        })
    }
}

/// A claim inside of others, by a path with dots: Keycloak's roles are `realm_access.roles`.
fn inside<'c>(path: &str, claim: impl Fn(&str) -> Option<&'c Value>) -> Option<&'c Value> {
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claim(first)?, |value, name| value.get(name))
}
