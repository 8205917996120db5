// Signs in to a running Wardroom through SimpleSAMLphp and samlp, with a browser, and tries to do so
// with what they did not say.
//
//   node browser.mjs WARDROOM_BINARY WORK_DIR PYTHON
//
// WORK_DIR may be thrown away; PYTHON has pysaml2. The last line is one line of JSON with the figures.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, until } from "../browser/lib/checks.mjs";
import { openDesk } from "../browser/lib/desk.mjs";
import { loopbackCertificate } from "../browser/lib/tls.mjs";
import { Visitor, listen } from "../oidc/http.mjs";
import { peopleWho } from "./people.mjs";

const [binary, work, python] = process.argv.slice(2);
if (!binary || !work || !python) {
  console.error("usage: node browser.mjs WARDROOM_BINARY WORK_DIR PYTHON");
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
mkdirSync(work, { recursive: true });
const MFA = "https://refeds.org/profile/mfa";
const PASSWORD_ONLY = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

const tls = loopbackCertificate(join(work, "tls"));
const place = await listen(tls);
const desk = await openDesk({
  binary,
  work: join(work, "house"),
  cas: [tls.ca],
  config: `[sign_in]\ndomains = ["corp.example", "other.example"]\ninternal_providers = ["${place.origin}"]\nprovider_ca = "${tls.ca}"\n`,
});
const { accepted, refused, figures } = { accepted: desk.accepted.bind(desk), refused: desk.refused.bind(desk), figures: desk.figures };
/** The reasons that the audit log must hold in the end, in their order. */
const reasons = [];

// The providers. ----------------------------------------------------------------------------------

const freePort = () =>
  new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

const started = [];
process.on("exit", () => started.forEach(({ pid }) => end(pid)));

function end(pid) {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended.
  }
}

/** Starts a provider, in a group of its own because PHP's server has workers, and waits for its port. */
async function start(command, args, port, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "ignore", detached: true });
  started.push(child);
  await until(`${command} to listen`, () =>
    new Promise((done) => {
      const probe = connect(port, "127.0.0.1", () => (probe.destroy(), done(true)));
      probe.on("error", () => done(false));
    }),
  );
  return child;
}

function folder(name) {
  const at = join(work, name);
  mkdirSync(at, { recursive: true });
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test provider"];
  execFileSync("openssl", [...request, "-keyout", join(at, "idp.key"), "-out", join(at, "idp.crt")], { stdio: "pipe" });
  return at;
}

async function simplesamlphp() {
  const at = folder("simplesamlphp");
  for (const made of ["cert", "log", "data", "tmp"]) mkdirSync(join(at, made), { recursive: true });
  for (const copied of ["config", "metadata"]) cpSync(join(here, "simplesamlphp", copied), join(at, copied), { recursive: true });
  for (const made of ["idp.key", "idp.crt"]) cpSync(join(at, made), join(at, "cert", made));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(join(at, "services.json"), "{}");
  const env = { IDP_DIR: at, IDP_URL: url, SIMPLESAMLPHP_CONFIG_DIR: join(at, "config"), PHP_CLI_SERVER_WORKERS: "2", SIGN_RESPONSE: "1", ENCRYPT: "0" };
  await start("php", ["-S", `127.0.0.1:${port}`, join(here, "simplesamlphp/router.php")], port, env);
  return { at, url, metadata: `${url}/simplesaml/saml2/idp/metadata.php` };
}

/** samlp wants to know the service when it starts, and the service wants its metadata before. */
async function samlp(port, entity, acs, certificate) {
  const at = folder("samlp");
  const pem = certificate ?? readFileSync(join(at, "idp.crt"), "utf8").replace(/-----[^-]+-----|\s/g, "");
  writeFileSync(join(at, "encryption.pem"), `-----BEGIN CERTIFICATE-----\n${pem.match(/.{1,64}/g).join("\n")}\n-----END CERTIFICATE-----\n`);
  return start("node", [join(here, "samlp_idp.cjs"), at, String(port), "encrypted", entity, acs], port, { EMAIL: "alice@other.example" });
}

const corp = await simplesamlphp();
const say = (next) => writeFileSync(join(corp.at, "next.json"), JSON.stringify(next));
const published = await (await fetch(corp.metadata)).text();
place.handler = (_, res) => res.writeHead(200, { "content-type": "application/samlmetadata+xml" }).end(published);

/** Somebody at SimpleSAMLphp's login page. */
async function login(who, name) {
  await who.page.locator('input[name="username"]').fill(name);
  await who.page.locator('input[name="password"]').fill(`${name}-password`);
  await who.page.locator('input[name="password"]').press("Enter");
}

// Setting it up. ----------------------------------------------------------------------------------

const owner = await desk.person("Olive Owner");
await accepted("the first owner enrols", () => owner.enrolWithPasskey(desk.ready.enrolment, "owner@desk.example"));

const certificates = (xml, use) => {
  const found = xml.match(new RegExp(`use="${use}"[\\s\\S]*?<ds:X509Certificate>([^<]+)<`));
  return found?.[1];
};
const ours = async (path) => (await new Visitor(desk.ca).get(`${desk.origin}/sso/saml/${path.split("/").at(-1)}/metadata`)).text;

/** Makes one of our doors known to SimpleSAMLphp. */
const known = {};
function service(base, metadata) {
  known[`${base}/metadata`] = { acs: `${base}/acs`, logout: `${base}/logout`, signing: certificates(metadata, "signing") };
  writeFileSync(join(corp.at, "services.json"), JSON.stringify(known));
}

/** Says what people are, and which domains the connection has. */
async function setUp(domains, { email, groups }) {
  const { page } = owner;
  await page.check("#create");
  await page.fill("#email_claim", email);
  await page.fill("#name_claim", "displayName");
  if (groups) {
    await page.fill("#groups_claim", groups);
    await page.fill("#mapping", "developers = bot_developer\nsupport = support_manager\nguards = security_admin");
  } else {
    await page.selectOption("#default", "support_agent");
  }
  await owner.press("Save");
  await page.getByText("The change applies").waitFor();
  await page.fill("#domains", domains);
  await owner.press("Save the domains");
  await page.getByText("The change applies").waitFor();
}

async function switchOn() {
  await owner.press("Switch on");
  await owner.page.getByText("The connection is switched").waitFor();
}

let connection;
await accepted("the owner adds the enterprise's provider by the address of its metadata", async () => {
  await owner.go("/connections");
  await owner.page.fill("#saml-name", "Corp");
  await owner.page.fill("#metadata-address", `${place.origin}/metadata`);
  await owner.page.locator('form[action="/connections/saml"] button').click();
  await owner.page.getByRole("heading", { name: "Corp" }).waitFor();
  connection = owner.path();
  expect(/^\/connections\/[0-9a-f-]{36}$/.test(connection), `at ${connection}`);
  await setUp("corp.example", { email: "mail", groups: "groups" });
  const text = await owner.text("body");
  expect(text.includes("Pinned certificates") && text.includes("test provider"), "no certificate is shown");
  service(`${desk.origin}/sso/saml/${connection.split("/").at(-1)}`, await ours(connection));
});
await accepted("a trial shows what came and what would follow, and makes no account", async () => {
  say({ context: MFA });
  await owner.follow("Try it");
  await login(owner, "bob");
  await owner.arrived(`${connection}/trial`);
  const text = await owner.text();
  for (const words of ["bob@corp.example", "support manager", "none yet"]) expect(text.includes(words), `no \`${words}\` in ${text}`);
  await owner.picture("trial");
  await owner.go("/users");
  expect(!(await owner.text()).includes("bob@corp.example"), "an account was made");
});
await accepted("the owner switches the connection on", async () => {
  await owner.go(connection);
  await switchOn();
  await owner.picture("connection");
});

/** Where the provider's logout messages come to. */
const logoutAddress = () => `${desk.origin}/sso/saml/${connection.split("/").at(-1)}/logout`;

// Signing in and out. -----------------------------------------------------------------------------

const alice = await desk.person("alice");
await accepted("somebody signs in, asked for by us, and gets the role of their group", async () => {
  say({ context: MFA });
  await alice.through("Corp");
  await login(alice, "alice");
  await alice.arrived("/");
  expect((await alice.text("nav.rail")).includes("bot developer"), await alice.text("nav.rail"));
});
const bob = await desk.person("bob");
await accepted("one factor at the provider leads to a second one, asked for anew, before anything opens", async () => {
  say({ context: PASSWORD_ONLY });
  await bob.through("Corp");
  await login(bob, "bob");
  await bob.arrived("/step-up");
  await bob.go("/conversations");
  expect(bob.path() !== "/conversations" || !(await bob.text("h1")).includes("Conversations"), "it opened");
  await bob.go("/step-up");
  say({ context: MFA });
  await bob.follow("With Corp");
  // The provider has a session, and asks all the same.
  await login(bob, "bob");
  await bob.arrived("/");
  await bob.go("/conversations");
  expect((await bob.text("h1")).includes("Conversations"), "it did not open");
});
await refused("somebody else's word for a step-up", async () => {
  const eve = await desk.person("eve");
  say({ context: PASSWORD_ONLY });
  await eve.through("Corp");
  await login(eve, "bob");
  await eve.arrived("/step-up");
  say({ context: MFA });
  await eve.follow("With Corp");
  await login(eve, "alice");
  await eve.page.getByRole("heading", { name: "Not signed in" }).waitFor();
  reasons.push("sso.other-person");
});
await accepted("a group that is gone takes its role along, and the session that had it ends", async () => {
  const again = await desk.person("bob-again");
  say({ context: MFA, groups: ["developers"] });
  await again.through("Corp");
  await login(again, "bob");
  await again.arrived("/");
  const rail = await again.text("nav.rail");
  expect(rail.includes("bot developer") && !rail.includes("support manager"), rail);
  await bob.go("/conversations");
  expect(bob.path() === "/sign-in", `still at ${bob.path()}`);
  await again.go("/bots");
  expect(again.path() === "/bots", "the new session does not open");
});
await refused("somebody without a group that brings a role", async () => {
  const dan = await desk.person("dan");
  say({ context: MFA, groups: ["visitors"] });
  await dan.through("Corp");
  await login(dan, "bob");
  await dan.page.getByRole("heading", { name: "Not signed in" }).waitFor();
  reasons.push("sso.no-role");
});
await accepted("signing out here signs out there, and the provider asks for a password again", async () => {
  say({ context: MFA });
  await alice.press("Sign out");
  await alice.follow("Sign out there too");
  await alice.page.getByText("Your session has ended here and at your identity provider.").waitFor();
  await alice.picture("parted");
  await alice.through("Corp");
  await alice.page.locator('input[name="username"]').waitFor();
  await login(alice, "alice");
  await alice.arrived("/");
});
await accepted("a logout at the provider has ended the session here before we answer it", async () => {
  const there = await alice.page.context().newPage();
  const answer = there.waitForResponse((response) => response.url().startsWith(`${logoutAddress()}?SAMLRequest=`));
  const back = encodeURIComponent(`${corp.url}/simplesaml/`);
  const before = Date.now();
  // The way back leads over our address for logouts; what stands at its end is of no interest.
  there.goto(`${corp.url}/simplesaml/saml2/idp/SingleLogoutService.php?ReturnTo=${back}`).catch(() => {});
  expect((await answer).status() === 303, "we did not answer");
  figures.logout_ms = Date.now() - before;
  await alice.go("/account");
  expect(alice.path() === "/sign-in", `still at ${alice.path()}`);
  await there.close();
});

// Encrypted assertions, from samlp. ---------------------------------------------------------------

const eric = await desk.person("eric");
let other;
/** Its port, which is in its name, and its process. */
const encrypting = {};
await accepted("another provider is added by its metadata as a file, and encrypts for the key that we publish", async () => {
  const port = await freePort();
  const first = await samlp(port, "urn:none", "https://none.example/");
  const metadata = await (await fetch(`http://127.0.0.1:${port}/metadata`)).text();
  end(first.pid);
  await new Promise((done) => first.once("exit", done));
  await owner.go("/connections");
  await owner.page.fill("#saml-name", "Other");
  await owner.page.fill("#metadata", metadata);
  await owner.page.locator('form[action="/connections/saml"] button').click();
  await owner.page.getByRole("heading", { name: "Other" }).waitFor();
  other = owner.path();
  await setUp("other.example", { email: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress" });
  expect(!certificates(await ours(other), "encryption"), "a key is published that nobody asked for");
  await owner.page.selectOption("#encryption", "required");
  await owner.page.check("#accept_oaep_sha1");
  await owner.press("Save how messages are");
  await owner.page.getByText("The change applies").waitFor();
  const base = `${desk.origin}/sso/saml/${other.split("/").at(-1)}`;
  const again = await samlp(port, `${base}/metadata`, `${base}/acs`, certificates(await ours(other), "encryption"));
  // Its key was made anew with its folder: that is its metadata now.
  await owner.page.fill("#metadata", await (await fetch(`http://127.0.0.1:${port}/metadata`)).text());
  await owner.press("Read it");
  await owner.page.getByText("The change applies").waitFor();
  expect(again.exitCode === null, "it ended");
  Object.assign(encrypting, { port, child: again });
  await switchOn();
});
await accepted("an encrypted assertion signs somebody in, whose second factor is asked for here", async () => {
  await eric.through("Other");
  await eric.arrived("/step-up");
});
await accepted("the request goes by a form, on a page whose policy lets it, where the owner says so", async () => {
  await owner.go(other);
  await owner.page.check("#send_by_form");
  await owner.press("Save how messages are");
  await owner.page.getByText("The change applies").waitFor();
  const again = await desk.person("eric-again");
  const sent = again.page.waitForRequest((request) => request.method() === "POST" && (request.postData() ?? "").includes("SAMLRequest="));
  await again.through("Other");
  const asked = await sent;
  expect(!asked.url().includes("SAMLRequest"), asked.url());
  const xml = Buffer.from(new URLSearchParams(asked.postData()).get("SAMLRequest"), "base64").toString();
  expect(xml.includes("<samlp:AuthnRequest") && xml.includes("<ds:SignatureValue>"), xml);
  await again.arrived("/step-up");
});
await refused("a plain assertion where encrypted ones are demanded", async () => {
  await owner.go(connection);
  await owner.page.selectOption("#encryption", "required");
  await owner.press("Save how messages are");
  await owner.page.getByText("The change applies").waitFor();
  await alice.through("Corp");
  await login(alice, "alice");
  await alice.page.getByRole("heading", { name: "Not signed in" }).waitFor();
  reasons.push("saml.encryption_required");
  await owner.page.selectOption("#encryption", "off");
  await owner.press("Save how messages are");
  await owner.page.getByText("The change applies").waitFor();
});

// What was not said. ------------------------------------------------------------------------------

/** A genuine answer that the browser was kept from bringing, and where it was to go. */
async function caught(who = alice) {
  let form;
  await who.page.route("**/acs", (route) => {
    form = new URLSearchParams(route.request().postData());
    return route.abort();
  });
  await who.through("Corp").catch(() => {});
  await until("the provider's answer", async () => {
    const asks = who.page.locator('input[name="username"]');
    if (!form && (await asks.count().catch(() => 0))) await login(who, "alice").catch(() => {});
    return form;
  });
  await who.page.unroute("**/acs");
  return { response: Buffer.from(form.get("SAMLResponse"), "base64").toString("utf8"), state: form.get("RelayState") };
}

const acs = (path = connection) => `${desk.origin}/sso/saml/${path.split("/").at(-1)}/acs`;

/** Brings an answer as a browser would that has no cookie of ours; gives what the page after says. */
async function bring({ response, state }, to = acs()) {
  const visitor = new Visitor(desk.ca);
  const SAMLResponse = Buffer.from(response, "utf8").toString("base64");
  const answer = await visitor.post(to, { SAMLResponse, RelayState: state });
  if (answer.status !== 303) return { visitor, answer };
  return { visitor, answer: await visitor.get(new URL(answer.headers.location, desk.origin).href), handle: answer.headers.location };
}

async function nobody({ visitor, answer }, reason) {
  expect([401, 409, 422].includes(answer.status), `status ${answer.status}`);
  expect(!answer.text.includes("saml."), "the page tells the reason");
  const home = await visitor.get(`${desk.origin}/account`);
  expect(home.status === 303 && home.headers.location.startsWith("/sign-in"), `signed in: ${home.status}`);
  if (reason) reasons.push(reason);
}

await refused("an answer in which the person was changed", async () => {
  const answer = await caught();
  answer.response = answer.response.replaceAll("alice", "admin");
  await nobody(await bring(answer), "saml.digest");
});
await refused("an answer with a comment inside the person's name", async () => {
  const answer = await caught();
  answer.response = answer.response.replace(">alice<", ">ali<!-- -->ce<");
  await nobody(await bring(answer), "saml.markup");
});
await refused("an answer with a second assertion around the first (XSW)", async () => {
  const answer = await caught();
  const [assertion] = answer.response.match(/<saml:Assertion[\s\S]*<\/saml:Assertion>/);
  const forged = assertion.replaceAll("alice", "admin").replace(/ID="[^"]+"/, 'ID="_forged"').replace(/<ds:Signature[\s\S]*<\/ds:Signature>/, "");
  answer.response = answer.response.replace(assertion, forged + assertion);
  await nobody(await bring(answer), "saml.assertion_count");
});
await refused("an answer without its signatures", async () => {
  const answer = await caught();
  answer.response = answer.response.replace(/<ds:Signature[\s\S]*?<\/ds:Signature>/g, "");
  await nobody(await bring(answer), "saml.unsigned");
});
await refused("an answer at another connection's address", async () => nobody(await bring(await caught(), acs(other))));
await refused("an answer that nobody asked for", async () => {
  const answer = await caught();
  await nobody(await bring({ ...answer, state: "invented" }));
});
await refused("an old answer to a new question", async () => {
  const old = await caught();
  const { state } = await caught();
  await nobody(await bring({ ...old, state }), "saml.in_response_to");
});
await refused("a genuine answer in another browser, and the same answer again", async () => {
  const answer = await caught();
  const first = await bring(answer);
  expect(first.handle?.startsWith("/sso/saml/finish?h="), "it was not believed");
  await nobody(first);
  // In a browser with a question of its own, it is somebody else's answer.
  const thief = new Visitor(desk.ca);
  await thief.get(`${desk.origin}/sso/saml/start?connection=${connection.split("/").at(-1)}`);
  const second = await caught();
  const SAMLResponse = Buffer.from(second.response, "utf8").toString("base64");
  const posted = await thief.post(acs(), { SAMLResponse, RelayState: second.state });
  const stolen = await thief.get(new URL(posted.headers.location, desk.origin).href);
  await nobody({ visitor: thief, answer: stolen }, "sso.other-browser");
  await nobody(await bring(answer));
});

/** The query with which the provider asks to end alice's session, when she signs out there. */
async function logoutRequest() {
  const cookies = await alice.page.context().cookies(corp.url);
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  let at = `${corp.url}/simplesaml/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(corp.url)}`;
  for (let hops = 0; hops < 5; hops++) {
    const answer = await fetch(at, { headers: { cookie }, redirect: "manual" });
    at = new URL(answer.headers.get("location") ?? at, at).href;
    if (at.startsWith(desk.origin)) return new URL(at).search.slice(1);
  }
  throw new Error(`the provider asks for nothing: ${at}`);
}

await refused("logouts that are unsigned, changed, or repeated", async () => {
  await alice.through("Corp");
  await until("the way in", async () => {
    const asks = alice.page.locator('input[name="username"]');
    if (await asks.count().catch(() => 0)) await login(alice, "alice").catch(() => {});
    return alice.path() === "/";
  });
  const query = await logoutRequest();
  const visitor = new Visitor(desk.ca);
  const ask = (changed) => visitor.get(`${logoutAddress()}?${changed}`);
  const stays = async (answer, reason) => {
    expect(answer.status >= 400, `status ${answer.status}`);
    reasons.push(reason);
    await alice.go("/account");
    expect(alice.path() === "/account", "the session ended");
  };
  await stays(await ask(query.replace(/&SigAlg=.*/, "")), "saml.unsigned");
  const changed = query.includes("RelayState=") ? query.replace("RelayState=", "RelayState=x") : query.replace(/.$/, (end) => (end === "A" ? "B" : "A"));
  await stays(await ask(changed), "saml.signature");
  await stays(await ask(`${query}&SAMLRequest=x`), "saml.query");
  const genuine = await ask(query);
  expect(genuine.status === 303 && genuine.headers.location.startsWith(corp.url), `${genuine.status}`);
  await alice.go("/account");
  expect(alice.path() === "/sign-in", "the session goes on");
  const again = await ask(query);
  expect(again.status >= 400, "believed twice");
  reasons.push("saml.replayed");
});
await accepted("a switched-off connection ends its sessions and is offered no more", async () => {
  await owner.go(other);
  await owner.press("Switch off");
  await owner.page.getByText("The connection is switched").waitFor();
  await eric.go("/step-up");
  expect(eric.path() === "/sign-in", `still at ${eric.path()}`);
  expect(!(await eric.text()).includes("Sign in with Other"), "it is still offered");
});

await peopleWho({ desk, owner, reasons, corp, connection, other, say, login, service, folder, freePort, start, end, samlp, encrypting, python, certificates });

await desk.checks.check("the house stops in good order", () => desk.stop());
place.close();
await desk.checks.check("every refusal is in the audit log, with its own reason and in its order", async () => {
  const found = desk.told("AUTH-1013W", "reason");
  expect(JSON.stringify(found) === JSON.stringify(reasons), `expected ${reasons.join(" ")}\nfound ${found.join(" ")}`);
  figures.reasons = new Set(found).size;
});
const status = desk.checks.close();
console.log(JSON.stringify({ name: "saml-browser", figures }));
process.exit(status);
