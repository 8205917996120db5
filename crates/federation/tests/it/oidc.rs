//! The attacks on a relying party, each refused for its own reason; and what must be accepted.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation::oidc::{
    Algorithm, Answer, Code, Expected, IdToken, Issuer, KeySet, LogoutToken, Provider, Question, Refusal,
    Ties, Tokens, Trail, UserInfo, as_received, end_session_url,
};
use kernel::{Secret, Timestamp, World};
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.example/tenant";
const CLIENT: &str = "wardroom";
const NOW: u64 = 1_795_378_500;

/// A provider's keys.
struct Provider1 {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider1 {
    fn new() -> Self {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec,
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn jwks(&self) -> Value {
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            {"kty": "RSA", "kid": "r1", "use": "sig", "n": b64(&rsa.n), "e": b64(&rsa.e)},
            {"kty": "EC", "crv": "P-256", "kid": "e1", "alg": "ES256", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "d1", "x": b64(self.ed.public_key().as_ref())},
        ]})
    }

    fn keys(&self) -> KeySet {
        KeySet::parse(&serde_json::to_vec(&self.jwks()).unwrap()).unwrap()
    }

    /// Signs by what the header says, with whatever header and payload.
    fn sign(&self, header: &Value, payload: &Value) -> String {
        let input = format!("{}.{}", b64(header.to_string()), b64(payload.to_string()));
        let (bytes, random) = (input.as_bytes(), SystemRandom::new());
        let rsa = |encoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, bytes, &mut signature).unwrap();
            signature
        };
        let signature = match header["alg"].as_str().unwrap_or_default() {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "EdDSA" => self.ed.sign(bytes).as_ref().to_vec(),
            "HS256" => {
                let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa.n), bytes).as_ref().to_vec()
            }
            "none" => Vec::new(),
            _ => self.ec.sign(&random, bytes).unwrap().as_ref().to_vec(),
        };
        format!("{input}.{}", b64(signature))
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "sub": "248289761001", "nonce": "n-1", "iat": NOW, "exp": NOW + 300,
        "auth_time": NOW - 5, "acr": "urn:wardroom:aal2", "amr": ["pwd", "otp"], "sid": "s-1",
        "groups": ["wardroom-developers"],
    })
}

fn header(algorithm: &str, key: &str) -> Value {
    json!({"alg": algorithm, "kid": key, "typ": "JWT"})
}

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW * 1000)
}

fn verify(provider: &Provider1, token: &str) -> Result<IdToken, Refusal> {
    verify_with(&provider.keys(), token, Some(60), &Algorithm::ALL)
}

fn verify_with(
    keys: &KeySet,
    token: &str,
    max_age: Option<u64>,
    algorithms: &[Algorithm],
) -> Result<IdToken, Refusal> {
    let expected = Expected {
        issuer: &issuer(),
        client: CLIENT,
        nonce: "n-1",
        max_age: max_age.map(Duration::from_secs),
        algorithms,
        access_token: None,
        now: now(),
    };
    IdToken::verify(token, keys, &expected, &mut Trail::default())
}

#[test]
fn a_genuine_token_is_believed_under_each_of_the_four_algorithms() {
    let provider = Provider1::new();
    for (algorithm, key) in [("RS256", "r1"), ("PS256", "r1"), ("ES256", "e1"), ("EdDSA", "d1")] {
        let token = verify(&provider, &provider.sign(&header(algorithm, key), &claims())).unwrap();
        assert_eq!((token.subject(), token.sid()), ("248289761001", Some("s-1")), "{algorithm}");
        assert_eq!((token.acr(), token.amr()), (Some("urn:wardroom:aal2"), vec!["pwd", "otp"]));
        assert_eq!(token.auth_time(), Some(Timestamp::from_millis((NOW - 5) * 1000)));
    }
}

#[test]
fn a_forged_header_is_refused_for_what_it_tries() {
    let provider = Provider1::new();
    let stranger = Provider1::new();
    let own = stranger.jwks()["keys"][1].clone();
    let with = |mut header: Value, name: &str, value: Value| {
        header[name] = value;
        header
    };
    let es = || header("ES256", "e1");
    // Who signs, under which header, and why it is refused.
    let attacks = [
        (&provider, header("none", "e1"), Refusal::AlgorithmNone),
        (&provider, header("None", "e1"), Refusal::AlgorithmNone),
        (&provider, header("nOnE", "e1"), Refusal::AlgorithmNone),
        (&provider, header("HS256", "r1"), Refusal::AlgorithmSymmetric),
        (&provider, header("HS512", "r1"), Refusal::AlgorithmSymmetric),
        (&provider, header("RS1", "r1"), Refusal::Algorithm),
        (&provider, header("RSA1_5", "r1"), Refusal::Algorithm),
        (&provider, header("es256", "e1"), Refusal::Algorithm),
        (&provider, header("ES256", "e2"), Refusal::UnknownKey),
        (&provider, header("RS256", "e1"), Refusal::UnknownKey),
        (&provider, header("ES256", "../e1"), Refusal::UnknownKey),
        (&stranger, es(), Refusal::Signature),
        (&stranger, with(es(), "jwk", own.clone()), Refusal::KeyInHeader),
        (&stranger, with(header("ES256", "mine"), "jwk", own), Refusal::KeyInHeader),
        (&stranger, with(es(), "jku", json!("https://evil.example/keys")), Refusal::KeyInHeader),
        (&stranger, with(es(), "x5u", json!("https://evil.example/cert")), Refusal::KeyInHeader),
        (&stranger, with(es(), "x5c", json!(["AAAA"])), Refusal::KeyInHeader),
        (&provider, with(es(), "crit", json!(["b64"])), Refusal::Critical),
        (&provider, with(es(), "typ", json!("at+jwt")), Refusal::Type),
        (&provider, with(es(), "typ", json!("application/at+jwt")), Refusal::Type),
        (&provider, with(es(), "typ", json!("logout+jwt")), Refusal::Type),
        (&provider, with(es(), "kid", json!(7)), Refusal::Malformed),
    ];
    for (signer, header, refusal) in attacks {
        assert_eq!(verify(&provider, &signer.sign(&header, &claims())).err(), Some(refusal), "{header}");
    }
    // A key that came along is not looked at, not even when the token is genuine.
    let genuine = with(es(), "jku", json!("https://evil.example/keys"));
    assert!(verify(&provider, &provider.sign(&genuine, &claims())).is_ok());
}

#[test]
fn a_claim_that_does_not_fit_is_refused_for_its_own_reason() {
    let provider = Provider1::new();
    let attacks = [
        ("iss", json!("https://idp.example/other"), Refusal::Issuer),
        ("iss", json!("https://idp.example/tenant/"), Refusal::Issuer),
        ("iss", json!(null), Refusal::Issuer),
        ("aud", json!("someone-else"), Refusal::Audience),
        ("aud", json!(["someone-else"]), Refusal::Audience),
        ("aud", json!([]), Refusal::Audience),
        ("aud", json!(null), Refusal::Audience),
        ("aud", json!(["someone-else", CLIENT]), Refusal::AuthorizedParty),
        ("azp", json!("someone-else"), Refusal::AuthorizedParty),
        ("nonce", json!("n-2"), Refusal::Nonce),
        ("nonce", json!("n-10"), Refusal::Nonce),
        ("nonce", json!(""), Refusal::Nonce),
        ("nonce", json!(null), Refusal::Nonce),
        ("exp", json!(NOW - 61), Refusal::Expired),
        ("exp", json!(null), Refusal::Expired),
        ("nbf", json!(NOW + 61), Refusal::NotYet),
        ("iat", json!(NOW + 61), Refusal::IssuedAt),
        ("iat", json!(null), Refusal::IssuedAt),
        ("auth_time", json!(NOW - 121), Refusal::AuthTime),
        ("auth_time", json!(NOW + 61), Refusal::AuthTime),
        ("auth_time", json!(null), Refusal::AuthTimeMissing),
        ("sub", json!(null), Refusal::Subject),
        ("sub", json!(""), Refusal::Subject),
        ("sub", json!("a".repeat(256)), Refusal::Subject),
        ("sub", json!("alice\u{0}"), Refusal::Subject),
        ("sub", json!(["alice"]), Refusal::Malformed),
        ("exp", json!("9999999999"), Refusal::Malformed),
        ("events", json!({}), Refusal::Type),
    ];
    for (name, value, refusal) in attacks {
        let mut claims = claims();
        claims[name] = value.clone();
        let outcome = verify(&provider, &provider.sign(&header("ES256", "e1"), &claims));
        assert_eq!(outcome.err(), Some(refusal), "{name}: {value}");
    }
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let provider = Provider1::new();
    for (name, value) in [("exp", NOW - 60), ("nbf", NOW + 60), ("iat", NOW + 60), ("auth_time", NOW - 120)] {
        let mut claims = claims();
        claims[name] = json!(value);
        assert!(verify(&provider, &provider.sign(&header("ES256", "e1"), &claims)).is_ok(), "{name}");
    }
}

#[test]
fn a_token_that_was_cut_stretched_or_altered_is_refused() {
    let provider = Provider1::new();
    let genuine = provider.sign(&header("ES256", "e1"), &claims());
    let parts: Vec<&str> = genuine.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let twice = b64(r#"{"iss":"https://idp.example/tenant","sub":"a","sub":"b"}"#);
    let cases = [
        (String::new(), Refusal::Malformed),
        (format!("{h}.{p}"), Refusal::Malformed),
        (format!("{h}.{p}."), Refusal::Signature),
        (format!("{h}.{p}.{s}.x.y"), Refusal::Encrypted),
        (format!("{h}.{p}.{s}="), Refusal::Malformed),
        (format!("{h}.{p}.{s}\n"), Refusal::Malformed),
        (format!("{h}.{twice}.{s}"), Refusal::Signature),
        (format!("{}.{p}.{s}", b64(r#"{"alg":"ES256","alg":"none"}"#)), Refusal::Malformed),
        ("a".repeat(64 * 1024 + 1), Refusal::TooLarge),
    ];
    for (token, refusal) in cases {
        assert_eq!(verify(&provider, &token).err(), Some(refusal), "{token:.80}");
    }
    // Whichever byte is flipped, somewhere it no longer fits.
    for at in 0..genuine.len() {
        let mut bytes = genuine.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(token) = String::from_utf8(bytes) else { continue };
        assert!(verify(&provider, &token).is_err(), "byte {at}");
    }
}

#[test]
fn the_list_of_algorithms_is_the_connections() {
    let provider = Provider1::new();
    let token = provider.sign(&header("RS256", "r1"), &claims());
    let outcome = verify_with(&provider.keys(), &token, None, &[Algorithm::Es256]);
    assert_eq!(outcome.err(), Some(Refusal::Algorithm));
}

#[test]
fn a_token_without_a_key_id_is_verified_only_where_one_key_would_do() {
    let provider = Provider1::new();
    let token = provider.sign(&json!({"alg": "ES256"}), &claims());
    assert!(verify(&provider, &token).is_ok());
    let mut jwks = provider.jwks();
    let second = Provider1::new().jwks()["keys"][1].clone();
    jwks["keys"].as_array_mut().unwrap().push(second);
    let keys = KeySet::parse(&serde_json::to_vec(&jwks).unwrap()).unwrap();
    assert_eq!(verify_with(&keys, &token, None, &Algorithm::ALL).err(), Some(Refusal::KeyIdMissing));
}

#[test]
fn an_access_token_of_somebody_else_beside_it_is_noticed() {
    let provider = Provider1::new();
    let mine = Secret::new("access-1".to_owned());
    let half = digest::digest(&digest::SHA256, mine.expose().as_bytes()).as_ref()[..16].to_vec();
    let mut claims = claims();
    claims["at_hash"] = json!(b64(half));
    let token = provider.sign(&header("ES256", "e1"), &claims);
    let keys = provider.keys();
    let try_with = |access: &Secret<String>| {
        let expected = Expected {
            issuer: &issuer(),
            client: CLIENT,
            nonce: "n-1",
            max_age: None,
            algorithms: &Algorithm::ALL,
            access_token: Some(access),
            now: now(),
        };
        IdToken::verify(&token, &keys, &expected, &mut Trail::default())
    };
    assert!(try_with(&mine).is_ok());
    assert_eq!(try_with(&Secret::new("access-2".into())).err(), Some(Refusal::AccessTokenHash));
}

#[test]
fn the_trail_tells_which_checks_were_passed_and_a_refused_token_can_be_looked_at() {
    let provider = Provider1::new();
    let mut claims = claims();
    claims["nonce"] = json!("other");
    let token = provider.sign(&header("ES256", "e1"), &claims);
    let mut trail = Trail::default();
    let expected = Expected {
        issuer: &issuer(),
        client: CLIENT,
        nonce: "n-1",
        max_age: None,
        algorithms: &Algorithm::ALL,
        access_token: None,
        now: now(),
    };
    assert!(IdToken::verify(&token, &provider.keys(), &expected, &mut trail).is_err());
    assert_eq!(trail.passed().last(), Some(&"it is of now"));
    let (header, claims) = as_received(&token).unwrap();
    assert!(header.contains("ES256") && claims.contains("\"nonce\": \"other\""));
}

fn provider(more: &Value) -> Provider {
    let mut document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://idp.example/auth?realm=a",
        "token_endpoint": "https://idp.example/token",
        "jwks_uri": "https://idp.example/keys",
        "end_session_endpoint": "https://idp.example/end",
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Provider::parse(&serde_json::to_vec(&document).unwrap(), &issuer()).unwrap()
}

fn pairs(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn pair(pairs: &[(String, String)], name: &str) -> Option<String> {
    let mut found = pairs.iter().filter(|(known, _)| known == name);
    let value = found.next().map(|(_, value)| value.clone());
    assert!(found.next().is_none(), "{name} twice");
    value
}

#[test]
fn a_question_ties_its_answer_to_this_browser_and_cannot_be_weakened() {
    let world = World::real();
    let (ties, provider) = (Ties::generate(&world), provider(&json!({})));
    assert_ne!(ties, Ties::generate(&world));
    let question = Question {
        client: CLIENT,
        redirect: "https://desk.example/sso/oidc/callback",
        scopes: &["email".to_owned(), "openid".to_owned()],
        max_age: Some(Duration::from_secs(300)),
        acr_values: &["phr".to_owned(), "phrh".to_owned()],
        hint: Some("a+b@c.example"),
    };
    let url = question.url(&provider, &ties);
    let pairs = pairs(url.expose());
    let of = |name| pair(&pairs, name);
    assert_eq!(of("realm").as_deref(), Some("a"));
    assert_eq!(of("response_type").as_deref(), Some("code"));
    assert_eq!(of("scope").as_deref(), Some("openid email"));
    assert_eq!(of("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(of("state").as_deref(), Some(ties.state()));
    assert_eq!(of("nonce").as_deref(), Some(ties.nonce()));
    assert_eq!((of("max_age").as_deref(), of("acr_values").as_deref()), (Some("300"), Some("phr phrh")));
    assert_eq!(of("login_hint").as_deref(), Some("a+b@c.example"));
    // RFC 7636 section 4.2, from the verifier that the form sends later.
    let code =
        Answer::parse(&format!("state={}&code=c-1", ties.state())).unwrap().check(&ties, &provider).unwrap();
    let request =
        code.request(&provider, &ties, "war:droom", &Secret::new("s%cret ".into()), question.redirect);
    let form: Vec<_> = form_urlencoded::parse(request.form.expose().as_bytes()).into_owned().collect();
    let verifier = pair(&form, "code_verifier").unwrap();
    let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
    assert_eq!(of("code_challenge"), Some(b64(hash)));
    assert_eq!(pair(&form, "redirect_uri").as_deref(), Some(question.redirect));
    let basic = request.authorization.unwrap();
    let basic = basic.expose().strip_prefix("Basic ").unwrap();
    let basic = base64::engine::general_purpose::STANDARD.decode(basic).unwrap();
    assert_eq!(String::from_utf8(basic).unwrap(), "war%3Adroom:s%25cret+");
    assert_eq!(format!("{ties:?}"), "Ties([redacted])");
}

#[test]
fn an_answer_that_belongs_elsewhere_is_refused() {
    let world = World::real();
    let (ties, other) = (Ties::generate(&world), Ties::generate(&world));
    let quiet = provider(&json!({}));
    let named = provider(&json!({"authorization_response_iss_parameter_supported": true}));
    let try_at =
        |at: &Provider, query: &str| -> Result<Code, Refusal> { Answer::parse(query)?.check(&ties, at) };
    let state = ties.state();
    let iss = "https%3A%2F%2Fidp.example%2Ftenant";
    assert!(try_at(&named, &format!("state={state}&code=a&iss={iss}&session_state=x")).is_ok());
    assert!(try_at(&quiet, &format!("state={state}&code=a")).is_ok());
    let cases = [
        (&quiet, format!("state={}&code=a", other.state()), Refusal::State),
        (&quiet, "code=a".to_owned(), Refusal::State),
        (&quiet, "state=&code=a".to_owned(), Refusal::State),
        (&quiet, format!("state={state}&code=a&iss=https%3A%2F%2Fevil.example"), Refusal::CallbackIssuer),
        (&named, format!("state={state}&code=a"), Refusal::CallbackIssuerMissing),
        (&quiet, format!("state={state}&state={state}&code=a"), Refusal::CallbackTwice),
        (&quiet, format!("state={state}&code=a&code=b"), Refusal::CallbackTwice),
        (&quiet, format!("state={state}"), Refusal::CodeMissing),
        (&quiet, format!("state={state}&code=a&error=x"), Refusal::CodeMissing),
        (&quiet, format!("state={state}&error=access_denied"), Refusal::ProviderError),
        (&quiet, format!("state={state}&code={}", "a".repeat(20_000)), Refusal::TooLarge),
    ];
    for (at, query, refusal) in cases {
        assert_eq!(try_at(at, &query).err(), Some(refusal), "{query:.120}");
    }
}

#[test]
fn answers_of_the_token_endpoint_are_read_strictly() {
    let good = json!({"token_type": "Bearer", "id_token": "a.b.c", "access_token": "t"});
    let parse = |status, body: &Value| Tokens::parse(status, &serde_json::to_vec(body).unwrap());
    assert_eq!(parse(200, &good).unwrap().id_token.expose(), "a.b.c");
    assert_eq!(parse(400, &good).err(), Some(Refusal::TokenError));
    let cases = [
        (json!({"token_type": "mac", "id_token": "a", "access_token": "t"}), Refusal::TokenType),
        (json!({"id_token": "a", "access_token": "t"}), Refusal::TokenType),
        (json!({"token_type": "bearer", "access_token": "t"}), Refusal::IdTokenMissing),
        (json!([]), Refusal::Malformed),
    ];
    for (body, refusal) in cases {
        assert_eq!(parse(200, &body).err(), Some(refusal), "{body}");
    }
    assert_eq!(Tokens::parse(200, &vec![b' '; 300_000]).err(), Some(Refusal::TooLarge));
}

#[test]
fn user_info_of_somebody_else_is_refused() {
    let provider = Provider1::new();
    let token = verify(&provider, &provider.sign(&header("ES256", "e1"), &claims())).unwrap();
    let parse = |body: Value| UserInfo::parse(&serde_json::to_vec(&body).unwrap(), &token);
    let info = parse(json!({"sub": "248289761001", "email": "a@b.example"})).unwrap();
    assert_eq!(info.claim("email"), Some(&json!("a@b.example")));
    assert_eq!(parse(json!({"sub": "666"})).err(), Some(Refusal::UserInfoSubject));
    assert_eq!(parse(json!({"email": "a@b.example"})).err(), Some(Refusal::UserInfoSubject));
}

fn logout_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "iat": NOW, "exp": NOW + 120, "jti": "l-1", "sid": "s-1",
        "sub": "248289761001", "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    })
}

#[test]
fn a_logout_token_is_believed_only_if_it_is_one() {
    let provider = Provider1::new();
    let keys = provider.keys();
    let verify = |header: &Value, claims: &Value| {
        let token = provider.sign(header, claims);
        LogoutToken::verify(&token, &keys, &issuer(), CLIENT, &Algorithm::ALL, now())
    };
    let head = json!({"alg": "ES256", "kid": "e1", "typ": "logout+jwt"});
    let genuine = verify(&head, &logout_claims()).unwrap();
    assert_eq!((genuine.id(), genuine.sid(), genuine.subject()), ("l-1", Some("s-1"), Some("248289761001")));
    let attacks = [
        ("nonce", json!("n-1"), Refusal::LogoutNonce),
        ("events", json!(null), Refusal::LogoutEvents),
        ("events", json!({}), Refusal::LogoutEvents),
        (
            "events",
            json!({"http://schemas.openid.net/event/backchannel-logout": true}),
            Refusal::LogoutEvents,
        ),
        ("iat", json!(NOW - 121), Refusal::LogoutOld),
        ("iat", json!(NOW + 61), Refusal::IssuedAt),
        ("exp", json!(NOW - 61), Refusal::Expired),
        ("aud", json!("someone-else"), Refusal::Audience),
        ("iss", json!("https://evil.example"), Refusal::Issuer),
        ("jti", json!(null), Refusal::LogoutId),
    ];
    for (name, value, refusal) in attacks {
        let mut claims = logout_claims();
        claims[name] = value.clone();
        assert_eq!(verify(&head, &claims).err(), Some(refusal), "{name}: {value}");
    }
    let mut nobody = logout_claims();
    nobody.as_object_mut().unwrap().retain(|name, _| name != "sub" && name != "sid");
    assert_eq!(verify(&head, &nobody).err(), Some(Refusal::LogoutSubject));
    for (head, refusal) in [
        (json!({"alg": "none"}), Refusal::AlgorithmNone),
        (json!({"alg": "HS256", "kid": "r1"}), Refusal::AlgorithmSymmetric),
        (json!({"alg": "ES256", "kid": "x"}), Refusal::UnknownKey),
        (json!({"alg": "ES256", "kid": "e1", "typ": "at+jwt"}), Refusal::Type),
    ] {
        assert_eq!(verify(&head, &logout_claims()).err(), Some(refusal), "{head}");
    }
    // An ID token is no logout token.
    assert_eq!(verify(&header("ES256", "e1"), &claims()).err(), Some(Refusal::LogoutNonce));
}

#[test]
fn the_browser_is_sent_to_end_the_session_there_too() {
    let url =
        end_session_url(&provider(&json!({})), CLIENT, None, "https://desk.example/sign-in", "x").unwrap();
    let pairs = pairs(&url);
    assert_eq!(pair(&pairs, "post_logout_redirect_uri").as_deref(), Some("https://desk.example/sign-in"));
    assert_eq!(pair(&pairs, "client_id").as_deref(), Some(CLIENT));
    assert_eq!(pair(&pairs, "id_token_hint"), None);
}
