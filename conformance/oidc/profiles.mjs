// The large providers by the shape of what they publish and say: discovery documents, keys and ID tokens
// with the members that theirs have, under addresses of this machine and signed with keys of this run.
// What is odd about each is a case.

import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";

export const CLIENT = { id: "wardroom-at-the-provider", secret: "profile-secret-of-this-run" };
const now = () => Math.floor(Date.now() / 1000);
const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const TENANT = "5f0cf36c-6a3e-4c4c-9a0b-0f6d7f1f2a10";
const drop = (claims, ...names) => Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)));

/**
 * Each: its path, the members of its document (an address for each path), its people, what is set of the
 * connection, and cases: name, what is changed of the claims, and what must follow, which is `in`, a role
 * that is shown, `second factor`, or the reason of a refusal.
 */
export const PROFILES = [
  {
    name: "Entra",
    path: `/${TENANT}/v2.0`,
    domain: "entra.example",
    // It publishes neither the methods of PKCE nor that it names itself, and its keys say no algorithm.
    document: (at) => ({
      token_endpoint: at("/token"),
      token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
      jwks_uri: at("/discovery/keys"),
      response_modes_supported: ["query", "fragment", "form_post"],
      subject_types_supported: ["pairwise"],
      id_token_signing_alg_values_supported: ["RS256"],
      response_types_supported: ["code", "id_token", "code id_token", "id_token token"],
      scopes_supported: ["openid", "profile", "email", "offline_access"],
      request_uri_parameter_supported: false,
      userinfo_endpoint: at("/oidc/userinfo"),
      authorization_endpoint: at("/authorize"),
      device_authorization_endpoint: at("/devicecode"),
      http_logout_supported: true,
      frontchannel_logout_supported: true,
      end_session_endpoint: at("/logout"),
      claims_supported: ["sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"],
      kerberos_endpoint: at("/kerberos"),
      tenant_region_scope: "EU",
      cloud_instance_name: "microsoftonline.com",
    }),
    key: (jwk) => ({ ...drop(jwk, "alg"), x5t: "fHh0mU2Xp0hWbq7rXjJ6yUzN2mE", x5c: ["MIIC"] }),
    person: () => ({
      sub: "Zm9vYmFyYmF6cXV4LXBhaXJ3aXNlLXN1YmplY3Q",
      oid: "00000000-1111-2222-3333-444455556666",
      tid: TENANT,
      ver: "2.0",
      preferred_username: "nina@entra.example",
      email: "nina@entra.example",
      name: "Nina Nováková",
      rh: "0.AAAA",
      uti: "abc",
      groups: ["0c7f2b34-aaaa-bbbb-cccc-444455556666", "9d1e"],
      amr: ["pwd", "mfa"],
    }),
    groups: "groups",
    mapping: "0c7f2b34-aaaa-bbbb-cccc-444455556666 = support_manager",
    cases: [
      ["its groups by their object ids", (c) => c, "support manager"],
      ["more groups than fit, in a claim that points elsewhere", (c) => ({
        ...drop(c, "groups"),
        _claim_names: { groups: "src1" },
        _claim_sources: { src1: { endpoint: "https://graph.windows.net/x/users/y/getMemberObjects" } },
      }), "sso.groups-too-many"],
      ["no groups at all", (c) => drop(c, "groups"), "sso.groups-unsaid"],
      ["an address that the person wrote themselves", (c) => ({ ...c, sub: "other-1", xms_edov: false }), "sso.address-unverified"],
      ["an address whose domain is another tenant's", (c) => ({ ...c, sub: "other-2", email: "ceo@okta.example" }), "sso.address-foreign"],
      ["an address that another subject has", (c) => ({ ...c, sub: "other-3", xms_edov: "1" }), "sso.other-subject"],
      ["an address that the domain's owner has verified", (c) => ({ ...c, sub: "other-4", email: "nora@entra.example", xms_edov: "1" }), "support manager"],
      ["one factor", (c) => ({ ...c, amr: ["pwd"] }), "second factor"],
      ["a token of another tenant", (c) => ({ ...c, iss: c.iss.replace(TENANT, "9188040d-6c67-4c5b-b112-36a304b66dad") }), "oidc.iss"],
    ],
  },
  {
    name: "Okta",
    path: "/oauth2/default",
    domain: "okta.example",
    document: (at) => ({
      authorization_endpoint: at("/v1/authorize"),
      token_endpoint: at("/v1/token"),
      userinfo_endpoint: at("/v1/userinfo"),
      registration_endpoint: at("/v1/clients"),
      jwks_uri: at("/v1/keys"),
      response_types_supported: ["code", "token", "id_token", "code id_token", "code token", "id_token token", "code id_token token"],
      response_modes_supported: ["query", "fragment", "form_post", "okta_post_message"],
      grant_types_supported: ["authorization_code", "implicit", "refresh_token", "password"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      scopes_supported: ["openid", "profile", "email", "address", "phone", "offline_access", "device_sso"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
      claims_supported: ["ver", "jti", "iss", "aud", "iat", "exp", "auth_time", "amr", "idp", "nonce", "name", "email", "sub"],
      code_challenge_methods_supported: ["S256"],
      introspection_endpoint: at("/v1/introspect"),
      revocation_endpoint: at("/v1/revoke"),
      end_session_endpoint: at("/v1/logout"),
      request_parameter_supported: true,
      request_object_signing_alg_values_supported: ["HS256", "RS256", "ES256"],
      device_authorization_endpoint: at("/v1/device/authorize"),
    }),
    key: (jwk) => jwk,
    person: () => ({
      sub: "00u1a2b3c4D5e6F7g8h9",
      name: "Otto Okta",
      email: "otto@okta.example",
      email_verified: true,
      preferred_username: "otto@okta.example",
      ver: 1,
      idp: "00o1a2b3c4",
      jti: `ID.${randomUUID()}`,
      amr: ["mfa", "otp", "pwd"],
      groups: ["Everyone", "wardroom-support"],
    }),
    groups: "groups",
    mapping: "wardroom-support = support_manager",
    cases: [
      ["the groups that its filter lets through", (c) => c, "support manager"],
      ["a filter that lets one group through, as a text", (c) => ({ ...c, groups: "wardroom-support" }), "support manager"],
      ["a filter that lets none through", (c) => ({ ...c, groups: [] }), "sso.no-role"],
      ["no filter, so nothing is said of groups", (c) => drop(c, "groups"), "sso.groups-unsaid"],
      ["a proof that resists phishing", (c) => ({ ...c, acr: "phr", amr: ["swk", "user"] }), "support manager"],
      ["an address that it has not verified", (c) => ({ ...c, sub: "00u-other", email_verified: false }), "sso.address-unverified"],
      ["a password alone", (c) => ({ ...c, amr: ["pwd"] }), "second factor"],
    ],
  },
  {
    name: "Google",
    path: "",
    domain: "google.example",
    document: (at) => ({
      authorization_endpoint: at("/o/oauth2/v2/auth"),
      device_authorization_endpoint: at("/device/code"),
      token_endpoint: at("/token"),
      userinfo_endpoint: at("/v1/userinfo"),
      revocation_endpoint: at("/revoke"),
      jwks_uri: at("/oauth2/v3/certs"),
      response_types_supported: ["code", "token", "id_token", "code token", "code id_token", "token id_token", "code token id_token", "none"],
      response_modes_supported: ["query", "fragment", "form_post"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      scopes_supported: ["openid", "email", "profile"],
      token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
      claims_supported: ["aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name", "picture", "sub"],
      code_challenge_methods_supported: ["plain", "S256"],
      grant_types_supported: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    }),
    key: (jwk) => jwk,
    // It says nothing of groups, factors, or when the person signed in.
    silent: true,
    person: () => ({
      sub: "110169484474386276334",
      azp: CLIENT.id,
      hd: "google.example",
      email: "gina@google.example",
      email_verified: true,
      name: "Gina Grace",
      picture: "https://lh3.googleusercontent.com/a/photo",
      given_name: "Gina",
      family_name: "Grace",
    }),
    groups: "",
    mapping: "",
    default: "support_agent",
    cases: [
      ["somebody of whom nothing is said but who they are", (c) => c, "second factor"],
      ["a private account with an address outside of the domain", (c) => ({ ...drop(c, "hd"), sub: "1101", email: "gina@gmail.example" }), "sso.address-foreign"],
      ["an account with an unverified address", (c) => ({ ...c, sub: "1102", email_verified: false }), "sso.address-unverified"],
      ["a token for another client of the same project", (c) => ({ ...c, aud: [CLIENT.id, "other.apps"], azp: "other.apps" }), "oidc.azp"],
    ],
  },
  {
    name: "Keycloak",
    path: "/realms/corp",
    domain: "keycloak.example",
    document: (at) => ({
      authorization_endpoint: at("/protocol/openid-connect/auth"),
      token_endpoint: at("/protocol/openid-connect/token"),
      introspection_endpoint: at("/protocol/openid-connect/token/introspect"),
      userinfo_endpoint: at("/protocol/openid-connect/userinfo"),
      end_session_endpoint: at("/protocol/openid-connect/logout"),
      frontchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      jwks_uri: at("/protocol/openid-connect/certs"),
      check_session_iframe: at("/protocol/openid-connect/login-status-iframe.html"),
      grant_types_supported: ["authorization_code", "client_credentials", "implicit", "password", "refresh_token"],
      acr_values_supported: ["0", "1"],
      response_types_supported: ["code", "none", "id_token", "token", "id_token token", "code id_token", "code token", "code id_token token"],
      subject_types_supported: ["public", "pairwise"],
      id_token_signing_alg_values_supported: ["PS384", "RS384", "EdDSA", "ES384", "HS256", "HS512", "ES256", "RS256", "HS384", "ES512", "PS256", "PS512", "RS512"],
      response_modes_supported: ["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"],
      token_endpoint_auth_methods_supported: ["private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"],
      code_challenge_methods_supported: ["plain", "S256"],
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      authorization_response_iss_parameter_supported: true,
      tls_client_certificate_bound_access_tokens: true,
      mtls_endpoint_aliases: { token_endpoint: at("/mtls/token") },
    }),
    // Its key set holds one for encryption as well.
    key: (jwk) => ({ ...jwk, x5c: ["MIIC"], x5t: "abc" }),
    encryption: true,
    person: () => ({
      sub: "f7a8b9c0-1111-4222-8333-444455556666",
      typ: "ID",
      sid: randomUUID(),
      acr: "2",
      email_verified: true,
      realm_access: { roles: ["offline_access", "uma_authorization", "wardroom-support"] },
      resource_access: { account: { roles: ["manage-account"] } },
      name: "Kaja Key",
      preferred_username: "kaja",
      given_name: "Kaja",
      family_name: "Key",
      email: "kaja@keycloak.example",
    }),
    groups: "realm_access.roles",
    mapping: "wardroom-support = support_manager",
    cases: [
      ["roles inside of another claim", (c) => c, "support manager"],
      ["a realm without roles", (c) => drop(c, "realm_access"), "sso.groups-unsaid"],
      ["roles that are no list", (c) => ({ ...c, realm_access: { roles: { a: 1 } } }), "sso.groups-unreadable"],
      ["a claim whose very name has the dot, which goes before", (c) => ({ ...c, "realm_access.roles": [] }), "sso.no-role"],
      ["the first level of its authentication flow", (c) => ({ ...c, acr: "1" }), "second factor"],
      ["a token that it signed for its own use", (c) => c, "oidc.alg-symmetric", { alg: "HS256" }],
    ],
  },
];

/** Serves the profiles at one place, each at an origin-wide path of its own. */
export class Profiles {
  #rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  #codes = new Map();
  /** What the next ID token says, and its header's changes. */
  claims = null;
  header = {};

  constructor(place) {
    this.place = place;
    place.handler = (req, res) => this.#serve(req, res);
  }

  issuer(profile) {
    return `${this.place.origin}/${profile.name.toLowerCase()}${profile.path}`;
  }

  #at(profile) {
    return (path) => `${this.issuer(profile)}${path}`;
  }

  #document(profile) {
    return { issuer: this.issuer(profile), ...profile.document(this.#at(profile)) };
  }

  #jwks(profile) {
    const jwk = { ...this.#rsa.publicKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "key-1" };
    const more = profile.encryption ? [{ ...jwk, use: "enc", alg: "RSA-OAEP", kid: "key-2" }] : [];
    return { keys: [...more, profile.key(jwk)] };
  }

  /** What a browser would bring back from the address it was sent to. */
  authorize(profile, location) {
    const asked = new URL(location).searchParams;
    const code = `1.${randomUUID()}`;
    this.#codes.set(code, { asked, profile });
    const query = new URLSearchParams({ code, state: asked.get("state") });
    // Entra and Keycloak add a session's state; those that promised to name themselves do.
    if (["Entra", "Keycloak"].includes(profile.name)) query.set("session_state", randomUUID());
    if (this.#document(profile).authorization_response_iss_parameter_supported) query.set("iss", this.issuer(profile));
    if (profile.name === "Google") query.set("scope", "email profile openid");
    return `${asked.get("redirect_uri")}?${query}`;
  }

  #token(profile, claims) {
    const header = { typ: "JWT", alg: "RS256", kid: "key-1", ...this.header };
    const input = `${b64(header)}.${b64(claims)}`;
    return `${input}.${sign("sha256", Buffer.from(input), this.#rsa.privateKey).toString("base64url")}`;
  }

  #serve(req, res) {
    const parts = [];
    const json = (body, status = 200) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      const url = `${this.place.origin}${req.url}`;
      const profile = PROFILES.find((one) => url.startsWith(`${this.issuer(one)}/`));
      if (!profile) return json({}, 404);
      const document = this.#document(profile);
      if (url === `${this.issuer(profile)}/.well-known/openid-configuration`) return json(document);
      if (url === document.jwks_uri) return json(this.#jwks(profile));
      if (url !== document.token_endpoint) return json({}, 404);
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString()));
      const grant = this.#codes.get(form.code);
      this.#codes.delete(form.code);
      const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
      if (grant?.profile !== profile || challenge !== grant.asked.get("code_challenge")) return json({ error: "invalid_grant" }, 400);
      const clock = { iat: now(), nbf: now(), exp: now() + 3600, ...(profile.silent ? {} : { auth_time: now() }) };
      const base = { iss: this.issuer(profile), aud: CLIENT.id, nonce: grant.asked.get("nonce"), ...clock };
      const claims = this.claims({ ...base, ...profile.person() });
      return json({ token_type: "Bearer", scope: "openid email profile", expires_in: 3600, access_token: "access", id_token: this.#token(profile, claims) });
    });
  }
}
