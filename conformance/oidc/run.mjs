// Signs in to a running Wardroom through a certified provider, with a browser, and through a hostile one.
//
//   node run.mjs WARDROOM_BINARY WORK_DIR
//
// WORK_DIR may be thrown away. The last line is one line of JSON with the figures.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addAuthenticator } from "../browser/lib/authenticator.mjs";
import { openBrowser } from "../browser/lib/browser.mjs";
import { Checks, expect, until } from "../browser/lib/checks.mjs";
import { WIDE } from "../browser/lib/desk.mjs";
import { loopbackCertificate } from "../browser/lib/tls.mjs";
import { Visitor, listen } from "./http.mjs";
import { CLIENT as HOSTILE, ANSWERS, DOCUMENTS, Hostile, TOKENS } from "./hostile.mjs";
import { CLIENT as PROFILE_CLIENT, PROFILES, Profiles } from "./profiles.mjs";
import { peopleWho } from "./people.mjs";
import { CLIENT, next, open, people } from "./provider.mjs";

const [binary, work] = process.argv.slice(2);
if (!binary || !work) {
  console.error("usage: node run.mjs WARDROOM_BINARY WORK_DIR");
  process.exit(2);
}
rmSync(work, { recursive: true, force: true });
mkdirSync(join(work, "pictures"), { recursive: true });
const STRONG = { acr: "urn:wardroom:aal2", amr: ["pwd", "otp", "mfa"] };
const checks = new Checks();
const figures = { refused: 0, accepted: 0, total: 0 };
const reasons = [];
const opened = [];

const tls = loopbackCertificate(join(work, "tls"));
const certified = await listen(tls);
const hostilePlace = await listen(tls);
const hostile = new Hostile(hostilePlace);
const profilePlace = await listen(tls);
const profiles = new Profiles(profilePlace);
const data = join(work, "data");
const config = join(work, "wardroom.toml");
writeFileSync(
  config,
  `[sign_in]\ndomains = ${JSON.stringify(["corp.example", ...PROFILES.map(({ domain }) => domain)])}\n` +
    `internal_providers = ${JSON.stringify([certified, hostilePlace, profilePlace].map(({ origin }) => origin))}\nprovider_ca = "${tls.ca}"\n` +
    `[admission]\n${WIDE}`,
);

async function start() {
  const listen = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
  const child = spawn(binary, ["up", "--json", ...listen, "--data", data, "--config", config], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", () => fail(new Error("the binary did not start")));
  });
  return { child, ready: JSON.parse(line) };
}

const { child, ready } = await start();
process.on("exit", () => child.kill("SIGKILL"));
const desk = ready.console;
const deskCa = readFileSync(ready.ca);
const { told } = open(certified, desk, ready.public, deskCa);

async function person(name, options) {
  const { browser, close } = await openBrowser([ready.ca, tls.ca], options);
  opened.push(close);
  return { name, page: await browser.newPage() };
}

const path = (who) => new URL(who.page.url()).pathname;
const arrived = (who, at) => who.page.waitForURL((url) => url.origin === desk && url.pathname === at, { timeout: 20_000 });
const press = (who, name) => who.page.getByRole("button", { name, exact: true }).first().click();
const follow = (who, name) => who.page.getByRole("link", { name, exact: true }).first().click();
const picture = (who, name) => who.page.screenshot({ path: join(work, "pictures", `${name}.png`), fullPage: true });

/** A check that counts as something that must be accepted. */
async function accepted(name, body) {
  figures.total++;
  if (await checks.check(name, body)) figures.accepted++;
}

/** A check that counts as something that must be refused. */
async function refused(name, body) {
  figures.total++;
  if (await checks.check(name, body)) figures.refused++;
}

const owner = await person("owner");

async function enrolOwner() {
  const { page } = owner;
  await page.goto(ready.enrolment);
  await page.waitForFunction(() => document.querySelector("#code").value !== "");
  await page.fill("#name", "Olive Owner");
  await page.fill("#email", "owner@desk.example");
  await press(owner, "Go on");
  await arrived(owner, "/enrol/factor");
  // Who changes through whom people sign in proves who they are with a passkey.
  await addAuthenticator(page);
  await press(owner, "Make a passkey");
  await arrived(owner, "/enrol/codes");
}

/** Adds a provider as an administrator does; gives the text of the page that follows. */
async function add(name, issuer, { id, secret }) {
  const { page } = owner;
  await page.goto(`${desk}/connections`);
  await page.fill("#oidc-name", name);
  await page.fill("#issuer", issuer);
  await page.fill("#client", id);
  await page.fill("#secret", secret);
  await press(owner, "Add and look at it");
  await page.waitForLoadState();
  return page.locator("body").innerText();
}

/** Says what people are, and switches the connection on that the owner looks at. */
async function setUp(domains) {
  const { page } = owner;
  await page.check("#create");
  await page.fill("#groups_claim", "groups");
  await page.fill("#mapping", "admins = security_admin\nsupport = support_manager\nmakers = bot_developer");
  await press(owner, "Save");
  await page.getByText("The change applies").waitFor();
  await page.fill("#domains", domains);
  await press(owner, "Save the domains");
  await page.getByText("The change applies").waitFor();
}

async function switchOn() {
  await press(owner, "Switch on");
  await owner.page.getByText("The connection is switched").waitFor();
}

async function signIn(who, provider = "Corp") {
  await who.page.goto(`${desk}/sign-in`);
  await follow(who, `Sign in with ${provider}`);
}

await accepted("the first owner enrols", enrolOwner);
let corp;
await accepted("the owner adds the enterprise's provider, which is asked what it is", async () => {
  await add("Corp", certified.origin, CLIENT);
  corp = path(owner);
  expect(/^\/connections\/[0-9a-f-]{36}$/.test(corp), `at ${corp}`);
  await setUp("corp.example");
});
await accepted("a trial shows what came, every check and what would follow, and makes no account", async () => {
  Object.assign(next, { user: "bob", ...STRONG });
  await follow(owner, "Try it");
  await arrived(owner, `${corp}/trial`);
  const text = await owner.page.locator("main").innerText();
  for (const words of ["bob@corp.example", "support manager", "its signature is by a key", "none yet"]) {
    expect(text.includes(words), `no \`${words}\``);
  }
  await picture(owner, "trial");
  await owner.page.goto(`${desk}/users`);
  expect(!(await owner.page.locator("main").innerText()).includes("bob@corp.example"), "an account was made");
});
await accepted("the owner switches the connection on", async () => {
  await owner.page.goto(desk + corp);
  await switchOn();
  await picture(owner, "connection");
  await owner.page.goto(`${desk}/connections`);
  await picture(owner, "connections");
});

const alice = await person("alice");
await accepted("somebody signs in through the provider, and gets the role of their group", async () => {
  Object.assign(next, { user: "alice", ...STRONG });
  await alice.page.goto(`${desk}/sign-in`);
  await picture(alice, "sign-in");
  await signIn(alice);
  await arrived(alice, "/");
  const rail = await alice.page.locator("nav.rail").innerText();
  expect(rail.includes("security admin"), rail);
});
await accepted("the provider is found by the address's domain, and an unknown domain tells nothing", async () => {
  const { page } = await person("finder");
  const find = async (address) => {
    await page.goto(`${desk}/sign-in`);
    await page.fill("#find", address);
    await page.getByRole("button", { name: "Find my provider", exact: true }).click();
  };
  await find("somebody@corp.example");
  await page.getByRole("link", { name: "Go on to Corp", exact: true }).waitFor();
  await find("somebody@unknown.example");
  await page.getByText("No provider vouches").waitFor();
});
const bob = await person("bob");
await accepted("one factor at the provider leads to a second one before anything opens", async () => {
  Object.assign(next, { user: "bob", acr: "urn:wardroom:aal1", amr: ["pwd"] });
  await signIn(bob);
  await arrived(bob, "/step-up");
  await bob.page.goto(`${desk}/conversations`);
  expect(path(bob) !== "/conversations" || !(await bob.page.locator("h1").innerText()).includes("Conversations"), "it opened");
  await bob.page.goto(`${desk}/step-up`);
  await picture(bob, "step-up");
  Object.assign(next, STRONG);
  await follow(bob, "With Corp");
  await arrived(bob, "/");
  await bob.page.goto(`${desk}/conversations`);
  expect((await bob.page.locator("h1").innerText()).includes("Conversations"), "it did not open");
});
await accepted("a group that is gone takes its role along, and the session that had it ends", async () => {
  const again = await person("bob-again");
  people.bob.groups = ["makers"];
  Object.assign(next, { user: "bob", ...STRONG });
  await signIn(again);
  await arrived(again, "/");
  const rail = await again.page.locator("nav.rail").innerText();
  expect(rail.includes("bot developer") && !rail.includes("support manager"), rail);
  await bob.page.goto(`${desk}/conversations`);
  expect(path(bob) === "/sign-in", `still at ${path(bob)}`);
  await again.page.goto(`${desk}/bots`);
  expect(path(again) === "/bots", "the new session does not open");
});
await accepted("signing out here offers to sign out there, and the provider does", async () => {
  await press(alice, "Sign out");
  await alice.page.getByRole("link", { name: "Sign out there too" }).waitFor();
  await picture(alice, "signed-out");
  await follow(alice, "Sign out there too");
  await alice.page.locator('button[name="logout"], button[value="yes"]').first().click();
  await arrived(alice, "/sign-in");
});
await accepted("a logout at the provider ends the session here within two seconds", async () => {
  Object.assign(next, { user: "alice", ...STRONG });
  await signIn(alice);
  await arrived(alice, "/");
  const there = await alice.page.context().newPage();
  await there.goto(`${certified.origin}/session/end`);
  const before = Date.now();
  await there.locator('button[name="logout"], button[value="yes"]').first().click();
  await until("the provider's word", () => told.some(([event]) => event.startsWith("backchannel")), 10_000);
  expect(told.every(([event]) => event === "backchannel.success"), JSON.stringify(told));
  figures.back_channel_ms = Date.now() - before;
  expect(figures.back_channel_ms < 2000, `${figures.back_channel_ms} ms`);
  await alice.page.goto(`${desk}/audit`);
  expect(path(alice) === "/sign-in", `still at ${path(alice)}`);
});
await refused("somebody whose address is in a domain of nobody's", async () => {
  const carol = await person("carol");
  Object.assign(next, { user: "carol", ...STRONG });
  await signIn(carol);
  await carol.page.getByRole("heading", { name: "Not signed in" }).waitFor();
  reasons.push("sso.address-foreign");
  await picture(carol, "refused");
});
await refused("somebody without a group that brings a role", async () => {
  const dan = await person("dan");
  people.alice.groups = [];
  Object.assign(next, { user: "alice", ...STRONG });
  await signIn(dan);
  await dan.page.getByRole("heading", { name: "Not signed in" }).waitFor();
  reasons.push("sso.no-role");
});
await accepted("a switched-off connection ends its sessions and is offered no more", async () => {
  people.alice.groups = ["admins"];
  Object.assign(next, { user: "alice", ...STRONG });
  await signIn(alice);
  await arrived(alice, "/");
  await owner.page.goto(desk + corp);
  await press(owner, "Switch off");
  await owner.page.getByText("The connection is switched").waitFor();
  await alice.page.goto(`${desk}/audit`);
  expect(path(alice) === "/sign-in", `still at ${path(alice)}`);
  expect(!(await alice.page.locator("main").innerText()).includes("Sign in with Corp"), "it is still offered");
});

await peopleWho({
  binary, data, config, work, ready, certified, told, figures,
  accepted, refused, person, owner, add, press, switchOn,
});

// The hostile provider. ---------------------------------------------------------------------------

for (const [name, words] of DOCUMENTS) {
  await refused(`a provider whose document is hostile: ${name}`, async () => {
    const text = await add(name, hostile.issuer(name), HOSTILE);
    expect(text.includes(words), text.slice(0, 300));
  });
}

const hostileAt = {};
for (const name of ["main", "other", "nameless"]) {
  await accepted(`the hostile provider is added under the name ${name}`, async () => {
    await add(name, hostile.issuer(name), HOSTILE);
    hostileAt[name] = path(owner).split("/").at(-1);
    await setUp(name === "main" ? "hostile.example" : "");
    await owner.page.goto(`${desk}/connections/${hostileAt[name]}`);
    await switchOn();
  });
}

async function away(visitor, name = "main") {
  const answer = await visitor.get(`${desk}/sso/oidc/start?connection=${hostileAt[name]}`);
  expect(answer.status === 303 && answer.headers.location.startsWith(hostile.issuer(name)), `${answer.status} ${answer.headers.location}`);
  return hostile.authorize(answer.headers.location);
}

const back = ({ code, state, iss, redirect }) => {
  const query = new URLSearchParams(Object.entries({ code, state, iss }).filter(([, value]) => value !== undefined));
  return `${redirect}${redirect.includes("?") ? "&" : "?"}${query}`;
};

/** Nobody is signed in by this answer, and its page says no more than that. */
async function nobody(visitor, answer, reason) {
  expect([401, 409, 422].includes(answer.status), `status ${answer.status}`);
  expect(!answer.text.includes("oidc."), "the page tells the reason");
  const home = await visitor.get(`${desk}/account`);
  expect(home.status === 303 && home.headers.location.startsWith("/sign-in"), `signed in: ${home.status}`);
  if (reason) reasons.push(reason);
}

async function attack(reason, change) {
  const visitor = new Visitor(ready.ca);
  const there = await away(visitor);
  await change?.(there, visitor);
  await nobody(visitor, await visitor.get(back(there)), reason);
}

for (const [name, reason, token] of TOKENS) {
  await refused(`an ID token with ${name}`, async () => {
    hostile.token = token;
    try {
      await attack(reason);
    } finally {
      hostile.token = null;
    }
  });
}
for (const [name, reason, answer] of ANSWERS) {
  await refused(`a token endpoint that answers with ${name}`, async () => {
    hostile.answer = answer;
    try {
      await attack(reason);
    } finally {
      hostile.answer = null;
    }
  });
}

await refused("an answer with another browser's state", () =>
  attack("oidc.state", async (there) => {
    there.state = (await away(new Visitor(ready.ca))).state;
  }));
await refused("an answer without a state", () => attack("oidc.state", (there) => delete there.state));
await refused("a code of another browser's sign-in (PKCE)", () =>
  attack("oidc.token-error", async (there) => {
    there.code = (await away(new Visitor(ready.ca))).code;
  }));
await refused("a code that nobody gave", () => attack("oidc.token-error", (there) => (there.code = "invented")));
await refused("an answer in the name of another provider (mix-up)", () =>
  attack("oidc.callback-iss", (there) => (there.iss = hostile.issuer("other"))));
await refused("an answer without a name from a provider that always says it", () =>
  attack("oidc.callback-iss-missing", (there) => delete there.iss));
await refused("an answer that names its code twice", () => attack("oidc.callback-twice", (there) => (there.redirect += "?code=x")));
await refused("an answer without a code", () => attack("oidc.code", (there) => delete there.code));
await refused("an answer at another connection's address", async () => {
  const visitor = new Visitor(ready.ca);
  const there = await away(visitor, "nameless");
  expect(there.redirect.endsWith(`/callback/${hostileAt.nameless}`), there.redirect);
  there.redirect = there.redirect.replace(hostileAt.nameless, hostileAt.main);
  delete there.iss;
  await nobody(visitor, await visitor.get(back(there)), "oidc.state");
});
await refused("an answer in a browser that asked nothing", async () => {
  const there = await away(new Visitor(ready.ca));
  const other = new Visitor(ready.ca);
  await nobody(other, await other.get(back(there)));
});
await refused("a sign-in that another site's page begins", async () => {
  const visitor = new Visitor(ready.ca);
  const url = `${desk}/sso/oidc/start?connection=${hostileAt.main}`;
  const answer = await visitor.get(url, { "sec-fetch-site": "cross-site" });
  expect(answer.headers.location === "/sign-in", `${answer.status} ${answer.headers.location}`);
});
await refused("a way on that leads to another site", async () => {
  const visitor = new Visitor(ready.ca);
  const url = `${desk}/sso/oidc/start?connection=${hostileAt.main}&next=${encodeURIComponent("https://evil.example/")}`;
  const answer = await visitor.get(url);
  hostile.person = () => ({ sub: "m2", email: "m2@corp.example", name: "M", groups: ["support"], amr: ["mfa"] });
  const arrivedAt = await visitor.get(back(hostile.authorize(answer.headers.location)));
  // corp.example is the other connection's domain: refused, and never sent on.
  expect(!(arrivedAt.headers.location ?? "").includes("evil.example"), arrivedAt.headers.location);
  reasons.push("sso.address-foreign");
});
await refused("an unverified address", async () => {
  hostile.person = () => ({ sub: "m3", email: "m3@hostile.example", email_verified: false, groups: ["support"], amr: ["mfa"] });
  await attack("sso.address-unverified");
});

const logouts = [
  ["with a nonce", "oidc.logout-nonce", () => hostile.logoutToken("main", { nonce: "n" })],
  ["without the event", "oidc.logout-events", () => hostile.logoutToken("main", { events: {} })],
  ["of three minutes ago", "oidc.logout-iat", () => hostile.logoutToken("main", { iat: Math.floor(Date.now() / 1000) - 180 })],
  ["about nobody", "oidc.logout-sub", () => hostile.logoutToken("main", { sub: undefined })],
  ["without an id", "oidc.logout-jti", () => hostile.logoutToken("main", { jti: undefined })],
  ["of another type", "oidc.type", () => hostile.logoutToken("main", {}, { typ: "at+jwt" })],
  ["that is not signed", "oidc.alg-none", () => hostile.logoutToken("main").replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString("base64url")).replace(/[^.]+$/, "")],
  ["for another client", null, () => hostile.logoutToken("main", { aud: "someone-else" })],
  ["that is no token", null, () => "x"],
];
const say = (token) => new Visitor(ready.ca).post(`${desk}/sso/oidc/backchannel`, { logout_token: token });
for (const [name, reason, token] of logouts) {
  await refused(`a logout token ${name}`, async () => {
    const answer = await say(token());
    expect(answer.status === 400, `status ${answer.status}`);
    if (reason) reasons.push(reason);
  });
}
await accepted("a genuine logout token", async () => {
  hostile.spent = hostile.logoutToken("main");
  expect((await say(hostile.spent)).status === 200, "refused");
});
await refused("the same logout token again", async () => {
  expect((await say(hostile.spent)).status === 400, "accepted");
  reasons.push("sso.replayed");
});

// The large providers, by the shape of what they say. ---------------------------------------------

for (const profile of PROFILES) {
  let connection;
  await accepted(`${profile.name}: the owner adds it, and says what its groups mean`, async () => {
    const text = await add(profile.name, profiles.issuer(profile), PROFILE_CLIENT);
    expect(path(owner).startsWith("/connections/"), text.slice(0, 300));
    connection = path(owner).split("/").at(-1);
    const { page } = owner;
    await page.check("#create");
    await page.fill("#groups_claim", profile.groups);
    await page.fill("#mapping", profile.mapping);
    if (profile.default) await page.selectOption("#default", profile.default);
    await press(owner, "Save");
    await page.getByText("The change applies").waitFor();
    await page.fill("#domains", profile.domain);
    await press(owner, "Save the domains");
    await page.getByText("The change applies").waitFor();
    await switchOn();
  });
  for (const [name, change, outcome, header = {}] of profile.cases) {
    const inside = !/^(sso|oidc)\./.test(outcome);
    await (inside ? accepted : refused)(`${profile.name}: ${name}`, async () => {
      const visitor = new Visitor(ready.ca);
      Object.assign(profiles, { claims: change, header });
      const left = await visitor.get(`${desk}/sso/oidc/start?connection=${connection}`);
      expect(left.status === 303, `${left.status} ${left.text.slice(0, 200)}`);
      const answer = await visitor.get(profiles.authorize(profile, left.headers.location));
      if (!inside) return nobody(visitor, answer, outcome);
      expect(answer.status === 303, `status ${answer.status}`);
      if (outcome === "second factor") return expect(answer.headers.location.startsWith("/step-up"), answer.headers.location);
      const home = await visitor.get(`${desk}/`);
      return expect(home.text.includes(outcome), `no ${outcome} in ${home.status}`);
    });
  }
}

// What the audit log says of all that. --------------------------------------------------------------

for (const close of opened) await close();
child.kill("SIGINT");
await new Promise((done) => child.once("exit", done));
certified.close();
hostilePlace.close();
profilePlace.close();
await checks.check("every refusal is in the audit log, with its own reason and in its order", async () => {
  const out = join(work, "export");
  execFileSync(binary, ["audit", "export", "--data", data, "--config", config, out], { stdio: "pipe" });
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name.localeCompare(b.name))) {
      const at = join(folder, entry.name);
      if (entry.isDirectory()) walk(at);
      else for (const [, reason] of readFileSync(at, "utf8").matchAll(/"event_code":"AUTH-1013W".*?"reason":"([^"]+)"/g)) found.push(reason);
    }
  };
  walk(out);
  expect(JSON.stringify(found) === JSON.stringify(reasons), `expected ${reasons.join(" ")}\nfound ${found.join(" ")}`);
  figures.reasons = new Set(found).size;
});
const status = checks.close();
console.log(JSON.stringify({ name: "oidc", figures }));
process.exit(status);
