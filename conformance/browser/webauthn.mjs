// Passkeys at the console of a running Wardroom: Chromium's virtual authenticator, honest and not, and an
// authenticator of ours whose answers no honest one gives.
//
//   node webauthn.mjs WARDROOM_BINARY WORK_DIR
//
// WORK_DIR may be thrown away. The last line is one line of JSON with the figures.

import { randomBytes, sign } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { listen } from "../oidc/http.mjs";
import { addAuthenticator } from "./lib/authenticator.mjs";
import { expect } from "./lib/checks.mjs";
import { openDesk } from "./lib/desk.mjs";
import { SoftAuthenticator, cbor } from "./lib/soft-authenticator.mjs";
import { loopbackCertificate } from "./lib/tls.mjs";

const [binary, work] = process.argv.slice(2);
if (!binary || !work) {
  console.error("usage: node webauthn.mjs WARDROOM_BINARY WORK_DIR");
  process.exit(2);
}
mkdirSync(work, { recursive: true });
const tls = loopbackCertificate(join(work, "tls"));
const evil = await listen(tls);
evil.handler = (_, res) => res.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Not the console</title>");
const desk = await openDesk({ binary, work: join(work, "house"), cas: [tls.ca] });
const [accepted, refused] = [desk.accepted.bind(desk), desk.refused.bind(desk)];
const origin = desk.origin;
const rpId = new URL(origin).hostname;
/** The reasons of failed sign-ins that the audit log must hold, in their order. */
const reasons = [];

const owner = await desk.person("Olive Owner");
await accepted("the first owner enrols with a password", () => owner.enrol(desk.ready.enrolment, "owner@desk.example"));

async function invite(role) {
  await owner.go("/users");
  await owner.page.selectOption("#role", role);
  await owner.press("Invite");
  return owner.page.locator("#link").innerText();
}

const invitations = [];
await accepted("the owner invites people", async () => {
  for (const role of ["support_manager", "support_agent", "bot_developer", "support_agent", "bot_developer"]) invitations.push(await invite(role));
});

/** One exchange of the page that a person looks at, as the page's own script makes it. */
async function post(who, path, body) {
  return who.page.evaluate(
    async ([path, body]) => {
      const csrf = document.querySelector("wr-passkey").dataset.csrf;
      const headers = { "content-type": "application/json", accept: "application/json", "x-csrf-token": csrf };
      const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: response.status, text: await response.text() };
    },
    [path, body],
  );
}

async function challenge(who, way, body = {}) {
  const answer = await post(who, `${way}/start`, body);
  expect(answer.status === 200, `no challenge: ${answer.status} ${answer.text}`);
  return { ...JSON.parse(answer.text), origin, rpId };
}

const LABEL = { label: "A key" };

// Chromium's authenticator. -----------------------------------------------------------------------

const grace = await desk.person("Grace Hopper");
await accepted("a passkey is made with user verification, and opens the console", async () => {
  grace.authenticator = await addAuthenticator(grace.page);
  await grace.begin(invitations[0], "grace@desk.example");
  const asked = await challenge(grace, "/enrol/passkey", LABEL);
  expect(asked.authenticatorSelection.userVerification === "required" && asked.authenticatorSelection.residentKey === "required", "it is not demanded");
  expect(JSON.stringify(asked.pubKeyCredParams.map(({ alg }) => alg)) === "[-8,-7,-257]", JSON.stringify(asked.pubKeyCredParams));
  expect(asked.attestation === "none" && asked.challenge.length === 43, "the challenge is not 32 bytes");
  await grace.press("Make a passkey");
  await grace.arrived("/enrol/codes");
  const [credential] = await grace.authenticator.credentials();
  expect(credential.isResidentCredential && credential.rpId === rpId, "it is not discoverable");
});
const signOut = async (who) => {
  await who.go("/");
  await who.press("Sign out");
  await who.arrived("/sign-in");
};
await accepted("the passkey signs in, without a name", async () => {
  await signOut(grace);
  await grace.press("Use a passkey");
  await grace.arrived("/");
});
await accepted("the passkey proves anew who its holder is", async () => {
  await grace.go("/step-up?next=/account");
  await grace.press("Use a passkey");
  await grace.arrived("/account");
});
await refused("an authenticator that does not verify its user gives nothing", async () => {
  await signOut(grace);
  await grace.authenticator.verify(false);
  await grace.press("Use a passkey");
  await grace.page.getByText("It was cancelled or took too long.").waitFor();
  await grace.authenticator.verify(true);
});
for (const [name, bits] of [
  ["a signature that is not the key's", { isBogusSignature: true }],
  ["an answer without user verification", { isBadUV: true }],
  ["an answer without a touch", { isBadUP: true }],
]) {
  await refused(`the virtual authenticator gives ${name}`, async () => {
    await grace.go("/sign-in");
    await grace.authenticator.lie(bits);
    await grace.press("Use a passkey");
    await grace.page.locator("wr-passkey [role=alert]:not(:empty)").waitFor();
    await grace.authenticator.lie({});
    await grace.go("/account");
    expect(grace.path() === "/sign-in", `signed in: ${grace.path()}`);
    reasons.push("assertion");
  });
}
await refused("a page of another origin, which relays our challenge", async () => {
  await grace.go("/sign-in");
  const asked = await challenge(grace, "/sign-in/passkey");
  const there = await grace.page.context().newPage();
  const copy = await addAuthenticator(there);
  await there.goto(`${evil.origin}/`);
  await copy.put((await grace.authenticator.credentials())[0]);
  const stolen = await there.evaluate(async ([challenge, rpId]) => {
    const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const { id, response } = await navigator.credentials.get({ publicKey: { challenge: bytes(challenge), rpId, userVerification: "required" } });
    return { id, client_data: text(response.clientDataJSON), authenticator_data: text(response.authenticatorData), signature: text(response.signature), user_handle: text(response.userHandle) };
  }, [asked.challenge, rpId]);
  await there.close();
  const answer = await post(grace, "/sign-in/passkey/finish", { credential: stolen });
  expect(answer.status >= 400, `status ${answer.status}`);
  reasons.push("assertion");
});
await refused("a copy of the authenticator, whose counter stayed behind", async () => {
  await grace.go("/sign-in");
  await grace.press("Use a passkey");
  await grace.arrived("/");
  const [credential] = await grace.authenticator.credentials();
  await signOut(grace);
  await grace.authenticator.put({ ...credential, signCount: 0 });
  await grace.press("Use a passkey");
  await grace.page.locator("wr-passkey [role=alert]:not(:empty)").waitFor();
  await grace.go("/account");
  expect(grace.path() === "/sign-in", `signed in: ${grace.path()}`);
  reasons.push("counter");
  await grace.authenticator.put({ ...credential, signCount: credential.signCount + 10 });
});

// Registrations that no honest authenticator makes. -----------------------------------------------

const ada = await desk.person("Ada Lovelace");
const key = new SoftAuthenticator("ES256");
const other = new SoftAuthenticator("ES256");
await ada.begin(invitations[1], "ada@desk.example");
const spent = await challenge(ada, "/enrol/passkey", LABEL);
const point = (x, y) => [[1, 2], [3, -7], [-1, 1], [-2, x], [-3, y]];
for (const [name, lie, asked] of [
  ["the challenge of another ceremony", { challenge: randomBytes(32).toString("base64url") }],
  ["the challenge before this one", { challenge: spent.challenge }],
  ["another origin", { origin: "https://evil.example" }],
  ["the same host with another port", { origin: evil.origin }],
  ["a page inside of another site's", { crossOrigin: true }],
  ["another relying party", { rpId: "evil.example" }],
  ["the other ceremony's type", { type: "webauthn.get" }],
  ["no user present", { flags: 0x44 }],
  ["no user verified", { flags: 0x41 }],
  ["no credential", { flags: 0x05 }],
  ["another credential's id around it", { says: other.id }],
  ["an id that is too long", { id: randomBytes(1024) }],
  ["something after the data", { after: Buffer.from([0]) }],
  ["something that is no CBOR", { object: Buffer.from("no CBOR") }],
  ["CBOR without data", { object: cbor([["fmt", "none"], ["attStmt", []]]) }],
  ["an algorithm that was not offered (ES384)", { cose: new SoftAuthenticator("ES384").cose() }],
  ["RSA with SHA-1 (RS1)", { cose: [[1, 3], [3, -65535], [-1, randomBytes(256)], [-2, Buffer.from([1, 0, 1])]] }],
  ["RSA of 1024 bits", { cose: new SoftAuthenticator("RS256", 1024).cose() }],
  ["another curve under ES256", { cose: [[1, 2], [3, -7], [-1, 2], [-2, randomBytes(48)], [-3, randomBytes(48)]] }],
  ["a point that is not on the curve", { cose: point(Buffer.alloc(32, 1), Buffer.alloc(32, 1)) }],
  ["coordinates of 31 bytes", { cose: point(randomBytes(31), randomBytes(31)) }],
  ["an Ed25519 key of 31 bytes", { cose: [[1, 1], [3, -8], [-1, 6], [-2, randomBytes(31)]] }],
  ["a key without an algorithm", { cose: [[1, 2], [-1, 1], [-2, randomBytes(32)], [-3, randomBytes(32)]] }],
]) {
  await refused(`a registration with ${name}`, async () => {
    const now = await challenge(ada, "/enrol/passkey", LABEL);
    const answer = await post(ada, "/enrol/passkey/finish", { ...LABEL, credential: key.create({ ...now, ...asked }, lie) });
    expect(answer.status >= 400 && answer.status < 500, `status ${answer.status}: ${answer.text}`);
  });
}
await accepted("the same authenticator, when it tells the truth", async () => {
  const now = await challenge(ada, "/enrol/passkey", LABEL);
  const answer = await post(ada, "/enrol/passkey/finish", { ...LABEL, credential: key.create(now) });
  expect(answer.status === 200, `status ${answer.status}: ${answer.text}`);
});
await refused("somebody else's credential, registered again", async () => {
  const eve = await desk.person("Eve");
  await eve.begin(invitations[3], "eve@desk.example");
  const now = await challenge(eve, "/enrol/passkey", LABEL);
  const answer = await post(eve, "/enrol/passkey/finish", { ...LABEL, credential: other.create(now, { id: key.id }) });
  expect(answer.status >= 400 && answer.status < 500, `status ${answer.status}: ${answer.text}`);
});
const lin = await desk.person("Lin Clark");
for (const kind of ["EdDSA", "RS256"]) {
  await accepted(`a key of another offered algorithm: ${kind}`, async () => {
    const [who, invitation] = kind === "EdDSA" ? [lin, invitations[2]] : [await desk.person("Ron Rivest"), invitations[4]];
    who.key = new SoftAuthenticator(kind);
    await who.begin(invitation, `${kind.toLowerCase()}@desk.example`);
    const credential = who.key.create(await challenge(who, "/enrol/passkey", LABEL));
    const answer = await post(who, "/enrol/passkey/finish", { ...LABEL, credential });
    expect(answer.status === 200, `status ${answer.status}: ${answer.text}`);
    await signOut(who);
    who.key.counter++;
    const done = await post(who, "/sign-in/passkey/finish", { credential: who.key.get(await challenge(who, "/sign-in/passkey")) });
    expect(done.status === 204, `status ${done.status}: ${done.text}`);
    await who.go("/account");
    expect(who.path() === "/account", "it did not open");
    await signOut(who);
  });
}

// Answers that no honest authenticator gives. -----------------------------------------------------

await signOut(ada);
const raw = (bytes) => sign("sha256", bytes, { key: key.pair.privateKey, dsaEncoding: "ieee-p1363" });
const flipped = (bytes) => {
  const made = key.kind.sign(key.pair.privateKey, bytes);
  made[made.length - 1] ^= 1;
  return made;
};
async function finish(credential) {
  return post(ada, "/sign-in/passkey/finish", { credential });
}
let last;
await accepted("the passkey signs in, and its counter is remembered", async () => {
  key.counter = 5;
  last = key.get(await challenge(ada, "/sign-in/passkey"));
  expect((await finish(last)).status === 204, "it was refused");
  await signOut(ada);
});
for (const [name, lie, reason = "assertion", counter = 100] of [
  ["the challenge of another ceremony", { challenge: randomBytes(32).toString("base64url") }],
  ["another origin", { origin: "https://evil.example" }],
  ["the same host with another port", { origin: evil.origin }],
  ["a page inside of another site's", { crossOrigin: true }],
  ["another relying party", { rpId: "evil.example" }],
  ["the other ceremony's type", { type: "webauthn.create" }],
  ["no user present", { flags: 0x04 }],
  ["no user verified", { flags: 0x01 }],
  ["something after the data", { after: Buffer.from([0]) }],
  ["one bit of the signature flipped", { signs: flipped }],
  ["a signature in the form of JOSE", { signs: raw }],
  ["an empty signature", { signs: () => Buffer.alloc(0) }],
  ["another key's signature", { signs: (bytes) => other.kind.sign(other.pair.privateKey, bytes) }],
  ["another person's handle", { user: randomBytes(16).toString("base64url") }],
  ["a credential that nobody registered", { id: randomBytes(32) }, "unknown"],
  ["the counter where it was", {}, "counter", 5],
  ["the counter before that", {}, "counter", 4],
  ["no counter any more", {}, "counter", 0],
]) {
  await refused(`an answer with ${name}`, async () => {
    key.counter = counter;
    const answer = await finish(key.get(await challenge(ada, "/sign-in/passkey"), lie));
    expect(answer.status >= 400 && answer.status < 500, `status ${answer.status}: ${answer.text}`);
    expect(!/counter|signature|challenge|origin/.test(answer.text), `it tells why: ${answer.text}`);
    reasons.push(reason);
  });
}
await refused("the answer that signed in before, to a new challenge", async () => {
  await challenge(ada, "/sign-in/passkey");
  expect((await finish(last)).status >= 400, "it was believed twice");
  reasons.push("assertion");
});
await refused("two answers to one challenge", async () => {
  const asked = await challenge(ada, "/sign-in/passkey");
  key.counter = 200;
  expect((await finish(key.get(asked, { flags: 0x01 }))).status >= 400, "the first was believed");
  reasons.push("assertion");
  key.counter = 201;
  expect((await finish(key.get(asked))).status >= 400, "the second was believed");
});
await refused("an answer that is given in another browser", async () => {
  const credential = key.get(await challenge(ada, "/sign-in/passkey"));
  const thief = await desk.person("thief");
  await thief.go("/sign-in");
  const answer = await post(thief, "/sign-in/passkey/finish", { credential });
  expect(answer.status >= 400, "it was believed");
});
await refused("a step-up with somebody else's passkey", async () => {
  await grace.go("/sign-in");
  await grace.press("Use a passkey");
  await grace.arrived("/");
  await grace.go("/step-up?next=/account");
  key.counter = 300;
  const credential = key.get(await challenge(grace, "/step-up/passkey"));
  const answer = await post(grace, "/step-up/passkey/finish", { credential });
  expect(answer.status >= 400, `status ${answer.status}`);
  reasons.push("factor");
});
await refused("an answer to a step-up, given to sign in", async () => {
  await grace.go("/step-up?next=/account");
  const asked = await challenge(grace, "/step-up/passkey");
  key.counter = 400;
  // Ada's browser has a question of its own open, which this does not answer.
  const answer = await finish(key.get(asked));
  expect(answer.status >= 400, "it was believed");
  reasons.push("assertion");
});
await refused("a passkey whose account was disabled", async () => {
  await owner.go("/users");
  await owner.page.getByRole("link", { name: "Lin Clark" }).first().click();
  await owner.page.fill("#reason", "left the company").catch(() => {});
  await owner.page.locator('form[action$="/disable"] button').click();
  const sure = owner.page.locator("dialog[open] button").last();
  if (await sure.isVisible().catch(() => false)) await sure.click();
  await owner.page.waitForLoadState();
  lin.key.counter += 10;
  await lin.go("/sign-in");
  const answer = await post(lin, "/sign-in/passkey/finish", { credential: lin.key.get(await challenge(lin, "/sign-in/passkey")) });
  expect(answer.status >= 400, `status ${answer.status}`);
  reasons.push("disabled");
});

await desk.checks.check("the house stops in good order", () => desk.stop());
evil.close();
await desk.checks.check("every refused sign-in is in the audit log, with its own reason and in its order", async () => {
  const found = desk.told("AUTH-1002W", "reason");
  expect(JSON.stringify(found) === JSON.stringify(reasons), `expected ${reasons.join(" ")}\nfound    ${found.join(" ")}`);
});
const status = desk.checks.close();
console.log(JSON.stringify({ name: "webauthn", figures: desk.figures }));
process.exit(status);
