// Checks the console's islands by themselves, in a real browser under the
// console's own policy, against a small server made for the purpose here. What
// the product's pages do with them is checked by the console's own script.
//
//   node islands.mjs OUT_DIR

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addAuthenticator } from "./lib/authenticator.mjs";
import { findings } from "./lib/axe.mjs";
import { openBrowser } from "./lib/browser.mjs";
import { Checks, expect, until } from "./lib/checks.mjs";
import { loopbackCertificate } from "./lib/tls.mjs";
import { Watch } from "./lib/watch.mjs";

const out = process.argv[2];
if (!out) {
  console.error("usage: node islands.mjs OUT_DIR");
  process.exit(2);
}
mkdirSync(out, { recursive: true });
const ui = new URL("../../ui/", import.meta.url);
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Islands</title><link rel="icon" href="/assets/mark.svg">
<link rel="stylesheet" href="/assets/console.css"><script src="/assets/console.js" defer></script></head><body><main class="main"><h1>Islands</h1>
<p>Waiting: <b data-inbox-count>0</b></p>
<wr-thread class="card flush thread" data-events="/events/thread" data-after="1">
 <div data-scroll tabindex="0" role="log" aria-label="Transcript"><ol><li class="line" data-seq="1" data-role="user"><p class="text" data-slot="text">See https://example.org/a.</p></li></ol></div>
 <template data-kind="message"><li class="line"><div class="who"><b data-slot="role"></b> <time data-slot="created_at"></time></div><p class="text" dir="auto" data-slot="text"></p></li></template>
 <form class="reply" method="post" action="/reply"><input type="hidden" name="csrf_token" value="c"><label for="r">Reply</label><textarea id="r" name="text"></textarea><p class="error" role="alert"></p><button class="button">Reply</button></form>
</wr-thread>
<wr-feed class="card flush" data-events="/events/feed" data-max="3"><span class="live-state" data-link-text data-live="Live" data-broken="Reconnecting"></span>
 <p data-empty>Nothing yet</p><ol class="feed"></ol>
 <template data-kind="event"><li data-mark="severity"><time data-slot="at"></time><a data-href="url" data-slot="name"></a></li></template></wr-feed>
<wr-inbox data-events="/events/inbox"><p data-empty>Empty</p><ol class="rows"></ol>
 <template data-kind="item"><li><div class="lead"><a data-href="url" data-slot="who"></a></div></li></template></wr-inbox>
<wr-table><table><thead><tr><th><input type="checkbox" data-tick-all aria-label="All"></th><th>Name</th></tr></thead><tbody>
 ${[1, 2, 3, 4].map((n) => `<tr><td><input type="checkbox" data-tick aria-label="Row ${n}"></td><td><a href="#row-${n}">Row ${n}</a></td></tr>`).join("")}
</tbody></table><div class="bulk" data-bulk hidden><b data-ticked>0</b> chosen</div></wr-table>
<wr-confirm data-title="Destroy the key?" data-text="This cannot be undone." data-action="Destroy" data-type="acme"><form method="post" action="/destroy"><button class="button danger" name="act" value="destroy">Destroy key</button></form></wr-confirm>
<wr-passkey id="enrol" data-mode="enrol" data-start="/passkey/enrol" data-finish="/passkey/enrolled" data-next="/#enrolled" data-csrf="c"><label for="l">Name of the key</label><input id="l" name="label" value="My laptop"><button class="button">Add a passkey</button><p class="error" role="alert"></p></wr-passkey>
<wr-passkey id="sign-in" data-mode="sign-in" data-start="/passkey/ask" data-finish="/passkey/answer" data-next="/#in"><button class="button">Use a passkey</button><p class="error" role="alert"></p></wr-passkey>
</main></body></html>`;

// ---- the server ----

const streams = { thread: new Set(), feed: new Set(), inbox: new Set() };
const connections = [];
const got = {};
let credential = "";
const dir = join(tmpdir(), `wardroom-islands-${process.pid}`);
const tls = loopbackCertificate(dir);
const challenge = Buffer.from("a challenge of 32 bytes, or more").toString("base64url");

const server = createServer({ key: tls.key, cert: tls.cert, minVersion: "TLSv1.3" }, async (req, res) => {
  const url = new URL(req.url, "https://localhost");
  res.setHeader("content-security-policy", POLICY);
  let body = "";
  for await (const chunk of req) body += chunk;
  const json = (value, status = 200) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  const stream = streams[url.pathname.replace("/events/", "")];
  if (stream) {
    connections.push({ path: url.pathname, after: url.searchParams.get("after"), last: req.headers["last-event-id"] ?? null });
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("retry: 200\n\n");
    stream.add(res);
    return res.on("close", () => stream.delete(res));
  }
  const name = url.pathname.replace("/assets/", "");
  if (url.pathname === "/") return res.writeHead(200, { "content-type": TYPES.html }).end(PAGE);
  if (url.pathname.startsWith("/assets/") && existsSync(new URL(`dist/${name}`, ui))) {
    return res.writeHead(200, { "content-type": TYPES[name.split(".").pop()] }).end(readFileSync(new URL(`dist/${name}`, ui)));
  }
  got[url.pathname] = { body, csrf: req.headers["x-csrf-token"] };
  if (url.pathname === "/reply" && body.includes("refuse")) return json({ detail: "No.", mend: "Say it otherwise." }, 422);
  if (url.pathname === "/destroy") return res.writeHead(303, { location: "/#destroyed" }).end();
  if (url.pathname === "/passkey/enrol") {
    const user = { id: Buffer.from("user").toString("base64url"), name: "ines", displayName: "Ines" };
    const excludeCredentials = credential ? [{ type: "public-key", id: credential }] : [];
    return json({ publicKey: { challenge, rp: { id: "localhost", name: "Wardroom" }, user, excludeCredentials, pubKeyCredParams: [{ type: "public-key", alg: -7 }], authenticatorSelection: { residentKey: "required", userVerification: "required" } } });
  }
  if (url.pathname === "/passkey/ask") return json({ publicKey: { challenge, rpId: "localhost", userVerification: "required" } });
  if (url.pathname === "/passkey/answer") return json({ next: "//evil.example/" });
  return json({});
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `https://localhost:${server.address().port}`;
const tell = (to, id, type, data) => {
  for (const s of streams[to]) s.write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
};

// ---- the checks ----

const checks = new Checks();
const check = checks.check.bind(checks);
const { browser, close } = await openBrowser([tls.ca]);
const watch = await Watch.over(browser, [base]);
const page = await browser.newPage();
const open = async () => {
  await page.goto(`${base}/`);
  await until("the streams", async () => Object.values(streams).every((s) => s.size === 1));
};
const texts = (selector) => page.locator(selector).allTextContents();

try {
  await open();
  await check("a transcript grows in order, once per number, and a draft becomes the answer", async () => {
    tell("thread", 2, "delta", { seq: 3, text: "Half " });
    tell("thread", 3, "delta", { seq: 3, text: "an" });
    await until("the draft", async () => (await texts("wr-thread .draft .text"))[0] === "Half an");
    tell("thread", 4, "message", { seq: 3, role: "bot", text: "Whole <b>answer</b> at https://example.org/b", created_at: "2026-11-22T10:00:00Z" });
    tell("thread", 5, "message", { seq: 2, role: "user", text: "late" });
    tell("thread", 5, "message", { seq: 2, role: "user", text: "late" });
    await until("three lines", async () => (await texts("wr-thread li .text")).length === 3);
    expect(JSON.stringify(await texts("wr-thread li .text")) === JSON.stringify(["See https://example.org/a.", "late", "Whole <b>answer</b> at https://example.org/b"]), "wrong lines");
    expect((await page.locator("wr-thread .draft").count()) === 0, "a draft is left");
    const links = await page.locator("wr-thread li a").evaluateAll((all) => all.map((a) => `${a.href} ${a.rel}`));
    expect(links.length === 2 && links.every((l) => l.includes("noopener")), links.join());
  });
  await check("a reply is sent in the background; a refusal is told and the text kept", async () => {
    const area = page.locator("wr-thread textarea");
    await watch.expecting(async () => {
      await area.fill("refuse this");
      await area.press("Control+Enter");
      await until("the refusal", async () => (await texts("wr-thread .error"))[0] === "No. Say it otherwise.");
    });
    expect((await area.inputValue()) === "refuse this", "the text is lost");
    await area.fill("Hello & welcome");
    await page.getByRole("button", { name: "Reply" }).click();
    await until("the empty field", async () => (await area.inputValue()) === "");
    expect(got["/reply"].body === "csrf_token=c&text=Hello+%26+welcome", got["/reply"].body);
  });
  await check("a feed keeps the newest, links only to its own origin, and resumes where it was cut", async () => {
    for (let i = 1; i <= 5; i++) tell("feed", i, "event", { name: `event ${i}`, severity: "W", at: "2026-11-22T10:00:00Z", url: i === 5 ? "javascript:alert(1)" : i === 4 ? "https://evil.example/" : `/e/${i}` });
    await until("three rows", async () => JSON.stringify(await texts("wr-feed li a")) === JSON.stringify(["event 5", "event 4", "event 3"]));
    const hrefs = await page.locator("wr-feed li a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    expect(hrefs[0] === null && hrefs[1] === null && hrefs[2] === `${base}/e/3`, hrefs.join());
    expect((await page.locator("wr-feed li").first().getAttribute("data-severity")) === "W", "no mark");
    expect(!(await page.locator("wr-feed [data-empty]").isVisible()), "still says it is empty");
    await watch.expecting(async () => {
      for (const s of streams.feed) s.destroy();
      await until("the stream again", async () => connections.filter((c) => c.path === "/events/feed").length === 2);
    });
    const again = connections.filter((c) => c.path === "/events/feed").at(-1);
    expect(again.last === "5", `resumed at ${again.last}`);
    await until("the word Live", async () => (await texts("wr-feed .live-state"))[0] === "Live");
  });
  await check("the transcript begins after the page's own last event", async () => {
    expect(connections.find((c) => c.path === "/events/thread").after === "1", "no resume point");
  });
  await check("an inbox counts, moves the newest up, and goes by keyboard", async () => {
    for (const n of [1, 2, 3]) tell("inbox", n, "upsert", { id: `c${n}`, who: `Visitor ${n}`, url: `/c/${n}` });
    tell("inbox", 4, "upsert", { id: "c1", who: "Visitor 1 again", url: "/c/1" });
    tell("inbox", 5, "remove", { id: "c2" });
    await until("two rows", async () => JSON.stringify(await texts("wr-inbox li a")) === JSON.stringify(["Visitor 1 again", "Visitor 3"]));
    expect((await page.title()) === "(2) Islands", await page.title());
    expect((await texts("[data-inbox-count]"))[0] === "2", "wrong count");
    await page.locator("wr-inbox li a").first().focus();
    await page.keyboard.press("j");
    expect((await page.evaluate(() => document.activeElement.textContent)) === "Visitor 3", "j does not move");
  });
  await check("a table goes by keyboard, ticks ranges and counts them", async () => {
    await page.locator("wr-table tbody tr").first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("x");
    expect((await texts("wr-table [data-ticked]"))[0] === "1", "x does not tick");
    await page.getByLabel("Row 4").click({ modifiers: ["Shift"] });
    expect((await texts("wr-table [data-ticked]"))[0] === "3", "shift does not tick the range");
    expect(await page.getByLabel("All").evaluate((b) => b.indeterminate), "not half ticked");
    await page.locator("wr-table tbody tr").nth(2).focus();
    await page.keyboard.press("Enter");
    await until("the row's page", async () => page.url().endsWith("#row-3"));
  });
  await check("no serious accessibility finding", async () => {
    const found = await watch.expecting(() => findings(page));
    expect(found.length === 0, found.join("\n"));
    await page.screenshot({ path: join(out, "islands.png"), fullPage: true });
  });
  await check("a dangerous form asks, wants its word, and goes only then", async () => {
    const button = page.getByRole("button", { name: "Destroy key" });
    await button.click();
    const dialog = page.getByRole("dialog");
    await page.screenshot({ path: join(out, "confirm.png") });
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(got["/destroy"] === undefined, "it was sent");
    expect(await button.evaluate((b) => b === document.activeElement), "the focus is lost");
    await button.click();
    const yes = dialog.getByRole("button", { name: "Destroy" });
    expect(await yes.isDisabled(), "the word is not asked for");
    await dialog.getByRole("textbox").fill("acme");
    await yes.click();
    await until("the act", async () => got["/destroy"]?.body === "act=destroy");
    await until("the next page", async () => page.url().endsWith("#destroyed"));
  });
  await check("a passkey is enrolled, refused a second time, and signs in", async () => {
    await open();
    const keys = await addAuthenticator(page);
    await page.locator("#enrol button").click();
    await until("the enrolment", async () => got["/passkey/enrolled"] && page.url().endsWith("#enrolled"));
    const { body, csrf } = got["/passkey/enrolled"];
    const sent = JSON.parse(body);
    const client = JSON.parse(Buffer.from(sent.credential.client_data, "base64url"));
    expect(client.challenge === challenge && client.type === "webauthn.create" && client.origin === base, JSON.stringify(client));
    expect(sent.label === "My laptop" && csrf === "c" && sent.credential.attestation_object.length > 100, body);
    credential = sent.credential.id;
    expect((await keys.credentials()).length === 1, "no credential was made");

    await open();
    await page.locator("#enrol button").click();
    await until("the refusal", async () => (await texts("#enrol .error"))[0].includes("already holds"));

    await page.locator("#sign-in button").click();
    await until("the sign-in", async () => got["/passkey/answer"]);
    const assertion = JSON.parse(got["/passkey/answer"].body).credential;
    expect(assertion.id === credential && assertion.signature.length > 80 && assertion.user_handle === Buffer.from("user").toString("base64url"), got["/passkey/answer"].body);
    // The answer's "next" led to another site: the page goes home instead.
    await until("home", async () => page.url() === `${base}/`);
  });
  await check("no error and no violation", async () => {
    const faults = watch.take();
    expect(faults.length === 0, faults.join("\n"));
  });
} finally {
  await close();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
}
process.exit(checks.close());
