// Drives the chat of a running Wardroom with a real browser.
//
//   node widget.mjs BASE_URL CA_FILE OUT_DIR QUESTIONS.json
//   node widget.mjs BASE_URL CA_FILE OUT_DIR "Question one?" "Question two?" "Question three?"
//
// QUESTIONS.json is a list of texts, or of {"question", "contains"?} where the
// answer must contain the given words. The bot (BOT, default front-desk) must
// answer each with citations and allow the origin http://localhost:18780 (HOST_PORT).
// Screenshots go to OUT_DIR. The last line is "N passed, N failed".

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findings } from "./lib/axe.mjs";
import { openBrowser } from "./lib/browser.mjs";
import { ask, composer, focused, lines, notice, said } from "./lib/chat.mjs";
import { Checks, expect, until } from "./lib/checks.mjs";
import { PORT, serveHost } from "./lib/host.mjs";
import { countEvents } from "./lib/stream.mjs";
import { Watch } from "./lib/watch.mjs";

const [address, ca, out, ...rest] = process.argv.slice(2);
if (!address || !ca || !out || rest.length === 0) {
  console.error("usage: node widget.mjs BASE_URL CA_FILE OUT_DIR QUESTIONS.json | QUESTION...");
  process.exit(2);
}
const base = new URL(address).origin;
const bot = process.env.BOT ?? "front-desk";
const questions = (rest[0].endsWith(".json") ? JSON.parse(readFileSync(rest[0], "utf8")) : rest).map((q) =>
  typeof q === "string" ? { question: q } : q,
);
mkdirSync(out, { recursive: true });

const checks = new Checks();
const check = checks.check.bind(checks);
const host = await serveHost(base, bot, Number(process.env.HOST_PORT ?? PORT));
const { browser, close } = await openBrowser([ca]);
const watch = await Watch.over(browser, [base, host.origin]);
const page = await browser.newPage();
const SIZES = { 1280: 800, 360: 740 };

async function shots(name, before = async () => {}) {
  for (const [width, height] of Object.entries(SIZES)) {
    await page.setViewportSize({ width: Number(width), height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await before();
      await page.waitForTimeout(250);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(wide <= 0, `the page is ${wide} px too wide at ${width} px`);
      await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: SIZES[1280] });
  await page.emulateMedia({ colorScheme: "light" });
}

async function accessible(what, scope) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(100);
    const found = await watch.expecting(() => findings(page, scope));
    expect(found.length === 0, `${what}, ${colorScheme}:\n${found.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Whether the visitor's last line was delivered and answered after that (a greeting stands before it). */
const answered = (all) => {
  const mine = all.findLastIndex((l) => l.role === "user");
  return all[mine]?.delivery === "sent" && all.slice(mine + 1).some((l) => l.role === "bot" && l.delivery === "sent");
};

const clean = async () => {
  const faults = watch.take();
  expect(faults.length === 0, faults.join("\n"));
};

try {
  // ---- the chat page ----

  await check("the page opens over TLS 1.3 under the private CA, with the strict policy", async () => {
    const response = await page.goto(`${base}/`, { waitUntil: "load" });
    expect(response.status() === 200, `status ${response.status()}`);
    const security = await response.securityDetails();
    expect(security?.protocol === "TLS 1.3", `protocol ${security?.protocol}`);
    const policy = response.headers()["content-security-policy"] ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      expect(policy.includes(part), `the policy lacks ${part}: ${policy}`);
    }
    expect(!/unsafe-|\*/.test(policy), `the policy has a hole: ${policy}`);
    await composer(page).waitFor();
  });

  await check("nothing is asked of the server before the first message", async () => {
    const opened = [];
    page.on("request", (r) => r.url().includes("/chat/v1/") && opened.push(r.url()));
    await page.waitForTimeout(600);
    expect(opened.length === 0, opened.join(" "));
  });

  await check("the empty page has no serious accessibility finding", () => accessible("empty"));
  const stream = await countEvents(page);
  for (const { question, contains } of questions) {
    await check(`answered with citations: ${question}`, async () => {
      const answer = await ask(page, question);
      expect(answer.text.trim().length > 0, "the answer is empty");
      if (contains) expect(answer.text.toLowerCase().includes(contains.toLowerCase()), `the answer lacks "${contains}": ${answer.text}`);
      const links = answer.citations.filter((c) => c.href !== null);
      expect(links.length > 0, `no citation is a link: ${JSON.stringify(answer)}`);
      for (const { href } of links) expect(/^https?:/.test(href), `a citation leads to ${href}`);
    });
  }

  await check("answers came over the wire in pieces", async () => {
    const { delta = 0, message = 0 } = stream.counts;
    expect(delta >= 2 && message >= 2 * questions.length, `events seen: ${JSON.stringify(stream.counts)}`);
    await stream.stop();
  });
  await check("the thread has no serious accessibility finding", () => accessible("thread"));
  await check("screenshots of the page, light and dark, 1280 and 360 px", () => shots("page"));

  await check("after a reload the conversation is found again", async () => {
    const before = said(await lines(page));
    const opened = [];
    const note = (r) => r.method() === "POST" && new URL(r.url()).pathname === "/chat/v1/conversations" && opened.push(r.url());
    page.on("request", note);
    await page.reload();
    const after = await until("the same lines", async () => {
      const now = said(await lines(page));
      return now.length >= before.length && now;
    });
    page.off("request", note);
    expect(JSON.stringify(after) === JSON.stringify(before), `before:\n${before.join("\n")}\nafter:\n${after.join("\n")}`);
    expect(opened.length === 0, "a second conversation was opened");
  });

  await check("the composer works by keyboard alone", async () => {
    await page.evaluate(() => document.activeElement?.blur());
    for (let i = 0; i < 12 && !(await focused(page)).startsWith("textarea"); i++) await page.keyboard.press("Tab");
    expect((await focused(page)).startsWith("textarea"), "Tab does not reach the composer");
    await page.keyboard.type("first line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("second line");
    expect((await composer(page).inputValue()) === "first line\nsecond line", "Shift+Enter does not make a new line");
    await page.keyboard.press("Tab");
    expect((await focused(page)).startsWith("button.send"), "Tab does not go on to Send");
    await page.keyboard.press("Tab");
    expect((await focused(page)).startsWith("button.person"), "Tab does not go on to the person button");
    await composer(page).fill("");
  });

  await check("a message past 8000 characters is counted and not sent", async () => {
    const before = (await lines(page)).length;
    await composer(page).fill("x".repeat(8012));
    expect((await page.locator("wardroom-chat .count").textContent()).includes("-12"), "the counter does not say -12");
    await composer(page).press("Enter");
    await page.waitForTimeout(300);
    expect((await lines(page)).length === before, "it was sent");
    await composer(page).fill("");
  });

  await check("no error, no violation, no foreign request on the page", clean);

  // ---- the network breaks ----

  await check("a message written offline is kept, sent once when the network is back, and answered", () =>
    watch.expecting(async () => {
      const before = (await lines(page)).length;
      await browser.setOffline(true);
      await until("the offline notice", async () => (await notice(page)).includes("offline"));
      const { question } = questions[0];
      await composer(page).fill(question);
      await composer(page).press("Enter");
      await until("the waiting line", async () => (await lines(page)).at(-1).delivery === "waiting");
      await page.screenshot({ path: join(out, "offline.png") });
      await browser.setOffline(false);
      await until("an answer", async () => (await lines(page)).length > before && answered(await lines(page)), 20_000);
      const mine = (await lines(page)).slice(before).filter((l) => l.role === "user");
      expect(mine.length === 1 && mine[0].delivery === "sent", JSON.stringify(mine));
      await until("the notice to go", async () => (await notice(page)) === "");
    }),
  );

  await check("a message whose receipt was lost is not doubled", () =>
    watch.expecting(async () => {
      const text = `${questions[0].question} Once.`;
      const cdp = await browser.newCDPSession(page);
      await cdp.send("Fetch.enable", { patterns: [{ urlPattern: "*/messages", requestStage: "Response" }] });
      let posts = 0;
      cdp.on("Fetch.requestPaused", ({ requestId }) => {
        posts++;
        // The server has taken the message; its answer is lost on the way, once.
        void (posts === 1 ? cdp.send("Fetch.failRequest", { requestId, errorReason: "ConnectionReset" }) : cdp.send("Fetch.continueRequest", { requestId }));
      });
      await composer(page).fill(text);
      await composer(page).press("Enter");
      await until("the second post", async () => posts >= 2);
      await until("delivery", async () => (await lines(page)).some((l) => l.text === text && l.delivery === "sent"));
      await cdp.detach();
      await page.waitForTimeout(1500);
      await page.reload();
      await until("the thread", async () => (await lines(page)).some((l) => l.text === text));
      await page.waitForTimeout(500);
      const times = (await lines(page)).filter((l) => l.text === text).length;
      expect(times === 1, `it stands ${times} times in the conversation`);
    }),
  );

  await check("the person button says its wish, and something answers", async () => {
    await page.waitForTimeout(500);
    const before = (await lines(page)).length;
    await page.locator("wardroom-chat .person").click();
    await until("the wish", async () => (await lines(page)).slice(before).some((l) => l.role === "user" && l.delivery === "sent"));
    await until("an answer or a notice", async () =>
      (await lines(page)).slice(before).some((l) => l.role !== "user" && l.delivery === "sent") || (await notice(page)) !== "");
    await page.screenshot({ path: join(out, "person.png") });
  });
  await check("no error and no violation after the breaks", clean);

  // ---- a crowd at the door ----

  const challenged = (where) =>
    watch.expecting(async () => {
      const token = "A".repeat(71);
      const proofs = [];
      const workers = [];
      const count = (worker) => workers.push(worker.url());
      page.on("worker", count);
      await page.route(/\/chat\/v1\/conversations$/, (route) => {
        const request = route.request();
        if (request.method() !== "POST") return route.continue();
        proofs.push(request.headers()["wardroom-proof"] ?? null);
        if (proofs.length > 1) return route.continue();
        const headers = {
          "retry-after": "20",
          "wardroom-challenge": `17.${token}`,
          "access-control-allow-origin": "*",
          "access-control-expose-headers": "retry-after, wardroom-challenge",
        };
        return route.fulfill({ status: 429, headers, body: "{}" });
      });
      await page.evaluate(() => {
        const seen = (window.noticed = new Set());
        const root = document.querySelector("wardroom-chat").shadowRoot;
        document.addEventListener("securitypolicyviolation", (e) => seen.add(`violation of ${e.effectiveDirective}`));
        new MutationObserver(() => seen.add(root.querySelector(".notice").textContent)).observe(root, { subtree: true, childList: true });
      });
      await ask(page, questions[0].question);
      page.off("worker", count);
      await page.unroute(/\/chat\/v1\/conversations$/);
      expect(proofs.length === 2 && proofs[0] === null && proofs[1]?.startsWith(`${token}.`), JSON.stringify(proofs));
      const sum = createHash("sha256").update(proofs[1]).digest();
      expect(sum.readUInt32BE(0) >>> 15 === 0, `not 17 zero bits: ${sum.toString("hex")}`);
      const noticed = await page.evaluate(() => [...window.noticed]);
      expect(noticed.includes("Checking, one moment."), `the notices were ${JSON.stringify(noticed)}`);
      expect(!noticed.some((text) => text.startsWith("violation")), noticed.join());
      expect((workers.length > 0) === (where === "ours"), `workers: ${workers.join(" ")}`);
    });

  await check("a challenge is answered in a worker, while the person reads one calm line", async () => {
    await page.evaluate(() => sessionStorage.clear());
    await page.goto(`${base}/`);
    await composer(page).waitFor();
    await challenged("ours");
  });

  await check("a busy server is waited for: the text stays, and is sent by itself", () =>
    watch.expecting(async () => {
      const before = (await lines(page)).length;
      let posts = 0;
      await page.route("**/messages", (route) => {
        posts++;
        if (posts > 2) return route.continue();
        return route.fulfill({ status: 503, headers: { "retry-after": "2", "content-type": "application/problem+json" }, body: "{}" });
      });
      await composer(page).fill(questions[0].question);
      await composer(page).press("Enter");
      await until("the busy notice", async () => (await notice(page)).includes("Busy"));
      expect((await lines(page)).slice(before).some((l) => l.role === "user" && l.text === questions[0].question), "the text is gone");
      await page.screenshot({ path: join(out, "busy.png") });
      await until("an answer", async () => (await lines(page)).length > before && answered(await lines(page)), 20_000);
      expect(posts === 3, `${posts} posts`);
      await until("the notice to go", async () => (await notice(page)) === "");
      await page.unroute("**/messages");
    }),
  );

  // ---- another organisation's page ----

  const launcher = page.locator("wardroom-chat .launcher");
  await check("one script tag puts the chat on a foreign page with the strictest policy", async () => {
    await page.goto(`${host.origin}/`);
    await launcher.waitFor();
    await page.screenshot({ path: join(out, "host-closed.png") });
  });
  await check("it opens, answers and closes by keyboard alone", async () => {
    for (let i = 0; i < 12 && !(await focused(page)).startsWith("button.launcher"); i++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await until("focus in the composer", async () => (await focused(page)).startsWith("textarea"));
    await page.keyboard.type(questions[0].question);
    await page.keyboard.press("Enter");
    await until("an answer", async () => answered(await lines(page)), 20_000);
    await page.keyboard.press("Escape");
    await until("focus back on the bell", async () => (await focused(page)).startsWith("button.launcher"));
    await page.keyboard.press("Enter");
    await until("focus in the composer again", async () => (await focused(page)).startsWith("textarea"));
  });
  await check("the foreign page finds the open conversation again after a reload", async () => {
    const before = said(await lines(page));
    await page.reload();
    await until("the same lines", async () => JSON.stringify(said(await lines(page))) === JSON.stringify(before));
    await composer(page).waitFor({ state: "visible" });
  });
  await check("a challenge is answered on a foreign page too, without a worker", async () => {
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await launcher.click();
    await challenged("theirs");
  });
  await check("the embedded chat has no serious accessibility finding", () => accessible("embedded", "wardroom-chat"));
  await check("screenshots of the embedded chat", () => shots("host"));
  await check("nothing on the foreign page broke its policy", clean);

  await check("right to left: words, direction and corner follow the language", async () => {
    await page.evaluate(() => sessionStorage.clear());
    await page.goto(`${host.origin}/rtl`);
    await launcher.waitFor();
    const box = await launcher.boundingBox();
    expect(box.x < 200, `the bell stands at ${box.x} px`);
    await launcher.click();
    const panel = page.locator("wardroom-chat .panel");
    expect((await panel.getAttribute("dir")) === "rtl", "the panel is not right to left");
    await ask(page, questions[0].question);
    await accessible("right to left", "wardroom-chat");
    await shots("rtl");
  });

  await check("reduced motion stops every animation", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    const moving = await page.evaluate(() => document.getAnimations().length);
    expect(moving === 0, `${moving} animations run`);
    await page.emulateMedia({ reducedMotion: "no-preference" });
  });
  await check("no error and no violation at the end", clean);
} finally {
  await close();
  await host.close();
}
process.exit(checks.close());
