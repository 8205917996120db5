// The conversation against a server made of functions: lost answers, ended
// tokens, cut streams. Time is a counter, so nothing here waits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation, Keep } from "../out/logic.mjs";

const settle = async () => {
  for (let i = 0; i < 50; i++) await new Promise((r) => setImmediate(r));
};

function storage() {
  const map = new Map();
  return { getItem: (k) => map.get(k) ?? null, setItem: (k, v) => void map.set(k, v), removeItem: (k) => void map.delete(k) };
}

/** A server that keeps messages by client id, as the real one must. */
class Server {
  tokens = new Set();
  log = [];
  byClient = new Map();
  streams = new Set();
  requests = [];
  /** Called before each request: return a Response to answer, throw to lose it, undefined to let it pass. */
  before = () => undefined;
  /** Called with each answer: throw to lose it on the way back. */
  after = () => {};
  opened = 0;
  lasts = 1800;

  async fetch(url, init) {
    const path = url.replace("https://h/chat/v1/conversations", "");
    const headers = new Headers(init.headers);
    const request = { path, body: init.body ? JSON.parse(init.body) : null, auth: headers.get("authorization"), proof: headers.get("wardroom-proof"), resume: headers.get("last-event-id"), signal: init.signal };
    this.requests.push(request);
    const answer = this.before(request) ?? this.answer(request);
    this.after(request);
    return answer;
  }

  token() {
    const token = `t${this.requests.length}`;
    this.tokens = new Set([token]);
    return { token, expires_in: this.lasts };
  }

  answer({ path, body, auth, resume, signal }) {
    const json = (status, value) => new Response(JSON.stringify(value), { status });
    if (path === "") {
      this.opened++;
      return json(201, { conversation_id: `c${this.opened}`, ...this.token() });
    }
    if (!this.tokens.has(auth?.replace("Bearer ", ""))) return json(401, { detail: "ended" });
    if (path.endsWith("/token")) return json(200, this.token());
    if (path.endsWith("/messages")) {
      let seq = this.byClient.get(body.client_id);
      if (seq === undefined) {
        seq = this.log.length + 1;
        this.byClient.set(body.client_id, seq);
        this.emit("message", { seq, role: "user", text: body.text });
      }
      return json(202, { message_id: "m", seq });
    }
    let stream;
    const body_ = new ReadableStream({
      start: (controller) => {
        stream = controller;
        for (const e of this.log.slice(Number(resume ?? 0))) controller.enqueue(e);
        this.streams.add(stream);
      },
    });
    signal?.addEventListener("abort", () => {
      if (this.streams.delete(stream)) stream.error(new Error("aborted"));
    });
    return new Response(body_, { status: 200 });
  }

  emit(type, data) {
    const e = new TextEncoder().encode(`id: ${this.log.length + 1}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    this.log.push(e);
    for (const s of this.streams) s.enqueue(e);
  }

  cut() {
    for (const s of this.streams) s.error(new Error("reset"));
    this.streams.clear();
  }
}

function open(server, place = storage()) {
  const world = {
    t: 1_000_000,
    on: true,
    waits: [],
    fetch: (url, init) => server.fetch(url, init),
    now: () => world.t,
    uuid: () => `id-${Math.random()}`,
    random: () => 0.5,
    online: () => world.on,
    prove: async (challenge) => `proof of ${challenge}`,
    wait: (ms, signal) => {
      world.waits.push(ms);
      // A wait passes in one turn of the loop, unless the network is away: then only a nudge ends it.
      return new Promise((done) => {
        if (world.on) setImmediate(() => ((world.t += ms), done()));
        signal.addEventListener("abort", done, { once: true });
      });
    },
  };
  const c = new Conversation({ base: "https://h", bot: "b", locale: null, keep: new Keep(place, "h", "b"), world, changed: () => {} });
  return { c, world, place };
}
const lines = (c) => c.thread.lines.map((l) => `${l.seq ?? "-"} ${l.role} ${l.text} ${l.delivery}`);
const posts = (server) => server.requests.filter((r) => r.path.endsWith("/messages"));

test("a conversation is opened by the first message and not before", async () => {
  const server = new Server();
  const { c } = open(server);
  c.start();
  await settle();
  assert.equal(server.requests.length, 0);
  c.send("hi");
  await settle();
  server.emit("message", { seq: 2, role: "bot", text: "Good day." });
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent", "2 bot Good day. sent"]);
  assert.equal(server.opened, 1);
  assert.equal(c.link.kind, "live");
  c.stop();
});

test("a post whose answer is lost is repeated under the same id and stands once", async () => {
  const server = new Server();
  let lost = 0;
  server.after = (r) => {
    if (r.path.endsWith("/messages") && lost++ < 2) throw new TypeError("network");
  };
  const { c } = open(server);
  c.send("hi");
  await settle();
  assert.equal(posts(server).length, 3);
  assert.equal(new Set(posts(server).map((p) => p.body.client_id)).size, 1);
  assert.deepEqual(lines(c), ["1 user hi sent"]);
  c.stop();
});

test("messages written offline are sent in order when the network is back", async () => {
  const server = new Server();
  const { c, world } = open(server);
  world.on = false;
  c.wentOffline();
  c.send("one");
  c.send("two");
  await settle();
  assert.equal(server.requests.length, 0);
  assert.equal(c.link.kind, "offline");
  assert.deepEqual(lines(c), ["- user one waiting", "- user two sending"]);
  world.on = true;
  c.retryNow();
  await settle();
  assert.deepEqual(lines(c), ["1 user one sent", "2 user two sent"]);
  assert.equal(c.link.kind, "live");
  c.stop();
});

test("a cut stream resumes after the last whole event, and no answer is shown with a hole in it", async () => {
  const server = new Server();
  const { c } = open(server);
  c.send("hi");
  await settle();
  server.emit("state", { state: "typing" });
  server.emit("delta", { seq: 2, text: "Good " });
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent", "2 bot Good  streaming"]);
  server.cut();
  // The server tells pieces only to those who listen: this one is missed.
  server.log.push(new Uint8Array());
  await settle();
  assert.equal(server.requests.filter((r) => r.path.endsWith("/events")).at(-1).resume, "3");
  server.emit("delta", { seq: 2, text: " all." });
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent"]);
  assert.equal(c.thread.talk, "typing");
  server.emit("message", { seq: 2, role: "bot", text: "Good day to all." });
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent", "2 bot Good day to all. sent"]);
  assert.equal(c.thread.talk, "open");
  // The next answer is heard from its beginning again.
  server.emit("delta", { seq: 3, text: "And" });
  await settle();
  assert.equal(lines(c).at(-1), "3 bot And streaming");
  c.stop();
});

test("a page opened in the middle of an answer waits for the whole of it", async () => {
  const server = new Server();
  const first = open(server);
  first.c.send("hi");
  await settle();
  first.c.stop();
  const { c } = open(server, first.place);
  c.start();
  await settle();
  server.emit("state", { state: "open" });
  server.emit("delta", { seq: 2, text: "second half" });
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent"]);
  assert.equal(c.thread.talk, "typing");
  c.stop();
});

test("after a reload the conversation and its unsent message are found again", async () => {
  const server = new Server();
  const first = open(server);
  first.c.send("hi");
  await settle();
  server.emit("message", { seq: 2, role: "bot", text: "Good day." });
  server.before = (r) => {
    if (r.path.endsWith("/messages")) throw new TypeError("network");
  };
  first.c.send("unsent");
  await settle();
  first.c.stop();
  server.before = () => undefined;

  const { c } = open(server, first.place);
  assert.ok(c.found);
  c.start();
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent", "2 bot Good day. sent", "3 user unsent sent"]);
  assert.equal(server.opened, 1);
  c.stop();
});

test("an old token is renewed before use, and once more when the server refuses it", async () => {
  const server = new Server();
  const { c, world } = open(server);
  c.send("hi");
  await settle();
  world.t += 1_750_000;
  c.send("still here");
  await settle();
  server.tokens.clear();
  server.before = (r) => {
    if (r.path.endsWith("/token")) return new Response(JSON.stringify(server.token()), { status: 200 });
    return undefined;
  };
  c.send("and again");
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent", "2 user still here sent", "3 user and again sent"]);
  assert.equal(server.requests.filter((r) => r.path.endsWith("/token")).length, 2);
  c.stop();
});

test("a conversation that is gone says so, and the unsent message goes into the new one", async () => {
  const server = new Server();
  const { c } = open(server);
  c.send("hi");
  await settle();
  server.tokens.clear();
  c.send("more");
  await settle();
  assert.equal(c.link.kind, "gone");
  server.log = [];
  server.byClient.clear();
  c.anew();
  await settle();
  assert.equal(server.opened, 2);
  assert.deepEqual(lines(c), ["1 user more sent"]);
  c.stop();
});

test("a stored conversation that is gone is replaced without a word", async () => {
  const server = new Server();
  const first = open(server);
  first.c.send("hi");
  await settle();
  first.c.stop();
  server.tokens.clear();
  const { c } = open(server, first.place);
  c.start();
  await settle();
  assert.equal(c.link.kind, "idle");
  assert.equal(c.found, false);
});

test("a refused message waits for the person, and the next one still goes out", async () => {
  const server = new Server();
  server.before = (r) =>
    r.body?.text === "bad" ? new Response('{"detail":"No.","mend":"Say it otherwise."}', { status: 403 }) : undefined;
  const { c } = open(server);
  c.send("bad");
  c.send("good");
  await settle();
  assert.deepEqual(lines(c), ["1 user good sent", "- user bad failed"]);
  const refused = c.thread.lines.at(-1);
  assert.deepEqual(refused.problem, { detail: "No.", mend: "Say it otherwise." });
  assert.equal(posts(server).length, 2);
  assert.equal(c.withdraw(refused.clientId), "bad");
  assert.deepEqual(lines(c), ["1 user good sent"]);
  c.stop();
});

test("a busy server is asked again no sooner than it wishes", async () => {
  const server = new Server();
  let n = 0;
  server.before = (r) =>
    r.path.endsWith("/messages") && n++ === 0 ? new Response("{}", { status: 429, headers: { "retry-after": "9" } }) : undefined;
  const { c, world } = open(server);
  c.send("hi");
  await settle();
  assert.ok(world.waits.includes(9000));
  assert.deepEqual(lines(c), ["1 user hi sent"]);
  c.stop();
});

test("a server that keeps failing gives the message back after six tries", async () => {
  const server = new Server();
  server.before = (r) => (r.path === "" ? new Response('{"detail":"Down."}', { status: 503 }) : undefined);
  const { c } = open(server);
  c.send("hi");
  await settle();
  assert.equal(server.requests.length, 6);
  assert.deepEqual(lines(c), ["- user hi failed"]);
  server.before = () => undefined;
  c.again(c.thread.lines[0].clientId);
  await settle();
  assert.deepEqual(lines(c), ["1 user hi sent"]);
  c.stop();
});

test("a closed conversation is not reconnected", async () => {
  const server = new Server();
  const { c } = open(server);
  c.send("bye");
  await settle();
  server.emit("state", { state: "closed" });
  await settle();
  const before = server.requests.length;
  server.cut();
  await settle();
  assert.equal(server.requests.length, before);
  c.stop();
});

test("storage that is forbidden or spoiled breaks nothing", () => {
  const forbidden = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("no"); }, removeItem() {} };
  for (const place of [null, forbidden, { ...storage(), getItem: () => "{{" }, { ...storage(), getItem: () => '{"session":{"id":1},"outbox":[{"x":1}],"open":"yes"}' }]) {
    const keep = new Keep(place, "h", "b");
    assert.deepEqual(keep.read(), { session: null, outbox: [], open: false });
    keep.write({ session: null, outbox: [], open: true });
  }
});

test("a challenge is answered once, and the message arrives", async () => {
  const server = new Server();
  const { c } = open(server);
  const links = [];
  server.before = ({ path, proof }) => {
    links.push(c.link.kind);
    if (path !== "" || proof) return undefined;
    const headers = { "retry-after": "20", "wardroom-challenge": "16.abc" };
    return new Response(JSON.stringify({ detail: "many ask" }), { status: 429, headers });
  };
  c.send("hello");
  await settle();
  assert.deepEqual(server.requests.filter((r) => r.path === "").map((r) => r.proof), [null, "proof of 16.abc"]);
  assert.equal(links[1], "checking");
  assert.deepEqual(c.thread.lines.map((l) => [l.text, l.delivery]), [["hello", "sent"]]);
  c.stop();
});

test("a challenge that cannot be answered is waited out", async () => {
  const server = new Server();
  const { c, world } = open(server);
  world.prove = () => Promise.reject(new Error("no module"));
  let refusals = 3;
  server.before = ({ path }) => {
    if (path !== "" || refusals-- <= 0) return undefined;
    return new Response("{}", { status: 429, headers: { "retry-after": "20", "wardroom-challenge": "16.abc" } });
  };
  c.send("hello");
  await settle();
  assert.deepEqual(c.thread.lines.map((l) => l.delivery), ["sent"]);
  c.stop();
});

test("a busy server is asked again for as long as it is busy, and the text stays", async () => {
  const server = new Server();
  const { c, world } = open(server);
  const kinds = new Set();
  let refusals = 20;
  server.before = ({ path }) => {
    kinds.add(c.link.kind);
    if (!path.endsWith("/messages") || refusals-- <= 0) return undefined;
    return new Response("{}", { status: 503, headers: { "retry-after": "3" } });
  };
  c.send("keep me");
  await settle();
  await settle();
  assert.equal(refusals, -1);
  assert.ok(kinds.has("busy"), [...kinds].join());
  assert.ok(world.waits.filter((ms) => ms >= 3000).length >= 20, "it waited as it was told to");
  assert.deepEqual(c.thread.lines.map((l) => [l.text, l.delivery]), [["keep me", "sent"]]);
  assert.equal(c.link.kind, "live");
  c.stop();
});
