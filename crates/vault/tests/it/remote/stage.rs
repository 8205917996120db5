//! A service behind a wire that can be made to misbehave: an HTTPS server of ours that passes requests
//! on to the service, or does something else instead.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbound::{Client, Limits, Origin, Request, Roots, Settings, Target};
use testkit::{Authority, Heard, HttpsServer, Said};
use vault::Service;

/// What the wire does with a request.
#[derive(Clone)]
pub(crate) enum Mode {
    /// Passes it on.
    Good,
    /// Says this instead.
    Instead(Said),
    /// Passes it on, and exchanges this text in the answer for that.
    Exchange(String, String),
}

/// The wire, and the authority that vouches for it.
pub(crate) struct Wire {
    pub(crate) authority: Authority,
    server: HttpsServer,
    mode: Arc<Mutex<Mode>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Wire {
    pub(crate) fn to(service: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Self {
        let (authority, mode) = (Authority::new(), Arc::new(Mutex::new(Mode::Good)));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ours, ears) = (Arc::clone(&mode), Arc::clone(&heard));
        let server = HttpsServer::start(&authority, move |request| {
            ears.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
            let mode = ours.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match mode {
                Mode::Good => service(request),
                Mode::Instead(said) => said,
                Mode::Exchange(from, to) => match service(request) {
                    Said::Answer(status, headers, body) => {
                        let body = String::from_utf8(body).unwrap();
                        assert!(body.contains(&from), "{from} is not in {body}");
                        Said::Answer(status, headers, body.replace(&from, &to).into_bytes())
                    }
                    other => other,
                },
            }
        });
        Self { authority, server, mode, heard }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn target(&self) -> Target {
        Target::internal(self.server.origin().parse().unwrap())
    }

    /// The wire as a provider sees it, with little patience.
    pub(crate) fn service(&self) -> Service {
        let limits =
            Limits { connect: Duration::from_millis(1500), total: Duration::from_secs(2), ..Service::LIMITS };
        let roots = Roots::from_pem(self.authority.root().as_bytes()).unwrap();
        Service { target: self.target(), roots, limits }
    }

    /// What went over the wire since this was last asked.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// Passes a request on to a real server.
pub(crate) struct Onward {
    client: Client,
    origin: Origin,
}

impl Onward {
    pub(crate) fn to(origin: &str, roots: Roots) -> Self {
        let origin: Origin = origin.parse().unwrap();
        let targets = vec![Target::internal(origin.clone())];
        let client = Client::new(Settings { roots, ..Settings::to(targets) }).unwrap();
        Self { client, origin }
    }

    pub(crate) fn pass(&self, heard: &Heard) -> Said {
        const KEPT: [&str; 6] = [
            "authorization",
            "x-amz-date",
            "x-amz-target",
            "x-amz-security-token",
            "x-vault-token",
            "x-vault-namespace",
        ];
        let mut request = match heard.method.as_str() {
            "GET" => Request::get(&self.origin, &heard.path),
            _ => {
                let json = "application/json";
                let kind = heard.header("content-type").map_or(json, |found| match found {
                    "application/x-amz-json-1.1" => "application/x-amz-json-1.1",
                    _ => json,
                });
                Request::post(&self.origin, &heard.path).body(kind, heard.body.clone())
            }
        };
        for name in KEPT {
            if let Some(value) = heard.header(name) {
                request = request.header(name, value).unwrap();
            }
        }
        match self.client.send(request) {
            Ok(answer) => Said::json(answer.status(), answer.body()),
            Err(_) => Said::Raw(Vec::new()),
        }
    }
}
