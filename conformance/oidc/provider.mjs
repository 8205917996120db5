// A certified provider (oidc-provider), set up for these tests: whoever comes to its login names the
// person and the factors in the address, for it stands for an enterprise's login and is none.

import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";
import { exchange } from "./http.mjs";

const jwk = (kind, options, more) => {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), ...more };
};

export const CLIENT = { id: "wardroom", secret: "wardroom-secret-of-this-run" };

/** The same house once more, for people who chat: another door, another client. */
export const CHAT_CLIENT = { id: "wardroom-chat", secret: "another-secret-of-this-run" };

/** Who can sign in; tests change their groups. */
export const people = {
  alice: { email: "alice@corp.example", email_verified: true, name: "Alice Liddell", groups: ["admins"] },
  bob: { email: "bob@corp.example", email_verified: true, name: "Bob Cratchit", groups: ["support"] },
  carol: { email: "carol@elsewhere.example", email_verified: true, name: "Carol", groups: ["support"] },
};

/** How the next login proves who somebody is. */
export const next = { user: "alice", acr: "urn:wardroom:aal2", amr: ["pwd", "otp", "mfa"] };

export function open(place, desk, front, deskCa, signing = "ES256") {
  const client = ({ id, secret }, door, afterwards) => ({
    client_id: id,
    client_secret: secret,
    redirect_uris: [`${door}/sso/oidc/callback`],
    post_logout_redirect_uris: [`${door}${afterwards}`],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    id_token_signed_response_alg: signing,
    backchannel_logout_uri: `${door}/sso/oidc/backchannel`,
    backchannel_logout_session_required: true,
  });
  const provider = new Provider(place.origin, {
    clients: [client(CLIENT, desk, "/sign-in"), client(CHAT_CLIENT, front, "/mine")],
    jwks: {
      keys: [
        jwk("rsa", { modulusLength: 2048 }, { kid: "r1", use: "sig", alg: "RS256" }),
        jwk("ec", { namedCurve: "P-256" }, { kid: "e1", use: "sig", alg: "ES256" }),
        jwk("ed25519", {}, { kid: "d1", use: "sig", alg: "EdDSA" }),
      ],
    },
    claims: {
      openid: ["sub", "acr", "amr", "auth_time", "sid"],
      email: ["email", "email_verified"],
      profile: ["name", "groups"],
    },
    scopes: ["openid", "email", "profile"],
    conformIdTokenClaims: false,
    acrValues: ["urn:wardroom:aal1", "urn:wardroom:aal2"],
    pkce: { required: () => true },
    cookies: { keys: ["a key of these tests"] },
    features: {
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      devInteractions: { enabled: false },
    },
    findAccount: async (_, id) =>
      people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // The library's own client refuses addresses of this machine, and knows other authorities.
    fetch: async (url, { method = "GET", headers, body } = {}) => {
      const plain = Object.fromEntries(new Headers(headers));
      const sent = body === undefined ? undefined : String(body);
      const answer = await exchange(String(url), { method, headers: plain, body: sent, ca: deskCa });
      return new Response(answer.text || null, { status: answer.status });
    },
    loadExistingGrant: async (ctx) => {
      const { client, session, provider: self } = ctx.oidc;
      const grant = new self.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  });
  const told = [];
  for (const event of ["backchannel.success", "backchannel.error", "server_error"]) {
    provider.on(event, (...words) => told.push([event, ...words.filter((word) => word instanceof Error).map(String)]));
  }
  provider.use(async (ctx, go) => {
    if (!ctx.path.startsWith("/interaction/")) return go();
    const { user, acr, amr } = next;
    const login = { accountId: user, acr, amr, remember: true };
    await provider.interactionFinished(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false });
    ctx.respond = false;
  });
  place.handler = provider.callback();
  return { provider, told };
}
