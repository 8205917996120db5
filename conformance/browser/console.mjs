// Drives the staff console of a running Wardroom with a real browser.
//
//   node console.mjs BASE_URL ENROL_LINK CA_FILE OUT_DIR
//
// ENROL_LINK is the first owner's invitation. PUBLIC_URL, when set, is the public door: one question is
// asked there first, so that there is a conversation to open; otherwise one must be there. BOT (default
// front-desk) must be live. ATTACKS, when set with PUBLIC_URL, is a folder of attack strings: 500 of them
// are said in conversations and looked at. Screenshots go to OUT_DIR. The last line is "N passed, N failed".

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { addAuthenticator, totp } from "./lib/authenticator.mjs";
import { Ears, sayAll, servePlanted, strings } from "./lib/attack.mjs";
import { openBrowser } from "./lib/browser.mjs";
import { ask, lines, notice } from "./lib/chat.mjs";
import { Checks, expect, until } from "./lib/checks.mjs";
import { inspect } from "./lib/pages.mjs";
import { Watch } from "./lib/watch.mjs";

const [address, link, ca, out] = process.argv.slice(2);
if (!address || !link || !ca || !out) {
  console.error("usage: node console.mjs BASE_URL ENROL_LINK CA_FILE OUT_DIR");
  process.exit(2);
}
const base = new URL(address).origin;
const bot = process.env.BOT ?? "front-desk";
mkdirSync(out, { recursive: true });
const checks = new Checks();
const check = checks.check.bind(checks);
const PASSWORD = "herring tidal copper lantern";
const STEP = 30_000;
const opened = [];

/** A browser of one person, with nothing of another's in it. */
async function person(name, options = {}) {
  const { browser, close } = await openBrowser([ca], options);
  opened.push(close);
  const watch = await Watch.over(browser, [base]);
  const ears = await Ears.over(browser);
  return { name, email: `${name}@desk.example`, browser, watch, ears, page: await browser.newPage() };
}

const at = (who) => new URL(who.page.url()).pathname;
const heading = (who) => who.page.locator("h1").first().innerText();
const go = (who, path) => who.page.goto(base + path);
/** The status of a page that is refused, where the browser's own complaint about it is no fault. */
const refused = (who, path) => who.watch.expecting(async () => (await go(who, path)).status());
const press = (who, name) => who.page.getByRole("button", { name, exact: true }).first().click();

async function took(who, path) {
  await who.page.waitForURL((url) => url.pathname === path, { timeout: 20_000 });
}

async function begin(who, invitation) {
  await who.page.goto(invitation);
  const { page } = who;
  if (who.scripts !== false) {
    await page.waitForFunction(() => document.querySelector("#code").value !== "");
    expect(new URL(page.url()).hash === "", "the secret is still in the address");
  } else {
    await page.fill("#code", new URL(invitation).hash.slice(1));
  }
  await page.fill("#name", who.name);
  await page.fill("#email", who.email);
  await press(who, "Go on");
  await took(who, "/enrol/factor");
}

async function enrolByPassword(who, invitation, look = async () => {}) {
  await begin(who, invitation);
  await look("enrol-factor");
  await who.page.fill("#password", PASSWORD);
  await who.page.fill("#again", PASSWORD);
  await press(who, "Go on");
  await who.page.locator("#letters").waitFor();
  await look("enrol-app");
  who.seed = await who.page.locator("#letters").innerText();
  await who.page.fill("#code", totp(who.seed));
  await press(who, "Finish");
  await codesShown(who, look);
}

async function enrolByPasskey(who, invitation) {
  who.authenticator = await addAuthenticator(who.page);
  await begin(who, invitation);
  await press(who, "Make a passkey");
  await codesShown(who);
}

async function codesShown(who, look = async () => {}) {
  await took(who, "/enrol/codes");
  expect((await who.page.locator(".codes li").count()) === 10, "there are not ten recovery codes");
  await look("enrol-codes");
  await who.page.getByRole("link", { name: "I have kept them" }).click();
  await took(who, "/");
}

async function signOut(who) {
  await press(who, "Sign out");
  await took(who, "/sign-in");
}

async function signInByPassword(who) {
  await go(who, "/sign-in");
  await who.page.fill("#login", who.email);
  await who.page.fill("#password", PASSWORD);
  await press(who, "Go on");
  await took(who, "/sign-in/code");
  // The code of this moment was used to enrol, and is good once; the next one is taken too.
  await who.page.fill("#code", totp(who.seed, { at: Date.now() + STEP }));
  await press(who, "Sign in");
  await took(who, "/");
}

async function invite(owner, role, email = "") {
  await go(owner, "/users");
  await owner.page.fill("#email", email);
  await owner.page.selectOption("#role", role);
  await press(owner, "Invite");
  return owner.page.locator("#link").innerText();
}

const clean = (who, expected = /^$/) => {
  const faults = [...who.watch.take().filter((fault) => !expected.test(fault)), ...who.ears.heard.splice(0)];
  expect(faults.length === 0, `${who.name}: ${faults.join("\n")}`);
};

const owner = await person("owner");
const look = (who) => (name) => inspect(who.page, who.watch, out, name);
const invitations = {};

let visitor;
let visitorWatch;
if (process.env.PUBLIC_URL) {
  await check("somebody asks the bot a question", async () => {
    const { browser, close } = await openBrowser([ca]);
    opened.push(close);
    visitorWatch = await Watch.over(browser, [new URL(process.env.PUBLIC_URL).origin]);
    visitor = await browser.newPage();
    await visitor.goto(process.env.PUBLIC_URL);
    await ask(visitor, "What is Wardroom?");
  });
}

await check("whoever is signed out is led to the sign-in page", async () => {
  await go(owner, "/audit");
  expect(at(owner) === "/sign-in", owner.page.url());
  await look(owner)("sign-in");
});

const enrolled = await check("the first owner enrols with a password and an app", () => enrolByPassword(owner, link, look(owner)), { seconds: 120 });
if (!enrolled) {
  console.error("without an owner nothing else can be looked at");
  for (const close of opened) await close();
  process.exit(checks.close());
}
await check("the invitation is good once", async () => {
  const second = await person("second");
  await second.page.goto(link);
  await second.page.fill("#name", "Second");
  await second.page.fill("#email", second.email);
  await second.watch.expecting(() => Promise.all([second.page.waitForResponse((r) => r.request().method() === "POST"), press(second, "Go on")]));
  await second.page.getByRole("alert").first().waitFor();
  expect((await second.page.locator("#error").innerText()).includes("cannot be used"), "it was used twice");
});

await check("the overview tells what protects this deployment", async () => {
  const cards = await owner.page.locator(".card h2").allInnerTexts();
  for (const wanted of ["Connections", "Encryption at rest", "Audit log", "People", "Bots", "Conversations"]) {
    expect(cards.includes(wanted), `there is no card ${wanted}: ${cards}`);
  }
  await look(owner)("overview");
});

await check("the owner signs out, and in again with password and code", async () => {
  await signOut(owner);
  await signInByPassword(owner);
});

await check("the owner invites a manager, a developer and an auditor", async () => {
  for (const role of ["support_manager", "bot_developer", "compliance_auditor"]) {
    invitations[role] = await invite(owner, role);
    expect(invitations[role].startsWith(`${base}/enrol#`), invitations[role]);
  }
  // For later on: inviting takes a fresh proof, and the walk is long.
  for (const which of ["custodian", "second-custodian"]) invitations[which] = await invite(owner, "key_custodian");
  await look(owner)("invitation");
  await go(owner, "/users");
  await look(owner)("users");
});

const manager = await person("manager");
let transcript = "";
let ticket = "";
await check("the manager enrols with a passkey, and signs in with it", async () => {
  await enrolByPasskey(manager, invitations.support_manager);
  await signOut(manager);
  await press(manager, "Use a passkey");
  await took(manager, "/");
});

await check("a passkey whose holder does not verify signs nobody in", async () => {
  await signOut(manager);
  await manager.authenticator.verify(false);
  await press(manager, "Use a passkey");
  await manager.page.locator("wr-passkey [role=alert]").filter({ hasText: /\S/ }).waitFor({ timeout: 30_000 });
  expect(at(manager) === "/sign-in", "it signed in");
  await manager.authenticator.verify(true);
  await press(manager, "Use a passkey");
  await took(manager, "/");
});

await check("the manager opens a transcript for a reason", async () => {
  await go(manager, "/conversations");
  await look(manager)("conversations");
  await manager.page.locator("tbody a").first().click();
  transcript = at(manager);
  await look(manager)("conversation");
  await manager.page.fill("#reason", "ticket 4711");
  await press(manager, "Open the transcript");
  await manager.page.locator(".line").first().waitFor();
  expect((await heading(manager)) === "Transcript", "it did not open");
  await look(manager)("transcript");
  await go(manager, "/tickets");
  await look(manager)("tickets");
});

if (visitor) {
  await check("the manager answers, and the visitor reads it as it comes", async () => {
    await go(manager, transcript);
    await manager.page.fill("#reason", "ticket 4711");
    await press(manager, "Open the transcript");
    await manager.page.locator("wr-thread[data-link=live]").waitFor();
    await manager.page.evaluate(() => (window.kept = true));
    await manager.page.fill("#text", "Good day, this is a person.");
    await press(manager, "Send");
    await manager.page.locator(".line[data-role=agent]").waitFor();
    await until("the form to be empty", async () => (await manager.page.inputValue("#text")) === "");
    await until("the visitor to see the answer", async () =>
      (await lines(visitor)).find((line) => line.role === "agent" && line.text === "Good day, this is a person."));
    await look(manager)("answer");
  });

  await check("the bot is silent while a person answers, and speaks when it is given back", async () => {
    await visitor.locator("wardroom-chat textarea").fill("Are you there?");
    await visitor.locator("wardroom-chat textarea").press("Enter");
    await until("the question to be sent", async () => (await lines(visitor)).at(-1)?.delivery === "sent" || undefined);
    // It appears by itself, in the page that was opened before, and the focus stays where it was.
    await manager.page.focus("#text");
    const sent = Date.now();
    await manager.page.getByText("Are you there?").waitFor({ timeout: 5_000 });
    console.log(`        the desk showed it ${Date.now() - sent} ms after it was looked at`);
    const there = await manager.page.evaluate(() => ({ kept: window.kept === true, focus: document.activeElement?.id, log: document.querySelector("[data-scroll]").getAttribute("aria-live") }));
    expect(there.kept && there.focus === "text" && there.log === "polite", JSON.stringify(there));
    await look(manager)("desk-live");
    expect((await lines(visitor)).at(-1).role === "user", "the bot answered");
    await press(manager, "Look for new messages");
    await manager.page.getByText("Are you there?").waitFor();
    await press(manager, "Give back to the bot");
    await manager.page.getByText("The bot answers again.").waitFor();
    await ask(visitor, "What is Wardroom?");
  });

  await check("the list shows who is new without being asked, and a ticket is opened for a reason", async () => {
    const list = await manager.page.context().newPage();
    await list.goto(`${base}/conversations`);
    await list.locator("wr-inbox[data-link=live]").waitFor();
    await list.evaluate(() => (window.kept = true));
    const first = () => list.locator("tbody tr").first().getAttribute("data-key");
    const before = await first();
    const { browser, close } = await openBrowser([ca]);
    opened.push(close);
    const second = await browser.newPage();
    await second.goto(process.env.PUBLIC_URL);
    for (const words of ["I want to report a bug", "The lantern in the hall is out", "it is blocking", "skip", "yes"]) await ask(second, words);
    await until("the new row", async () => (await first()) !== before);
    expect(await list.evaluate(() => window.kept === true), "the list was loaded again");
    await list.close();
    await go(manager, "/tickets");
    await manager.page.locator("tbody a").first().click();
    ticket = at(manager);
    expect(!(await manager.page.locator("main").innerText()).includes("lantern"), "it was shown unasked");
    await manager.page.fill("#reason", "ticket 4711");
    await press(manager, "Open the ticket");
    await manager.page.locator(".said").getByText("The lantern in the hall is out").waitFor();
    await look(manager)("ticket");
    await go(manager, transcript);
  });

  await check("a closed conversation tells the visitor so", async () => {
    await manager.page.fill("#reason", "ticket 4711");
    await press(manager, "Open the transcript");
    await press(manager, "Close the conversation");
    await manager.page.locator("dialog[open]").getByRole("button", { name: "Close", exact: true }).click();
    await manager.page.getByText("The conversation is closed.").waitFor();
    await until("the visitor to be told", async () => (await notice(visitor)).includes("closed") || undefined);
  });
}

await check("the manager changes no bot", async () => {
  expect((await refused(manager, "/bots")) === 403, "the list of bots was shown");
  expect((await refused(manager, `/bots/${bot}`)) === 404, "the bot was shown");
  await look(manager)("problem");
  await go(manager, "/");
  expect((await manager.page.locator(".rail a[href='/bots']").count()) === 0, "the link is shown");
});

const developer = await person("developer");
await check("the developer enrols, and tries a bot", async () => {
  await enrolByPassword(developer, invitations.bot_developer);
  await go(developer, `/bots/${bot}`);
  await look(developer)("bot");
  await developer.page.fill("#trial-text", "What is Wardroom?");
  await press(developer, "Send");
  await developer.page.getByRole("heading", { name: `Trial of ${bot}` }).waitFor();
  expect((await developer.page.locator(".line").count()) === 3, "there is no answer");
  await look(developer)("trial");
});

await check("the developer reads no transcript, and is not told that there is one", async () => {
  expect((await refused(developer, "/conversations")) === 403, "the list was shown");
  expect(transcript !== "", "the manager found no conversation");
  expect((await refused(developer, transcript)) === 404, "the conversation was shown");
  if (ticket) expect((await refused(developer, ticket)) === 404, "the ticket was shown");
  await go(developer, "/");
  expect((await developer.page.locator(".rail a[href='/conversations']").count()) === 0, "the link is shown");
});

await check("without scripts the developer signs in all the same", async () => {
  const plain = await person("plain", { javaScriptEnabled: false });
  Object.assign(plain, { email: developer.email, seed: developer.seed });
  await signInByPassword(plain);
  await go(plain, "/account");
  expect((await plain.page.locator("#sessions tbody tr").count()) === 2, "there should be two sessions");
  await press(plain, "Sign out everywhere");
  await took(plain, "/sign-in");
  await go(developer, "/account");
  expect(at(developer) === "/sign-in", "the other session goes on");
});

const auditor = await person("auditor");
await check("the auditor sees who opened the transcript, and proves the log", async () => {
  await enrolByPasskey(auditor, invitations.compliance_auditor);
  await go(auditor, "/audit?code=CHAT-1008");
  expect((await auditor.page.locator("tbody tr").count()) >= 1, "there is no entry");
  const row = await auditor.page.locator("tbody tr").first().innerText();
  expect(row.includes("transcript.read") && row.includes(transcript.split("/").pop()), row);
  expect(!row.includes("4711"), "the reason stands in the open");
  await go(auditor, "/audit?code=AUTH-1010");
  expect((await auditor.page.locator("tbody tr").count()) >= 4, "the refusals are not recorded");
  await go(auditor, "/audit");
  await look(auditor)("audit");
  await press(auditor, "Verify");
  await auditor.page.getByText("The log is whole").waitFor();
  await look(auditor)("verified");
  await go(auditor, "/audit");
  const [download] = await Promise.all([auditor.page.waitForEvent("download"), press(auditor, "Export")]);
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  expect(lines[0].index === 0 && lines.some((line) => line.checkpoint), "the export is not whole");
});

const custodians = [await person("custodian"), await person("second-custodian")];
await check("two key custodians rotate, and end a version together", async () => {
  for (const custodian of custodians) {
    await enrolByPasskey(custodian, invitations[custodian.name]);
  }
  const [one, two] = custodians;
  await go(one, "/keys");
  expect((await heading(one)) === "Keys", "the page is not shown");
  await look(one)("keys-before");
  await press(one, "Rotate now");
  await one.page.getByText("New writes use the new version").waitFor();
  await look(one)("keys-after");
  await go(one, "/step-up?next=/keys");
  await look(one)("step-up");
  await press(one, "Use a passkey");
  await took(one, "/keys");
  expect((await refused(two, "/conversations")) === 403, "a custodian was shown conversations");
  await go(two, "/");
  expect((await two.page.locator(".rail a[href='/conversations']").count()) === 0, "the link is shown");
});

/** Proves again who it is, when the page asks for it. */
async function prove(who, path) {
  await go(who, path);
  const link = who.page.getByRole("link", { name: "Confirm that it is you" });
  if ((await link.count()) === 0) return;
  await link.click();
  if (who.authenticator) {
    await press(who, "Use a passkey");
  } else {
    await who.page.fill("#code", totp(who.seed));
    await press(who, "Go on");
  }
  await took(who, path);
}

await check("the manager makes a key for a program, and ends it", async () => {
  await prove(manager, "/api-keys");
  await look(manager)("api-keys-none");
  await manager.page.fill("#key-name", "night report");
  await manager.page.check("#may-list");
  await manager.page.fill("#key-sources", "192.0.2.0/24");
  await press(manager, "Make the key");
  const key = await manager.page.locator("#api-key").innerText();
  expect(/^wrk1_[0-9a-f]{8}_[0-9a-f]{64}_[0-9a-f]{8}$/.test(key), key);
  await look(manager)("api-key-made");
  await go(manager, "/api-keys");
  expect(!(await manager.page.content()).includes(key), "the key is shown again");
  await look(manager)("api-keys");
  await manager.page.getByRole("button", { name: /^End the key night report/ }).click();
  await manager.page.getByText("The key opens nothing").waitFor();
});

await check("the manager asks for a role, and the owner agrees", async () => {
  await go(manager, "/access");
  await look(manager)("access-ask");
  await manager.page.selectOption("#role", "privacy_officer");
  await manager.page.fill("#hours", "2");
  await manager.page.fill("#reason", "somebody asked to be forgotten");
  await press(manager, "Ask");
  await manager.page.getByText("It is asked for").first().waitFor();
  await prove(owner, "/access");
  await look(owner)("access-waiting");
  await owner.page.getByRole("button", { name: /^Agree: manager/ }).click();
  await owner.page.getByText("They hold the role").waitFor();
  await look(owner)("access");
  // A session never changes its powers: they sign in anew.
  await go(manager, "/access");
  expect(at(manager) === "/sign-in", "the old session goes on");
  await press(manager, "Use a passkey");
  await took(manager, "/access");
  await manager.page.getByRole("button", { name: /^Give the role back/ }).waitFor();
});

await check("the owner looks over people, sessions, groups and the access review", async () => {
  await go(owner, "/sessions");
  expect((await owner.page.locator("tbody tr").count()) >= 4, "sessions are missing");
  await look(owner)("sessions");
  await go(owner, "/groups");
  await look(owner)("groups");
  await go(owner, "/holds");
  await look(owner)("holds");
  await go(owner, "/policies");
  await look(owner)("policies");
  await go(owner, "/connections");
  await look(owner)("connections");
  await go(owner, "/access-review?days=1");
  await look(owner)("access-review");
  for (const [button, end] of [["Download CSV", "csv"], ["Download JSON", "json"]]) {
    const [download] = await Promise.all([owner.page.waitForEvent("download"), press(owner, button)]);
    const text = readFileSync(await download.path(), "utf8");
    expect(download.suggestedFilename() === `access-review.${end}`, download.suggestedFilename());
    expect(text.includes("manager@desk.example") && text.includes("privacy_officer"), text);
  }
  await go(owner, "/users");
  await owner.page.getByRole("link", { name: "manager", exact: true }).click();
  expect((await owner.page.locator("main").innerText()).includes("asked for; agreed by owner"), "the source is missing");
  await look(owner)("user-sources");
});

await check("an owner with an app adds a passkey by themselves, is told of it, and reads it", async () => {
  await prove(owner, "/account/factors");
  await look(owner)("factors-none");
  owner.authenticator = await addAuthenticator(owner.page);
  await owner.page.fill("#label", "blue walrus key");
  await press(owner, "Make a passkey");
  await owner.page.getByText("It signs you in from now on.").waitFor();
  await go(owner, "/");
  const told = owner.page.getByRole("region", { name: "About your account" });
  expect((await told.innerText()).includes("A way to sign in was added: passkey “blue walrus key”"), await told.innerText());
  await look(owner)("about-you");
  await press(owner, "I have read this");
  await told.waitFor({ state: "detached" });
  await go(owner, "/account");
  expect((await owner.page.locator("#told").innerText()).includes("blue walrus key"), "it is not listed");
  await look(owner)("account-told");
  // From now on a change asks for the passkey.
  await prove(owner, "/account/factors");
  await look(owner)("factors");
  await owner.page.getByRole("button", { name: "Make a passkey" }).waitFor();
  await go(owner, "/account/password");
  await look(owner)("own-password");
});

await check("the auditor sees who tried to sign in, and why it failed", async () => {
  const stranger = await person("stranger");
  await go(stranger, "/sign-in");
  await stranger.page.fill("#login", stranger.email);
  await stranger.page.fill("#password", "not the password");
  await stranger.watch.expecting(() =>
    Promise.all([stranger.page.waitForResponse((r) => r.request().method() === "POST"), press(stranger, "Go on")]));
  await stranger.page.getByRole("alert").first().waitFor();
  await go(auditor, "/sign-ins?show=refused");
  expect((await auditor.page.locator("tbody tr").count()) >= 1, "no refusal is shown");
  await go(auditor, "/sign-ins");
  await look(auditor)("sign-ins");
});
await check("the owner watches traffic, shuts a block out and takes that back", async () => {
  await go(owner, "/traffic");
  await owner.page.locator("#heaviest").waitFor();
  await look(owner)("traffic");
  await owner.page.fill("#block", "192.0.2.0/24");
  await press(owner, "Shut out");
  await took(owner, "/traffic");
  const decided = owner.page.locator("section[aria-labelledby=decided]");
  await decided.getByText("shut out", { exact: true }).waitFor();
  await look(owner)("traffic-decided");
  await decided.getByRole("button", { name: "Take back" }).click();
  await took(owner, "/traffic");
  expect((await decided.getByText("192.0.2.0/24", { exact: true }).count()) === 0, "it still holds");
  // One click on who comes most.
  const heavy = owner.page.locator("section[aria-labelledby=heaviest] tr", { hasText: "127.0.0.1/32" });
  await heavy.getByRole("button", { name: "Let in" }).click();
  await decided.getByText("let in", { exact: true }).waitFor();
  await decided.getByRole("button", { name: "Take back" }).click();
  await took(owner, "/traffic");
});

if (visitor) {
  await check("a refused visitor reads a reference, and the owner finds what it was", async () => {
    const refusal = await visitor.goto(`${new URL(process.env.PUBLIC_URL).origin}/?q=<script>alert(1)</script>`);
    expect(refusal.status() === 403, `it was answered ${refusal.status()}`);
    const reference = (await refusal.json()).instance;
    expect(reference.endsWith(refusal.headers()["x-request-id"]), reference);
    const found = owner.page.locator("#refusal");
    await until("the refusal to be recorded", async () => {
      await go(owner, "/traffic");
      await owner.page.fill("#reference", reference);
      await press(owner, "Look up");
      return (await found.count()) > 0;
    });
    const told = await found.innerText();
    expect(/Rules\s+[0-9]{6}/.test(told) && told.includes("GET, page"), told);
    expect(!(await owner.page.content()).includes("alert(1)"), "what matched is shown");
    await look(owner)("traffic-refusal");
    await owner.page.fill("#reference", "0198c0de-1234-7abc-8def-0123456789ab");
    await press(owner, "Look up");
    await owner.page.getByText("No refusal is recorded").waitFor();
    await owner.page.fill("#reference", "his request");
    await press(owner, "Look up");
    await owner.page.getByText("That is no reference").waitFor();
    // The browser reports the refused page itself, and its icon.
    const reported = visitorWatch.take();
    expect(reported.every((fault) => fault.includes("status of 403")), reported.join("\n"));
    await visitor.goto(process.env.PUBLIC_URL);
  });
}

if (visitor && process.env.ATTACKS) {
  const texts = strings(process.env.ATTACKS, 500);
  const fifties = Array.from({ length: 10 }, (_, at) => texts.slice(50 * at, 50 * (at + 1)));
  const attacker = await person("attacker");
  const door = new URL(process.env.PUBLIC_URL).origin;
  attacker.watch.also(door);
  let conversations = [];

  await check("a planted script is noticed where it runs and where it is forbidden", async () => {
    const planted = await servePlanted();
    attacker.watch.also(planted.origin);
    await attacker.page.goto(`${planted.origin}/open`);
    await until("both scripts to be noticed", async () => attacker.ears.heard.length >= 2);
    attacker.ears.heard.splice(0);
    await attacker.page.goto(`${planted.origin}/strict`);
    await until("the violations to be noticed", async () => attacker.watch.faults.filter((f) => f.includes("policy violation")).length >= 2);
    expect(attacker.ears.heard.length === 0, "it ran in spite of its policy");
    attacker.watch.take();
    await planted.close();
  });

  await check("500 attack strings are taken as what somebody says, and none is refused", async () => {
    await attacker.page.goto(`${door}/`);
    conversations = await Promise.all(fifties.map((fifty) => sayAll(attacker.page, bot, fifty)));
    const refused = conversations.flatMap((conversation) => conversation.refused);
    expect(refused.length === 0, `${refused.length} refused: ${refused.slice(0, 3).join("\n")}`);
  }, { seconds: 180 });

  await check("the widget shows all of them as text", async () => {
    for (const [at, { id, token, expires }] of conversations.entries()) {
      await attacker.page.evaluate(
        ([key, kept]) => sessionStorage.setItem(key, kept),
        [`wardroom:1:${door}:${bot}`, JSON.stringify({ session: { id, token, expires }, outbox: [], open: true })],
      );
      await attacker.page.reload();
      const shown = await until("fifty lines", async () => {
        const mine = (await lines(attacker.page)).filter((line) => line.role === "user");
        return mine.length >= 50 && mine;
      }, 30_000);
      const other = shown.findIndex((line, nth) => line.text !== fifties[at][nth]);
      expect(other < 0, `${JSON.stringify(shown[other]?.text)} is shown for ${JSON.stringify(fifties[at][other])}`);
    }
    await attacker.page.screenshot({ path: join(out, "attacks-widget.png") });
    // Five hundred messages at once from one address are told to wait, and wait: the browser reports each time.
    clean(attacker, /status of (429|503)/);
  }, { seconds: 180 });

  await check("the console shows all of them as text", async () => {
    for (const [at, { id }] of conversations.entries()) {
      await go(manager, `/conversations/${id}`);
      await manager.page.fill("#reason", "ticket 4711");
      await press(manager, "Open the transcript");
      await manager.page.locator(".line").first().waitFor();
      const shown = await manager.page.locator(".line[data-role=user] .text").evaluateAll((all) => all.map((p) => p.textContent));
      expect(JSON.stringify(shown) === JSON.stringify(fifties[at]), `conversation ${at}: ${shown.length} lines, or another text`);
    }
    await manager.page.screenshot({ path: join(out, "attacks-console.png") });
    clean(manager);
  }, { seconds: 120 });

  await check("the audit log's export holds none of them", async () => {
    await go(auditor, "/audit");
    const [download] = await Promise.all([auditor.page.waitForEvent("download"), press(auditor, "Export")]);
    const exported = readFileSync(await download.path(), "utf8");
    const found = texts.filter((text) => text.length >= 12 && exported.includes(JSON.stringify(text).slice(1, -1)));
    expect(found.length === 0, found.join("\n"));
    clean(auditor);
  });
}

if (visitor) {
  await check("the visitor sees what is kept of them, copies it, and has it destroyed", async () => {
    await visitor.getByRole("link", { name: "See, copy or erase what is kept of you." }).click();
    await visitor.getByText("There is one conversation.").waitFor();
    await inspect(visitor, visitorWatch, out, "mine");
    const [download] = await Promise.all([visitor.waitForEvent("download"), visitor.getByRole("button", { name: "Download a copy" }).click()]);
    const copy = JSON.parse(readFileSync(await download.path(), "utf8"));
    expect(copy.conversations[0].lines.some((line) => line.text === "What is Wardroom?"), "the question is not in the copy");
    await visitor.getByRole("button", { name: "Erase all of it" }).click();
    await visitor.locator("dialog[open]").getByRole("button", { name: "Keep it" }).click();
    await visitor.getByRole("button", { name: "Erase all of it" }).click();
    await visitor.locator("dialog[open]").waitFor();
    await inspect(visitor, visitorWatch, out, "mine-sure");
    await visitor.locator("dialog[open]").getByRole("button", { name: "Erase it" }).click();
    await visitor.getByText("It is erased. Nobody can read it any more.").waitFor();
    await visitor.reload();
    await visitor.getByText("This tab keeps no conversation of yours.").waitFor();
    const faults = visitorWatch.take();
    expect(faults.length === 0, faults.join("\n"));
  });
}

await check("the owner sees a person and ends nothing by mistake", async () => {
  await go(owner, "/users");
  await owner.page.getByRole("link", { name: "developer", exact: true }).click();
  await look(owner)("user");
  await press(owner, "Disable");
  await owner.page.locator("dialog[open]").waitFor();
  await owner.page.locator("dialog[open]").getByRole("button", { name: "Cancel" }).click();
  expect((await owner.page.locator("dl.facts .badge").first().innerText()) === "Active", "it was disabled");
  await go(owner, "/account");
  await look(owner)("account");
});

await check("on a narrow window the rail opens by its button", async () => {
  await owner.page.setViewportSize({ width: 360, height: 740 });
  await go(owner, "/");
  await press(owner, "Menu");
  await owner.page.getByRole("link", { name: "People", exact: true }).waitFor({ state: "visible" });
  await owner.page.screenshot({ path: join(out, "rail-360.png") });
});

for (const who of [owner, manager, developer, auditor, ...custodians]) {
  await check(`no page of the ${who.name} caused an error, a violation or a foreign request`, async () => clean(who));
}

for (const close of opened) await close();
process.exit(checks.close());
