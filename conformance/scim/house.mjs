// A running Wardroom with an owner, one connection and a token for its directory, made with a browser as
// people make them.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addAuthenticator } from "../browser/lib/authenticator.mjs";
import { openBrowser } from "../browser/lib/browser.mjs";
import { expect } from "../browser/lib/checks.mjs";
import { exchange } from "../oidc/http.mjs";

const DOMAIN = "corp.example";

// The graders ask as fast as they can; a directory is told to wait, and does.
const CONFIG = `[sign_in]
domains = ["${DOMAIN}"]
[admission]
connections = { per_second = 1000, burst = 1000 }
credential = { per_second = 1000, burst = 1000 }
address = { per_second = 1000, burst = 1000 }
`;

/** The metadata of a provider whom nobody asks: signing in is not what is graded here. */
function metadata(work) {
  const at = (name) => join(work, name);
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "2", "-subj", "/CN=idp",
    "-keyout", at("idp.key"), "-out", at("idp.crt"),
  ], { stdio: "pipe" });
  const cert = readFileSync(at("idp.crt"), "utf8").replace(/-----.*-----|\s/g, "");
  return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="https://idp.${DOMAIN}/saml"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${cert}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.${DOMAIN}/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`;
}

export class House {
  #closing = [];

  static async start(binary, work) {
    const house = new House();
    Object.assign(house, { binary, work, data: join(work, "data"), config: join(work, "wardroom.toml") });
    mkdirSync(join(work, "pictures"), { recursive: true });
    writeFileSync(house.config, CONFIG);
    const listen = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    const args = ["up", "--json", ...listen, "--data", house.data, "--config", house.config];
    house.child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
    process.on("exit", () => house.child.kill("SIGKILL"));
    const line = await new Promise((done, fail) => {
      createInterface({ input: house.child.stdout }).once("line", done);
      house.child.once("exit", () => fail(new Error("the binary did not start")));
    });
    const ready = JSON.parse(line);
    Object.assign(house, { desk: ready.console, caFile: ready.ca, ca: readFileSync(ready.ca), enrolment: ready.enrolment });
    return house;
  }

  async person(name) {
    const { browser, close } = await openBrowser([this.caFile]);
    this.#closing.push(close);
    return { name, browser, page: await browser.newPage() };
  }

  arrived(who, path) {
    return who.page.waitForURL((url) => url.origin === this.desk && url.pathname === path, { timeout: 20_000 });
  }

  press(who, name) {
    return who.page.getByRole("button", { name, exact: true }).first().click();
  }

  picture(who, name) {
    return who.page.screenshot({ path: join(this.work, "pictures", `${name}.png`), fullPage: true });
  }

  /** Enrols somebody with a passkey, by the link of an invitation. */
  async enrol(who, link, name, email) {
    const { page } = who;
    await page.goto(link);
    await page.waitForFunction(() => document.querySelector("#code").value !== "");
    await page.fill("#name", name);
    await page.fill("#email", email);
    await this.press(who, "Go on");
    await this.arrived(who, "/enrol/factor");
    await addAuthenticator(page);
    await this.press(who, "Make a passkey");
    await this.arrived(who, "/enrol/codes");
  }

  /** The link of an invitation, made on the machine's command line. */
  invited(role) {
    const args = ["user", "invite", "--role", role, "--data", this.data, "--config", this.config];
    const said = execFileSync(this.binary, args, { encoding: "utf8" });
    return `${this.desk}/enrol${said.slice(said.indexOf("#")).trim()}`;
  }

  /** What a command says that must succeed. */
  say(...words) {
    return execFileSync(this.binary, [...words, "--data", this.data, "--config", this.config], { encoding: "utf8" }).trim();
  }

  /** An API key of an account, made on the machine's command line. */
  key(owner) {
    const made = this.say("api-key", "create", "--owner", owner, "--name", "leaves with her", "--may", "transcript.list", "--json");
    return JSON.parse(made).key;
  }

  /** The status with which the staff API answers a key. */
  async opens(key) {
    const headers = { authorization: `Bearer ${key}`, accept: "application/json" };
    return (await exchange(`${this.desk}/api/v1/conversations`, { ca: this.ca, headers })).status;
  }

  /** A connection whose groups bring roles, as an administrator makes it. */
  async connect(owner, mapping) {
    const { page } = owner;
    await page.goto(`${this.desk}/connections`);
    await page.fill("#saml-name", "Corp");
    await page.fill("#metadata", metadata(this.work));
    await page.locator('form[action="/connections/saml"] button').click();
    await page.getByText("The connection is made").waitFor();
    this.connection = new URL(page.url()).pathname;
    await page.fill("#mapping", mapping);
    await this.press(owner, "Save");
    await page.getByText("The change applies").waitFor();
    await page.fill("#domains", DOMAIN);
    await this.press(owner, "Save the domains");
    await page.getByText("The change applies").waitFor();
  }

  /** A token for the directory; it is shown once. */
  async token(owner) {
    await owner.page.goto(this.desk + this.connection);
    await this.press(owner, "Make a token");
    const token = await owner.page.locator("#token").innerText();
    expect(/^wrs1_[A-Za-z0-9_-]{43}$/.test(token), "no token");
    return token;
  }

  /** The status with which the console answers somebody's cookies. */
  async status(who) {
    const answer = await exchange(`${this.desk}/account`, { ca: this.ca, headers: { cookie: await this.cookies(who) } });
    return answer.status;
  }

  async cookies(who) {
    const all = await who.browser.cookies(this.desk);
    return all.map(({ name, value }) => `${name}=${value}`).join("; ");
  }

  async close() {
    for (const close of this.#closing) await close();
    this.child.kill("SIGINT");
    await new Promise((done) => this.child.once("exit", done));
  }
}
