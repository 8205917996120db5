// People who chat sign in over SAML at the public door: through SimpleSAMLphp, whose logout works from either
// side, through pysaml2, which is configured with the metadata of our public door, and through samlp, which
// encrypts. And what was said to one door is tried at the other.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, until } from "../browser/lib/checks.mjs";
import { Visitor } from "../oidc/http.mjs";

/** `house` is what the walk of staff uses. */
export async function peopleWho(house) {
  const { desk, owner, reasons, corp, connection, other, say, login } = house;
  const { figures } = desk;
  const accepted = desk.accepted.bind(desk);
  const refused = desk.refused.bind(desk);
  const front = desk.ready.public;
  const club = `${front}/with/club`;
  const base = (path, door = front) => `${door}/sso/saml/${path.split("/").at(-1)}`;
  const metadataOf = async (path) => (await new Visitor(desk.ca).get(`${base(path)}/metadata`)).text;

  /** The owner says who signs in through a connection, and sees the addresses for people who chat. */
  async function serve(path, whom) {
    await owner.go(path);
    await owner.page.selectOption("#serves", whom);
    await owner.press("Save");
    await owner.page.getByText("The change applies").waitFor();
    for (const end of ["acs", "logout", "metadata"]) await owner.page.getByText(`${base(path)}/${end}`).first().waitFor();
  }

  /** Somebody who chats, in a browser of their own. */
  async function visitor(name) {
    const who = await desk.person(name);
    const { page } = who;
    const chat = page.locator("wardroom-chat");
    const composer = page.getByRole("textbox");
    return Object.assign(who, {
      chat,
      composer,
      comes: async (name) => {
        await page.goto(club);
        await page.getByRole("link", { name: `Sign in with ${name}` }).click();
      },
      chats: () => composer.waitFor({ timeout: 20_000 }),
      signsOut: async () => {
        await page.goto(`${front}/mine`);
        await page.getByRole("button", { name: "Sign out", exact: true }).click();
        await page.getByText("Your session has ended here and at your identity provider.").waitFor();
      },
      isSignedIn: () => page.evaluate(async () => (await fetch("/mine/signed-in")).status === 200),
    });
  }
  const ada = await visitor("ada");
  const { page } = ada;

  await accepted("a bot is made that demands sign-in, and the enterprise's provider serves its people, too", async () => {
    const bot = join(desk.work, "club");
    const run = (...words) => execFileSync(desk.binary, words, { stdio: "pipe" });
    run("bot", "new", "club", "--dir", bot);
    const toml = readFileSync(join(bot, "bot.toml"), "utf8");
    writeFileSync(join(bot, "bot.toml"), toml.replace('people = "anybody"', 'people = "sso"'));
    run("bot", "push", bot, "--data", desk.data, "--config", desk.settings);
    await until("the bot", async () => (await page.goto(club)).status() === 200, 30_000);
    await serve(connection, "both");
    await owner.picture("connection-people");
    const metadata = await metadataOf(connection);
    expect(metadata.includes(`entityID="${base(connection)}/metadata"`) && !metadata.includes(desk.origin), metadata);
    house.service(base(connection), metadata);
  });
  await accepted("somebody signs in at the public door and chats, as nobody of the staff", async () => {
    await ada.comes("Corp");
    await login(ada, "alice");
    await ada.chats();
    await ada.composer.fill("What are your opening hours?");
    await ada.composer.press("Enter");
    await until("an answer", async () => (await ada.chat.locator('li[data-role="bot"]').count()) > 0, 20_000);
    const cookies = (await page.context().cookies(front)).map(({ name }) => name).filter((name) => name.includes("wardroom"));
    expect(JSON.stringify(cookies) === '["__Host-wardroom-person"]', `cookies: ${cookies}`);
    await ada.go("/account");
    expect(ada.path() === "/sign-in", `at the staff's door: ${ada.path()}`);
  });
  await accepted("a logout at the provider closes the chat within two seconds, before we answer it", async () => {
    await page.goto(club);
    await ada.chats();
    const closed = new Promise((done) => {
      const heard = (request) => request.url().endsWith("/events") && done(Date.now());
      page.on("requestfinished", heard);
      page.on("requestfailed", heard);
    });
    const there = await page.context().newPage();
    const answer = there.waitForResponse((response) => response.url().startsWith(`${base(connection)}/logout?SAMLRequest=`));
    const back = encodeURIComponent(`${corp.url}/simplesaml/`);
    const begun = Date.now();
    there.goto(`${corp.url}/simplesaml/saml2/idp/SingleLogoutService.php?ReturnTo=${back}`).catch(() => {});
    expect((await answer).status() === 303, "we did not answer");
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the stream stayed open")), 15_000));
    figures.people_logout_ms = (await Promise.race([closed, late])) - begun;
    expect(figures.people_logout_ms < 2000, `${figures.people_logout_ms} ms`);
    expect(!(await ada.isSignedIn()), "the session goes on");
    await there.close();
  });
  await accepted("signing out on their own page signs out at the provider, which asks for a password again", async () => {
    await ada.comes("Corp");
    await login(ada, "alice");
    await ada.chats();
    await ada.signsOut();
    await ada.picture("people-parted");
    expect(!(await ada.isSignedIn()), "the session goes on");
    await ada.comes("Corp");
    await page.locator('input[name="username"]').waitFor();
  });

  /** An answer that the browser of `who` was kept from bringing to a door. */
  async function caught(who, begin) {
    let form;
    await who.page.route("**/acs", (route) => {
      form = new URLSearchParams(route.request().postData());
      return route.abort();
    });
    await begin().catch(() => {});
    await until("the provider's answer", async () => {
      const asks = who.page.locator('input[name="username"]');
      if (!form && (await asks.count().catch(() => 0))) await login(who, "alice").catch(() => {});
      return form;
    });
    await who.page.unroute("**/acs");
    return { response: Buffer.from(form.get("SAMLResponse"), "base64").toString("utf8"), state: form.get("RelayState") };
  }
  /** Brings an answer to a door as another site makes a browser do it, and looks at the page after. */
  async function bring({ response, state }, door, reason) {
    const visitor = new Visitor(desk.ca);
    const SAMLResponse = Buffer.from(response, "utf8").toString("base64");
    const posted = await visitor.post(`${base(connection, door)}/acs`, { SAMLResponse, RelayState: state }, { "sec-fetch-site": "cross-site" });
    const after = posted.status === 303 ? await visitor.get(new URL(posted.headers.location, door).href) : posted;
    expect([401, 409, 422].includes(after.status) && !after.text.includes("saml."), `status ${after.status}`);
    expect(!JSON.stringify(after.headers["set-cookie"] ?? "").includes("wardroom-person=A"), "a session began");
    if (reason) reasons.push(reason);
  }
  const atChat = () => caught(ada, () => ada.comes("Corp"));
  const staff = await desk.person("sam");
  const atDesk = () => caught(staff, () => staff.through("Corp"));

  await refused("an answer for the staff's door at the public one, and the other way round", async () => {
    say({ context: "https://refeds.org/profile/mfa" });
    const [desks, chats] = [await atDesk(), await atChat()];
    // With the other door's own relay state somebody waits for it, and what is signed does not fit.
    await bring({ ...desks, state: chats.state }, front, "saml.recipient");
    await bring({ ...chats, state: desks.state }, desk.origin, "saml.recipient");
    const [again, more] = [await atDesk(), await atChat()];
    await bring(again, front);
    await bring(more, desk.origin);
  });
  await refused("an answer in which the person was changed, one that is unsigned, and one with a second assertion", async () => {
    const changed = await atChat();
    await bring({ ...changed, response: changed.response.replaceAll("alice", "admin") }, front, "saml.digest");
    const bare = await atChat();
    await bring({ ...bare, response: bare.response.replace(/<ds:Signature[\s\S]*?<\/ds:Signature>/g, "") }, front, "saml.unsigned");
    const wrapped = await atChat();
    const [assertion] = wrapped.response.match(/<saml:Assertion[\s\S]*<\/saml:Assertion>/);
    const forged = assertion.replaceAll("alice", "admin").replace(/ID="[^"]+"/, 'ID="_forged"').replace(/<ds:Signature[\s\S]*<\/ds:Signature>/, "");
    await bring({ ...wrapped, response: wrapped.response.replace(assertion, forged + assertion) }, front, "saml.assertion_count");
  });
  await refused("a genuine answer in another browser", async () => {
    const answer = await atChat();
    const thief = new Visitor(desk.ca);
    await thief.get(`${front}/sso/start?bot=club&connection=${connection.split("/").at(-1)}`);
    const SAMLResponse = Buffer.from(answer.response, "utf8").toString("base64");
    const posted = await thief.post(`${base(connection)}/acs`, { SAMLResponse, RelayState: answer.state });
    const stolen = await thief.get(new URL(posted.headers.location, front).href);
    expect(stolen.status === 409, `status ${stolen.status}`);
    reasons.push("sso.other-browser");
    expect((await thief.get(`${front}/mine/signed-in`)).status === 204, "signed in");
  });

  // Another provider, which knows us by the metadata of the public door and by nothing else.
  await accepted("through pysaml2, configured with our metadata, somebody signs in and out on both sides", async () => {
    const at = house.folder("pysaml2");
    const port = await house.freePort();
    const command = [join(import.meta.dirname, "pysaml2_idp.py"), at, String(port), "both"];
    const first = await house.start(house.python, command, port);
    const metadata = await (await fetch(`http://127.0.0.1:${port}/metadata`)).text();
    house.end(first.pid);
    await new Promise((done) => first.once("exit", done));
    await owner.go("/connections");
    await owner.page.fill("#saml-name", "Members");
    await owner.page.fill("#metadata", metadata);
    await owner.page.locator('form[action="/connections/saml"] button').click();
    await owner.page.getByRole("heading", { name: "Members" }).waitFor();
    const members = owner.path();
    await serve(members, "visitors");
    await owner.press("Switch on");
    await owner.page.getByText("The connection is switched").waitFor();
    writeFileSync(join(at, "sp.xml"), await metadataOf(members));
    await house.start(house.python, command, port);
    const bea = await visitor("bea");
    await bea.comes("Members");
    await bea.chats();
    await bea.page.goto(`${front}/mine`);
    await bea.page.getByText("You signed in through Members").waitFor();
    await bea.signsOut();
    expect(!(await bea.isSignedIn()), "the session goes on");
  });
  await accepted("an encrypted assertion of samlp, asked for by a form, signs somebody in", async () => {
    await serve(other, "visitors");
    await owner.press("Switch on");
    await owner.page.getByText("The connection is switched").waitFor();
    const { port, child } = house.encrypting;
    house.end(child.pid);
    await new Promise((done) => child.once("exit", done));
    const metadata = await metadataOf(other);
    await house.samlp(port, `${base(other)}/metadata`, `${base(other)}/acs`, house.certificates(metadata, "encryption"));
    await owner.page.fill("#metadata", await (await fetch(`http://127.0.0.1:${port}/metadata`)).text());
    await owner.page.uncheck("#keep");
    await owner.press("Read it");
    await owner.page.getByText("The change applies").waitFor();
    const cleo = await visitor("cleo");
    const sent = cleo.page.waitForRequest((request) => request.method() === "POST" && (request.postData() ?? "").includes("SAMLRequest="));
    await cleo.comes("Other");
    await sent;
    await cleo.chats();
  });
}
