//! The way to identity providers: the room of identities says what it needs of it, the one client that
//! may leave the machine does it. An address that an administrator typed, or that a provider named, is
//! called only where it is public; one in the operator's own network only when the configuration says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use identity::connections::{Domain, Fetch, FetchError, Fetched, Fetching, ProviderAccess};
use kernel::Secret;
use outbound::{Client, Limits, Origin, OutboundError, Request, Roots, Settings, Target};

use crate::Failure;
use crate::config::SignIn;

/// The most bytes of any answer; each call has a lower bound of its own.
const MOST: usize = 512 * 1024;
/// Origins whose clients are kept.
const KEPT: usize = 64;

/// What the identity room needs to reach providers.
pub(crate) fn access(config: &SignIn, origin: String, visitors: String) -> Result<ProviderAccess, Failure> {
    let roots = match &config.provider_ca {
        Some(path) => Roots::from_file(path).map_err(|error| format!("`sign_in.provider_ca`: {error}"))?,
        None => Roots::Web,
    };
    let origins = config.internal_providers.iter().map(|text| text.parse());
    let internal = origins.collect::<Result<_, OutboundError>>();
    let internal = internal.map_err(|error| format!("`sign_in.internal_providers`: {error}"))?;
    let vouched = config.domains.iter().map(|text| {
        Domain::parse(text).ok_or_else(|| format!("`sign_in.domains`: `{text}` is no domain").into())
    });
    Ok(ProviderAccess {
        fetch: Arc::new(Way(Arc::new(Inner { roots, internal, clients: Mutex::default() }))),
        origin,
        visitors,
        vouched: vouched.collect::<Result<_, Failure>>()?,
    })
}

struct Way(Arc<Inner>);

struct Inner {
    roots: Roots,
    internal: Vec<Origin>,
    clients: Mutex<HashMap<Origin, Client>>,
}

impl Inner {
    fn client(&self, origin: &Origin) -> Result<Client, OutboundError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(origin) {
            return Ok(client.clone());
        }
        let target = match self.internal.contains(origin) {
            true => Target::internal(origin.clone()),
            false => Target::public(origin.clone()),
        };
        let limits = Limits { most_bytes: MOST, ..Limits::default() };
        let settings = Settings { roots: self.roots.clone(), limits, ..Settings::to(vec![target]) };
        let client = Client::new(settings)?;
        if clients.len() >= KEPT {
            clients.clear();
        }
        clients.insert(origin.clone(), client.clone());
        Ok(client)
    }

    fn send(
        &self,
        url: &str,
        cap: usize,
        request: impl FnOnce(&Origin, &str) -> Result<Request, OutboundError>,
    ) -> Result<Fetched, FetchError> {
        let (origin, path) = split(url).ok_or(FetchError::Forbidden)?;
        let said = |error: OutboundError| {
            tracing::warn!(%error, "a provider cannot be asked");
            match error {
                OutboundError::Forbidden { .. } | OutboundError::Address { .. } => FetchError::Forbidden,
                OutboundError::Tls { .. } => FetchError::Untrusted,
                OutboundError::TooLarge { .. } => FetchError::TooLarge,
                OutboundError::Redirected { .. } => FetchError::Redirected,
                _ => FetchError::Unreachable,
            }
        };
        let client = self.client(&origin).map_err(said)?;
        let answer = client.send(request(&origin, &path).map_err(said)?).map_err(said)?;
        if answer.body().len() > cap {
            return Err(FetchError::TooLarge);
        }
        Ok(Fetched { status: answer.status(), body: answer.body().to_vec() })
    }
}

/// Origin and path with query.
fn split(url: &str) -> Option<(Origin, String)> {
    let after = url.strip_prefix("https://")?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (host, path) = after.split_at_checked(end)?;
    let origin = format!("https://{host}").parse().ok()?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((origin, path))
}

impl Fetch for Way {
    fn get<'f>(&'f self, url: &'f str, bearer: Option<&'f Secret<String>>, cap: usize) -> Fetching<'f> {
        let (inner, url) = (Arc::clone(&self.0), url.to_owned());
        let bearer = bearer.map(|bearer| Secret::new(bearer.expose().clone()));
        Box::pin(blocking(move || {
            inner.send(&url, cap, |origin, path| {
                let request = Request::get(origin, path).header("accept", "application/json")?;
                match &bearer {
                    Some(bearer) => request.secret("authorization", bearer),
                    None => Ok(request),
                }
            })
        }))
    }

    fn post_form<'f>(
        &'f self,
        url: &'f str,
        form: &'f Secret<String>,
        authorization: Option<&'f Secret<String>>,
        cap: usize,
    ) -> Fetching<'f> {
        let (inner, url) = (Arc::clone(&self.0), url.to_owned());
        let form = Secret::new(form.expose().clone());
        let authorization = authorization.map(|value| Secret::new(value.expose().clone()));
        Box::pin(blocking(move || {
            inner.send(&url, cap, |origin, path| {
                let request = Request::post(origin, path)
                    .header("accept", "application/json")?
                    .body("application/x-www-form-urlencoded", form.expose().clone().into_bytes());
                match &authorization {
                    Some(authorization) => request.secret("authorization", authorization),
                    None => Ok(request),
                }
            })
        }))
    }
}

/// The client blocks, so it works on a thread that may.
async fn blocking(
    work: impl FnOnce() -> Result<Fetched, FetchError> + Send + 'static,
) -> Result<Fetched, FetchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(FetchError::Unreachable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_and_anything_but_https_is_none() {
        let of = |url: &str| split(url).map(|(origin, path)| (origin.to_string(), path));
        assert_eq!(of("https://a.example:8/b?c=d"), Some(("https://a.example:8".into(), "/b?c=d".into())));
        assert_eq!(of("https://a.example?c"), Some(("https://a.example".into(), "/?c".into())));
        assert_eq!(of("https://a.example"), Some(("https://a.example".into(), "/".into())));
        for bad in ["http://a.example/", "https://user@a.example/", "file:///etc/passwd", "https:///x"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_not_called_unless_the_configuration_says_so() {
        let here = || "https://localhost".to_owned();
        let access = access(&SignIn::default(), here(), here()).unwrap();
        for url in
            ["https://127.0.0.1:1/", "https://localhost:1/", "https://169.254.169.254/latest/meta-data"]
        {
            assert_eq!(access.fetch.get(url, None, 100).await.unwrap_err(), FetchError::Forbidden, "{url}");
        }
        let open = SignIn { internal_providers: vec!["https://127.0.0.1:1".to_owned()], ..SignIn::default() };
        let access = super::access(&open, here(), here()).unwrap();
        let there = access.fetch.get("https://127.0.0.1:1/", None, 100).await;
        assert_eq!(there.unwrap_err(), FetchError::Unreachable);
    }
}
