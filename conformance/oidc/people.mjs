// People who chat sign in through their own provider: a bot that asks for it, in the browser.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, until } from "../browser/lib/checks.mjs";
import { CHAT_CLIENT, next } from "./provider.mjs";

/**
 * `house` is what the other walks use: the binary, its data and configuration, the owner's page and the
 * helpers of run.mjs.
 */
export async function peopleWho(house) {
  const { binary, data, config, work, ready, certified, told, figures } = house;
  const { accepted, refused, person, owner, add, press, switchOn } = house;
  const front = ready.public;
  const there = `${front}/with/club`;
  const ada = await person("ada");
  const { page } = ada;
  const picture = (name) => page.screenshot({ path: join(work, "pictures", `${name}.png`), fullPage: true });
  const chat = page.locator("wardroom-chat");
  const composer = page.getByRole("textbox");
  const said = () => chat.locator('li[data-role="bot"]');
  const say = async (text) => {
    const before = await said().count();
    await composer.fill(text);
    await composer.press("Enter");
    await until("an answer", async () => (await said().count()) > before, 20_000);
  };
  const words = (text) => page.getByText(text, { exact: false }).first().waitFor();

  await accepted("a bot is made that demands sign-in, and one of its name is live", async () => {
    const folder = join(work, "club");
    const run = (...words) => execFileSync(binary, words, { stdio: "pipe" });
    run("bot", "new", "club", "--dir", folder);
    const toml = readFileSync(join(folder, "bot.toml"), "utf8");
    const demands = toml.replace('people = "anybody"', 'people = "sso"\nsign_in_through = "Members"');
    expect(demands !== toml, "the scaffold says something else about people");
    writeFileSync(join(folder, "bot.toml"), demands);
    run("bot", "push", folder, "--data", data, "--config", config);
    await until("the bot", async () => (await page.goto(there)).status() === 200, 30_000);
    await words("Nobody can sign in right now");
  });
  await accepted("the owner makes a connection that is for people who chat alone", async () => {
    await add("Members", certified.origin, CHAT_CLIENT);
    await owner.page.selectOption("#serves", "visitors");
    await press(owner, "Save");
    await owner.page.getByText("The change applies").waitFor();
    await owner.page.getByText(`${front}/sso/oidc/callback`).waitFor();
    await switchOn();
    await owner.page.screenshot({ path: join(work, "pictures", "connection-people.png"), fullPage: true });
  });
  await refused("staff who would sign in through the connection for people who chat", async () => {
    const desk = await person("stray");
    await desk.page.goto(`${ready.console}/sign-in`);
    expect(!(await desk.page.locator("main").innerText()).includes("Members"), "it is offered to staff");
    const id = new URL(owner.page.url()).pathname.split("/").at(-1);
    await desk.page.goto(`${ready.console}/sso/oidc/start?connection=${id}`);
    expect(desk.page.url().startsWith(ready.console), `sent to ${desk.page.url()}`);
  });
  await accepted("whoever has not signed in finds the way to their provider in the place of the chat", async () => {
    await page.goto(there);
    await page.getByRole("heading", { name: "Sign in to chat" }).waitFor();
    expect((await chat.count()) === 0, "the chat is there");
    await picture("people-gate");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture("people-gate-dark");
    await page.emulateMedia({ colorScheme: "light" });
  });
  await accepted("by the keyboard alone they sign in, come back, and chat", async () => {
    Object.assign(next, { user: "alice", acr: "urn:wardroom:aal1", amr: ["pwd"] });
    const link = page.getByRole("link", { name: "Sign in with Members" });
    for (let step = 0; step < 20 && !(await link.evaluate((it) => it === document.activeElement)); step++) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(there, { timeout: 20_000 });
    await composer.waitFor();
    await say("What are your opening hours?");
    await picture("people-chat");
  });
  await accepted("what the page keeps of it is out of reach of scripts", async () => {
    const cookies = (await page.context().cookies(front)).filter(({ name }) => name.includes("person"));
    expect(cookies.length === 1 && cookies[0].name === "__Host-wardroom-person", JSON.stringify(cookies.map(({ name }) => name)));
    const [{ httpOnly, secure, sameSite, path }] = cookies;
    expect(httpOnly && secure && sameSite === "Lax" && path === "/", JSON.stringify(cookies[0]));
    expect(!(await page.evaluate(() => document.cookie)).includes("wardroom"), "a script sees it");
  });
  const phone = await person("ada-phone");
  await accepted("their own page shows where they are signed in, and all their conversations", async () => {
    await phone.page.goto(there);
    await phone.page.getByRole("link", { name: "Sign in with Members" }).click();
    await phone.page.waitForURL(there, { timeout: 20_000 });
    // This tab keeps no conversation, and still it is there.
    await phone.page.goto(`${front}/mine`);
    await phone.page.getByText("There is one conversation").waitFor();
    expect((await phone.page.locator("#sessions tr").count()) === 2, "not two sessions");
    await phone.page.getByText("You signed in through Members").waitFor();
    await phone.page.screenshot({ path: join(work, "pictures", "people-mine.png"), fullPage: true });
    await phone.page.emulateMedia({ colorScheme: "dark" });
    await phone.page.screenshot({ path: join(work, "pictures", "people-mine-dark.png"), fullPage: true });
  });
  /** Milliseconds from `act` until the stream of events of the open chat was closed. */
  const streamEnds = async (act) => {
    const closed = new Promise((done) => {
      const heard = (request) => request.url().endsWith("/events") && done(Date.now());
      page.once("requestfinished", heard);
      page.on("requestfinished", heard);
      page.on("requestfailed", heard);
    });
    const begun = await act();
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the stream stayed open")), 15_000));
    return (await Promise.race([closed, late])) - begun;
  };
  const shown = () => page.getByRole("link", { name: "Sign in to chat" }).waitFor({ timeout: 20_000 });
  /** Opens a socket of the open chat; `window.socketEnded` tells with which code it ended, and when. */
  const openSocket = () => page.evaluate(() => {
    const kept = Object.keys(sessionStorage).filter((key) => key.startsWith("wardroom:")).map((key) => JSON.parse(sessionStorage.getItem(key)));
    const { id, token } = kept.find(({ session }) => session).session;
    const socket = new WebSocket(`wss://${location.host}/chat/v1/conversations/${id}/socket`, ["wardroom.chat.v1", `wardroom.token.${token}`]);
    window.socketEnded = new Promise((done) => socket.addEventListener("close", ({ code }) => done([code, Date.now()])));
    return new Promise((done, fail) => {
      socket.addEventListener("message", ({ data }) => JSON.parse(data).event === "message" && done(socket.protocol));
      socket.addEventListener("close", ({ code }) => fail(new Error(`closed: ${code}`)));
    });
  });
  await accepted("a session that is ended from another browser closes chat and socket here within two seconds", async () => {
    expect((await openSocket()) === "wardroom.chat.v1", "another protocol");
    let begun;
    figures.people_ended_ms = await streamEnds(async () => {
      begun = Date.now();
      await phone.page.getByRole("button", { name: "Sign out there" }).click();
      return begun;
    });
    const [code, at] = await page.evaluate(() => window.socketEnded);
    figures.people_socket_ms = at - begun;
    expect(code === 4401, `closed with ${code}`);
    expect(figures.people_ended_ms < 2000 && figures.people_socket_ms < 2000, `${figures.people_ended_ms} and ${figures.people_socket_ms} ms`);
    await shown();
    expect(!(await composer.isVisible()), "the composer is still there");
    await picture("people-signed-out");
  });
  await accepted("signed in again, they come back to the same conversation", async () => {
    const lines = await said().count();
    await page.getByRole("link", { name: "Sign in to chat" }).press("Enter");
    await page.getByRole("link", { name: "Sign in with Members" }).click();
    await page.waitForURL(there, { timeout: 20_000 });
    await until("what was said before", async () => (await said().count()) >= lines, 20_000);
    await say("Please call me back");
    await phone.page.reload();
    await phone.page.getByText("There is one conversation").waitFor();
  });
  await accepted("a logout at the provider closes the chat within two seconds", async () => {
    const provider = await page.context().newPage();
    await provider.goto(`${certified.origin}/session/end`);
    told.length = 0;
    figures.people_back_channel_ms = await streamEnds(async () => {
      const begun = Date.now();
      await provider.locator('button[name="logout"], button[value="yes"]').first().click();
      return begun;
    });
    expect(told.every(([event]) => event === "backchannel.success"), JSON.stringify(told));
    expect(figures.people_back_channel_ms < 2000, `${figures.people_back_channel_ms} ms`);
    await shown();
    await provider.close();
  });
  await accepted("signing out on their own page signs them out at the provider, too", async () => {
    await phone.page.goto(`${front}/mine`);
    await phone.page.getByRole("button", { name: "Sign out", exact: true }).click();
    await phone.page.waitForURL((url) => url.origin === certified.origin, { timeout: 20_000 });
    await phone.page.locator('button[name="logout"], button[value="yes"]').first().click();
    await phone.page.waitForURL((url) => url.origin === front && url.pathname === "/mine", { timeout: 20_000 });
    await phone.page.getByText("This tab keeps no conversation of yours").waitFor();
  });
  await accepted("whoever erases themselves is signed out, and somebody new when they come back", async () => {
    await page.goto(there);
    await page.getByRole("link", { name: "Sign in with Members" }).click();
    await page.waitForURL(there, { timeout: 20_000 });
    await page.goto(`${front}/mine`);
    await words("There is one conversation");
    await page.getByRole("button", { name: "Erase all of it" }).click();
    await page.getByRole("button", { name: "Erase it", exact: true }).click();
    await words("It is erased");
    await page.goto(there);
    await page.getByRole("link", { name: "Sign in with Members" }).click();
    await page.waitForURL(there, { timeout: 20_000 });
    await page.goto(`${front}/mine`);
    await words("There are 0 conversations");
  });
}
