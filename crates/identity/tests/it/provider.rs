//! A provider that speaks OpenID Connect, in memory: it keeps to the protocol, checks what it is sent,
//! and says whatever a test wants said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use identity::connections::{Domain, Fetch, FetchError, Fetched, Fetching, ProviderAccess};
use kernel::{Secret, World};
use serde_json::{Value, json};

use crate::house::House;

pub(crate) const DESK: &str = "https://desk.example";
pub(crate) const CHAT: &str = "https://chat.example";
pub(crate) const CLIENT_SECRET: &str = "client-secret-4711";
pub(crate) const ACCESS_TOKEN: &str = "access-token-that-stays-behind";

struct Grant {
    challenge: String,
    nonce: String,
    redirect: String,
    claims: Value,
}

pub(crate) struct Idp {
    pub(crate) issuer: String,
    world: World,
    key: Mutex<(EcdsaKeyPair, String)>,
    codes: Mutex<HashMap<String, Grant>>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// The ID tokens that it gave out.
    pub(crate) given: Mutex<Vec<String>>,
    /// Whether it names itself in its answers.
    names_itself: bool,
}

/// All providers of a test, as the way out reaches them.
#[derive(Default, Clone)]
pub(crate) struct Net(Arc<Mutex<HashMap<String, Arc<Idp>>>>);

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

impl Net {
    pub(crate) fn idp(&self, house: &House, issuer: &str, names_itself: bool) -> Arc<Idp> {
        let idp = Arc::new(Idp {
            issuer: issuer.to_owned(),
            world: house.world.clone(),
            key: Mutex::new((key(), "k1".to_owned())),
            codes: Mutex::default(),
            asked: Mutex::default(),
            given: Mutex::default(),
            names_itself,
        });
        self.0.lock().unwrap().insert(issuer.to_owned(), Arc::clone(&idp));
        idp
    }

    /// Opens a house to these providers.
    pub(crate) fn open(&self, house: &House, vouched: &[&str]) {
        house.identity.open_to_providers(ProviderAccess {
            fetch: Arc::new(self.clone()),
            origin: DESK.to_owned(),
            visitors: CHAT.to_owned(),
            vouched: vouched.iter().map(|domain| Domain::parse(domain).unwrap()).collect(),
        });
    }

    fn of(&self, url: &str) -> Option<(Arc<Idp>, String)> {
        let all = self.0.lock().unwrap();
        let found = all.iter().find(|(issuer, _)| url.starts_with(*issuer));
        found.map(|(issuer, idp)| (Arc::clone(idp), url[issuer.len()..].to_owned()))
    }
}

impl Fetch for Net {
    fn get<'f>(&'f self, url: &'f str, _: Option<&'f Secret<String>>, _: usize) -> Fetching<'f> {
        let answer = match self.of(url) {
            Some((idp, path)) => Ok(idp.get(&path)),
            None => Err(FetchError::Unreachable),
        };
        Box::pin(async move { answer })
    }

    fn post_form<'f>(
        &'f self,
        url: &'f str,
        form: &'f Secret<String>,
        authorization: Option<&'f Secret<String>>,
        _: usize,
    ) -> Fetching<'f> {
        let answer = match self.of(url) {
            Some((idp, path)) if path == "/token" => Ok(idp.token(form.expose(), authorization)),
            _ => Err(FetchError::Unreachable),
        };
        Box::pin(async move { answer })
    }
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl Idp {
    fn get(&self, path: &str) -> Fetched {
        self.asked.lock().unwrap().push(path.to_owned());
        let at = |path: &str| format!("{}{path}", self.issuer);
        let body = match path {
            "/.well-known/openid-configuration" => json!({
                "issuer": self.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
                "jwks_uri": at("/keys"), "end_session_endpoint": at("/end"),
                "id_token_signing_alg_values_supported": ["ES256"],
                "authorization_response_iss_parameter_supported": self.names_itself,
                "acr_values_supported": ["2", "phr"],
            }),
            "/keys" => {
                let (key, id) = &*self.key.lock().unwrap();
                let point = key.public_key().as_ref();
                json!({"keys": [{
                    "kty": "EC", "crv": "P-256", "kid": id, "x": b64(&point[1..33]), "y": b64(&point[33..]),
                }]})
            }
            _ => return Fetched { status: 404, body: Vec::new() },
        };
        Fetched { status: 200, body: serde_json::to_vec(&body).unwrap() }
    }

    /// What a browser brings back from there, after whoever sits before it has proved who they are.
    pub(crate) fn authorize(&self, url: &str, person: Value) -> String {
        let (address, query) = url.split_once('?').unwrap();
        assert_eq!(address, format!("{}/auth", self.issuer));
        let asked = pairs(query);
        assert_eq!(
            (asked["response_type"].as_str(), asked["code_challenge_method"].as_str()),
            ("code", "S256")
        );
        let code = b64(self.world.bytes::<16>());
        let mut claims = json!({"auth_time": self.world.now().as_millis() / 1000});
        claims.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
        let grant = Grant {
            challenge: asked["code_challenge"].clone(),
            nonce: asked["nonce"].clone(),
            redirect: asked["redirect_uri"].clone(),
            claims,
        };
        self.codes.lock().unwrap().insert(code.clone(), grant);
        let mut answer = form_urlencoded::Serializer::new(String::new());
        answer.append_pair("code", &code).append_pair("state", &asked["state"]);
        if self.names_itself {
            answer.append_pair("iss", &self.issuer);
        }
        answer.finish()
    }

    fn token(&self, form: &str, authorization: Option<&Secret<String>>) -> Fetched {
        let expected = format!("Basic {}", STANDARD.encode(format!("wardroom:{CLIENT_SECRET}")));
        let sent = pairs(form);
        let grant = self.codes.lock().unwrap().remove(sent.get("code").map_or("", String::as_str));
        let fits = grant.filter(|grant| {
            let challenge = b64(digest(&SHA256, sent["code_verifier"].as_bytes()));
            authorization.is_some_and(|sent| *sent.expose() == expected)
                && challenge == grant.challenge
                && sent["redirect_uri"] == grant.redirect
        });
        let Some(grant) = fits else {
            return Fetched { status: 400, body: br#"{"error":"invalid_grant"}"#.to_vec() };
        };
        let now = self.world.now().as_millis() / 1000;
        let mut claims = json!({
            "iss": self.issuer, "aud": "wardroom", "nonce": grant.nonce, "iat": now, "exp": now + 300,
        });
        claims.as_object_mut().unwrap().extend(grant.claims.as_object().unwrap().clone());
        let token = self.sign("JWT", &claims);
        self.given.lock().unwrap().push(token.clone());
        let body = json!({"token_type": "Bearer", "access_token": ACCESS_TOKEN, "id_token": token});
        Fetched { status: 200, body: serde_json::to_vec(&body).unwrap() }
    }

    pub(crate) fn sign(&self, kind: &str, claims: &Value) -> String {
        let (key, id) = &*self.key.lock().unwrap();
        let header = json!({"alg": "ES256", "kid": id, "typ": kind});
        let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", b64(signature))
    }

    /// A word that a session has ended here.
    pub(crate) fn logout_token(&self, more: Value) -> String {
        let now = self.world.now().as_millis() / 1000;
        let mut claims = json!({
            "iss": self.issuer, "aud": "wardroom", "iat": now, "exp": now + 120, "jti": b64(self.world.bytes::<8>()),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sign("logout+jwt", &claims)
    }

    pub(crate) fn new_key(&self, id: &str) {
        *self.key.lock().unwrap() = (key(), id.to_owned());
    }

    pub(crate) fn times_asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}
