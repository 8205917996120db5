// A provider that keeps to the protocol except where an attack says otherwise. It has many names
// (https://localhost:PORT/t/NAME), each with a document or keys of its own kind.

import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";

export const CLIENT = { id: "wardroom", secret: "hostile-secret-of-this-run" };
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const b64 = (value) => Buffer.from(typeof value === "string" || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicJwk = (pair, more) => ({ ...pair.publicKey.export({ format: "jwk" }), use: "sig", ...more });

function signature(header, input, key) {
  if (header.alg === "RS256") return sign("sha256", input, rsa.privateKey);
  return sign("sha256", input, { key, dsaEncoding: "ieee-p1363" });
}

/** A token with any header and payload, signed with the provider's key or a stranger's. */
export function forge(header, payload, key = ec.privateKey) {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${b64(signature(header, Buffer.from(input), key))}`;
}

const head = (more = {}) => ({ alg: "ES256", kid: "e1", typ: "JWT", ...more });
const changed = (name, value) => (claims) => forge(head(), { ...claims, [name]: value });
const without = (name) => (claims) => forge(head(), Object.fromEntries(Object.entries(claims).filter(([is]) => is !== name)));

/** Attacks on the ID token: name, reason, and what is given in its place. */
export const TOKENS = [
  ["algorithm none", "oidc.alg-none", (c) => `${b64({ alg: "none" })}.${b64(c)}.`],
  ["algorithm nOnE", "oidc.alg-none", (c) => `${b64({ alg: "nOnE", kid: "e1" })}.${b64(c)}.`],
  [
    "HS256 with the public key as the secret",
    "oidc.alg-symmetric",
    (c) => {
      const input = `${b64({ alg: "HS256", kid: "r1" })}.${b64(c)}`;
      const pem = rsa.publicKey.export({ type: "spki", format: "pem" });
      return `${input}.${b64(createHmac("sha256", pem).update(input).digest())}`;
    },
  ],
  ["an algorithm that is not on the list", "oidc.alg", (c) => forge(head({ alg: "ES512" }), c)],
  ["an unknown key id", "oidc.unknown-key", (c) => forge(head({ kid: "e2" }), c)],
  ["another key of the same id", "oidc.signature", (c) => forge(head(), c, stranger.privateKey)],
  ["a key in the header", "oidc.key-in-header", (c) => forge(head({ jwk: publicJwk(stranger) }), c, stranger.privateKey)],
  ["a key's address in the header", "oidc.key-in-header", (c) => forge(head({ jku: "https://evil.example/keys" }), c, stranger.privateKey)],
  ["a certificate's address in the header", "oidc.key-in-header", (c) => forge(head({ x5u: "https://evil.example/c" }), c, stranger.privateKey)],
  ["an extension that must be understood", "oidc.crit", (c) => forge(head({ crit: ["b64"] }), c)],
  ["a payload that was altered", "oidc.signature", (c) => forge(head(), c).replace(/\.[^.]+\./, `.${b64({ ...c, sub: "admin" })}.`)],
  ["an encrypted token", "oidc.encrypted", () => "a.b.c.d.e"],
  ["a header that says two things", "oidc.malformed", (c) => `${b64('{"alg":"ES256","alg":"none"}')}.${b64(c)}.AAAA`],
  ["an access token", "oidc.type", (c) => forge(head({ typ: "at+jwt" }), c)],
  ["a logout token", "oidc.type", (c) => forge(head(), { ...c, events: { [EVENT]: {} } })],
  ["another issuer", "oidc.iss", changed("iss", "https://evil.example")],
  ["another audience", "oidc.aud", changed("aud", "someone-else")],
  ["two audiences and no party", "oidc.azp", changed("aud", ["wardroom", "someone-else"])],
  ["another authorized party", "oidc.azp", changed("azp", "someone-else")],
  ["another sign-in's nonce", "oidc.nonce", changed("nonce", "other")],
  ["no nonce", "oidc.nonce", without("nonce")],
  ["an end that has passed", "oidc.exp", (c) => forge(head(), { ...c, exp: now() - 120 })],
  ["no end", "oidc.exp", without("exp")],
  ["a beginning to come", "oidc.nbf", (c) => forge(head(), { ...c, nbf: now() + 120 })],
  ["made in the future", "oidc.iat", (c) => forge(head(), { ...c, iat: now() + 120 })],
  ["nobody", "oidc.sub", without("sub")],
  ["a proof of yesterday", "oidc.auth-time", (c) => forge(head(), { ...c, auth_time: now() - 86_400 })],
  ["an access token of another", "oidc.at-hash", changed("at_hash", b64(createHash("sha256").update("other").digest().subarray(0, 16)))],
  ["a token of a megabyte", "oidc.too-large", (c) => forge(head(), { ...c, pad: "x".repeat(100_000) })],
];

/** Attacks on the answer of the token endpoint. */
export const ANSWERS = [
  ["no ID token", "oidc.id-token-missing", (body) => ({ body: { ...body, id_token: undefined } })],
  ["tokens of another type", "oidc.token-type", (body) => ({ body: { ...body, token_type: "mac" } })],
  ["an error", "oidc.token-error", () => ({ status: 400, body: { error: "invalid_grant" } })],
  ["a page in place of tokens", "oidc.malformed", () => ({ text: "<html>" })],
  ["ten megabytes", "fetch.too-large", () => ({ text: " ".repeat(10_000_000) })],
  ["a redirect into the machine's own network", "fetch.redirected", () => ({ status: 302, location: "http://169.254.169.254/latest/meta-data" })],
];

/** Providers whose documents are refused when somebody adds them: name, words of the reason. */
export const DOCUMENTS = [
  ["issuer", "names another issuer", (doc) => ({ ...doc, issuer: `${doc.issuer}/` })],
  ["plain-pkce", "does not offer PKCE", (doc) => ({ ...doc, code_challenge_methods_supported: ["plain"] })],
  ["implicit", "does not offer the code flow", (doc) => ({ ...doc, response_types_supported: ["id_token"] })],
  ["symmetric", "no algorithm that is allowed", (doc) => ({ ...doc, id_token_signing_alg_values_supported: ["HS256", "none"] })],
  ["metadata", "address of the provider may not be called", (doc) => ({ ...doc, jwks_uri: "https://169.254.169.254/keys" })],
  ["loopback", "address of the provider may not be called", (doc) => ({ ...doc, jwks_uri: "https://127.0.0.1:1/keys" })],
  ["clear", "address in it is not acceptable", (doc) => ({ ...doc, token_endpoint: "http://localhost/token" })],
  ["large-keys", "is too large", (doc) => ({ ...doc, jwks_uri: `${doc.issuer}/large` })],
  ["slow-keys", "does not answer", (doc) => ({ ...doc, jwks_uri: `${doc.issuer}/slow` })],
  ["moved", "sends us elsewhere", (doc) => ({ ...doc, jwks_uri: `${doc.issuer}/moved` })],
];

export class Hostile {
  #codes = new Map();
  /** What the next ID token, and the next answer of the token endpoint, are. */
  token = null;
  answer = null;
  person = () => ({ sub: "mallory", email: "mallory@corp.example", name: "Mallory", groups: ["support"], amr: ["mfa"] });

  constructor(place) {
    this.place = place;
    place.handler = (req, res) => this.#serve(req, res);
  }

  issuer(name) {
    return `${this.place.origin}/t/${name}`;
  }

  #document(name) {
    const issuer = this.issuer(name);
    const document = {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ["code"],
      id_token_signing_alg_values_supported: ["ES256", "RS256"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: name !== "nameless",
    };
    const odd = DOCUMENTS.find(([is]) => is === name);
    return odd ? odd[2](document) : document;
  }

  /** What a browser would bring back from the address it was sent to. */
  authorize(location) {
    const asked = new URL(location).searchParams;
    const code = randomUUID();
    const issuer = location.split("/auth?")[0];
    this.#codes.set(code, { asked, issuer });
    return { code, state: asked.get("state"), iss: issuer, redirect: asked.get("redirect_uri") };
  }

  logoutToken(name, more = {}, header = {}, key = ec.privateKey) {
    const claims = { iss: this.issuer(name), aud: CLIENT.id, iat: now(), exp: now() + 120, jti: randomUUID(), sub: "mallory", events: { [EVENT]: {} }, ...more };
    return forge(head({ typ: "logout+jwt", ...header }), JSON.parse(JSON.stringify(claims)), key);
  }

  #serve(req, res) {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      const [, , name, what] = new URL(req.url, this.place.origin).pathname.split("/");
      const json = (body, status = 200) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (req.url.endsWith("/.well-known/openid-configuration")) return json(this.#document(name));
      if (what === "keys") return json({ keys: [publicJwk(ec, { kid: "e1" }), publicJwk(rsa, { kid: "r1" })] });
      if (what === "large") return res.end(" ".repeat(10_000_000));
      if (what === "slow") return undefined;
      if (what === "moved") return res.writeHead(302, { location: "http://169.254.169.254/" }).end();
      if (what === "token") return this.#tokens(Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString())), res);
      return res.writeHead(404).end();
    });
  }

  #tokens(form, res) {
    const json = (body, status = 200) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const grant = this.#codes.get(form.code);
    this.#codes.delete(form.code);
    const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
    if (!grant || challenge !== grant.asked.get("code_challenge") || form.redirect_uri !== grant.asked.get("redirect_uri")) {
      return json({ error: "invalid_grant" }, 400);
    }
    const claims = { iss: grant.issuer, aud: CLIENT.id, nonce: grant.asked.get("nonce"), iat: now(), exp: now() + 300, auth_time: now(), ...this.person() };
    const body = { token_type: "Bearer", access_token: "access", id_token: this.token ? this.token(claims) : forge(head(), claims) };
    const odd = this.answer?.(body);
    if (!odd) return json(body);
    if (odd.location) return res.writeHead(odd.status, { location: odd.location }).end();
    if (odd.text !== undefined) return res.writeHead(200, { "content-type": "application/json" }).end(odd.text);
    return json(odd.body, odd.status ?? 200);
  }
}
