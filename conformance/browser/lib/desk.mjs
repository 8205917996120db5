// A Wardroom of one suite's own, and people at its console: what the suites of sign-in have in common.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addAuthenticator, totp } from "./authenticator.mjs";
import { openBrowser } from "./browser.mjs";
import { Checks, expect } from "./checks.mjs";

// One machine asks here for what many people ask for: admission stays, with wider budgets.
export const WIDE = ["connections", "address", "network", "credential", "tenant", "login", "logins"]
  .map((budget) => `${budget} = { per_second = 500, burst = 2000 }\n`)
  .join("");

export const PASSWORD = "herring tidal copper lantern";

/** Starts `binary` on a fresh data directory in `work` under a configuration; `cas` are trusted by browsers. */
export async function openDesk({ binary, work, config = "", cas = [] }) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, "pictures"), { recursive: true });
  const [data, settings] = [join(work, "data"), join(work, "wardroom.toml")];
  writeFileSync(settings, `${config}\n[admission]\n${WIDE}`);
  const listen = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
  const child = spawn(binary, ["up", "--json", ...listen, "--data", data, "--config", settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill("SIGKILL"));
  const line = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", () => fail(new Error("the binary did not start")));
  });
  return new Desk({ binary, work, data, settings, child, cas, ready: JSON.parse(line) });
}

class Desk {
  checks = new Checks();
  figures = { refused: 0, accepted: 0, total: 0 };
  #opened = [];
  #people = [];

  constructor(parts) {
    Object.assign(this, parts);
    this.origin = this.ready.console;
    this.ca = this.ready.ca;
  }

  /** A check that counts as something that must be accepted. */
  async accepted(name, body) {
    this.figures.total++;
    if (await this.#check(name, body)) this.figures.accepted++;
  }

  /** A check that counts as something that must be refused. */
  async refused(name, body) {
    this.figures.total++;
    if (await this.#check(name, body)) this.figures.refused++;
  }

  /** When a check fails, what everybody was looking at is kept. */
  async #check(name, body) {
    const passed = await this.checks.check(name, body);
    if (!passed) {
      for (const who of this.#people) await who.picture(`failed-${this.figures.total}-${who.name}`).catch(() => {});
    }
    return passed;
  }

  /** A browser of one person. */
  async person(name, options) {
    const { browser, close } = await openBrowser([this.ca, ...this.cas], options);
    this.#opened.push(close);
    const page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    const person = new Person(this, name, page);
    this.#people.push(person);
    return person;
  }

  /** Closes the browsers and stops the house in good order. */
  async stop() {
    for (const close of this.#opened) await close();
    this.child.kill("SIGINT");
    const code = await new Promise((done) => this.child.once("exit", done));
    expect(code === 0, `the binary ended with ${code}`);
  }

  /** One field of the events with this code in the exported audit log, oldest first; after `stop`. */
  told(code, field) {
    const out = join(this.work, `export-${code}`);
    const command = ["audit", "export", "--data", this.data, "--config", this.settings, out];
    execFileSync(this.binary, command, { stdio: "pipe" });
    const found = [];
    const pattern = new RegExp(`"event_code":"${code}".*?"${field}":"([^"]+)"`, "g");
    const walk = (folder) => {
      for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name.localeCompare(b.name))) {
        const at = join(folder, entry.name);
        if (entry.isDirectory()) walk(at);
        else for (const [, value] of readFileSync(at, "utf8").matchAll(pattern)) found.push(value);
      }
    };
    walk(out);
    return found;
  }
}

class Person {
  constructor(desk, name, page) {
    Object.assign(this, { desk, name, page });
  }

  path() {
    return new URL(this.page.url()).pathname;
  }

  go(path) {
    return this.page.goto(this.desk.origin + path);
  }

  arrived(at) {
    const there = (url) => url.origin === this.desk.origin && url.pathname === at;
    return this.page.waitForURL(there, { timeout: 20_000 });
  }

  press(name) {
    return this.page.getByRole("button", { name, exact: true }).first().click();
  }

  follow(name) {
    return this.page.getByRole("link", { name, exact: true }).first().click();
  }

  picture(name) {
    return this.page.screenshot({ path: join(this.desk.work, "pictures", `${name}.png`), fullPage: true });
  }

  text(selector = "main") {
    return this.page.locator(selector).innerText();
  }

  /** Opens an invitation, up to the choice of factors. */
  async begin(invitation, email) {
    await this.page.goto(invitation);
    await this.page.waitForFunction(() => document.querySelector("#code").value !== "");
    await this.page.fill("#name", this.name);
    await this.page.fill("#email", email);
    await this.press("Go on");
    await this.arrived("/enrol/factor");
  }

  /** Enrols with a password and an authenticator app. */
  async enrol(invitation, email) {
    await this.begin(invitation, email);
    await this.page.fill("#password", PASSWORD);
    await this.page.fill("#again", PASSWORD);
    await this.press("Go on");
    await this.page.locator("#letters").waitFor();
    this.seed = await this.page.locator("#letters").innerText();
    await this.page.fill("#code", totp(this.seed));
    await this.press("Finish");
    await this.arrived("/enrol/codes");
  }

  /** Enrols with a passkey, which weighty acts ask for. */
  async enrolWithPasskey(invitation, email) {
    this.authenticator = await addAuthenticator(this.page);
    await this.begin(invitation, email);
    await this.press("Make a passkey");
    await this.arrived("/enrol/codes");
  }

  /** Signs in through a provider that the sign-in page offers. */
  async through(provider) {
    await this.go("/sign-in");
    await this.follow(`Sign in with ${provider}`);
  }
}
