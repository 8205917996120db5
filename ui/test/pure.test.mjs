import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as ui from "../out/logic.mjs";

const { EventStreamParser, Backoff, retryAfter, segments, safeHref, change, apply, EMPTY } = ui;

// ---- the event stream ----

const STREAM =
  "\uFEFF: a comment\r\nid: 1\r\nevent: message\r\ndata: {\"a\":1}\r\n\r\n" +
  "data: two\ndata:  lines\n\nevent: ping\nid: 7\n\ndata\n\nretry: 2500\nid: bad\0id\ndata: last\n\ndata: never ended\n";
const EVENTS = [
  { type: "message", data: '{"a":1}', id: "1" },
  { type: "message", data: "two\n lines", id: "1" },
  { type: "message", data: "", id: "7" },
  { type: "message", data: "last", id: "7" },
];

test("a stream gives the same events whole, by character and in every split", () => {
  assert.deepEqual(new EventStreamParser().push(STREAM), EVENTS);
  const single = new EventStreamParser();
  assert.deepEqual([...STREAM].flatMap((c) => single.push(c)), EVENTS);
  for (let at = 0; at <= STREAM.length; at++) {
    const parser = new EventStreamParser();
    assert.deepEqual([...parser.push(STREAM.slice(0, at)), ...parser.push(STREAM.slice(at))], EVENTS, `split at ${at}`);
  }
});

test("the resume point moves only when an event has arrived whole", () => {
  const parser = new EventStreamParser("4");
  parser.push("id: 5\ndata: x");
  assert.equal(parser.resume, "4");
  parser.push("\n\n");
  assert.equal(parser.resume, "5");
});

test("an event that never ends is refused", () => {
  const parser = new EventStreamParser();
  const piece = "x".repeat(1 << 18);
  assert.throws(() => {
    for (let i = 0; i < 8; i++) parser.push(i === 0 ? `data: ${piece}` : piece);
  }, RangeError);
});

test("lone carriage returns end lines", () => {
  assert.deepEqual(new EventStreamParser().push("data: a\r\rdata: b\r\r"), [
    { type: "message", data: "a", id: "" },
    { type: "message", data: "b", id: "" },
  ]);
});

// ---- waiting ----

test("waits double up to the cap and never undercut the server's wish", () => {
  const low = new Backoff(() => 0);
  const high = new Backoff(() => 0.999999);
  const waits = Array.from({ length: 9 }, () => [low.next(), high.next()]);
  assert.deepEqual(waits[0], [250, 500]);
  assert.deepEqual(waits[3], [2000, 4000]);
  assert.deepEqual(waits[8], [15000, 30000]);
  assert.equal(low.next(60_000), 60_000);
  low.reset();
  assert.equal(low.next(), 250);
});

test("Retry-After is read as seconds or as a date, and is bounded", () => {
  const now = Date.parse("2026-11-22T10:00:00Z");
  assert.equal(retryAfter("7", now), 7000);
  assert.equal(retryAfter("Sun, 22 Nov 2026 10:00:30 GMT", now), 30_000);
  assert.equal(retryAfter("Sun, 22 Nov 2026 09:00:30 GMT", now), 0);
  assert.equal(retryAfter("999999", now), 300_000);
  for (const odd of [null, "", "soon", "-3"]) assert.equal(retryAfter(odd, now), 0);
});

// ---- links ----

test("only plain web addresses and paths of our own origin become links", () => {
  const base = "https://chat.example";
  const good = [
    ["https://example.org/a?b=c#d", "https://example.org/a?b=c#d"],
    ["HTTP://example.org", "http://example.org/"],
    ["/guide/fees#abroad", "https://chat.example/guide/fees#abroad"],
  ];
  for (const [from, to] of good) assert.equal(safeHref(from, base), to);
  const bad = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
    "//evil.example/x", "/\\evil.example", "\\\\evil.example", "guide/fees", "", " https://example.org", "https://",
    "https://bank.example@evil.example/", "https://exa\u202Emple.org", "https://exa\u200Bmple.org", "/\t/evil.example",
    `https://example.org/${"x".repeat(3000)}`, "ftp://example.org", "blob:https://chat.example/1", "mailto:a@b.c",
  ];
  for (const address of bad) assert.equal(safeHref(address, base), null, address);
  assert.equal(safeHref("/path"), null, "a path needs a base");
});

test("addresses in a text become links and the text stays as it was", () => {
  const cases = [
    ["see https://example.org/rates.", ["https://example.org/rates"]],
    ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
    ["https://a.example, https://b.example!", ["https://a.example", "https://b.example"]],
    ["<b>bold</b> javascript:alert(1) https://x@y.example", []],
    ["https://example.org/\u202Egnp.exe", ["https://example.org/"]],
    ["nothing here", []],
    ["", []],
  ];
  for (const [text, links] of cases) {
    const parts = segments(text);
    assert.equal(parts.map((p) => p.text).join(""), text);
    assert.deepEqual(parts.filter((p) => p.href).map((p) => p.text), links);
  }
});

test("finding links in a hostile text takes linear time", () => {
  const start = process.hrtime.bigint();
  segments("https://".repeat(20_000));
  segments(`https://a${"(".repeat(4000)}${")".repeat(4000)}`);
  segments("http".repeat(50_000));
  assert.ok(process.hrtime.bigint() - start < 2_000_000_000n);
});

// ---- what the server says ----

test("malformed events change nothing", () => {
  const bad = [
    ["message", "not json"], ["message", "[]"], ["message", "null"], ["message", '{"seq":"1","role":"bot","text":"x"}'],
    ["message", '{"seq":1,"role":"root","text":"x"}'], ["message", '{"seq":1,"role":"bot"}'], ["message", '{"seq":-1,"role":"bot","text":"x"}'],
    ["delta", '{"seq":1.5,"text":"x"}'], ["state", '{"state":"asleep"}'], ["ping", "{}"], ["unheard", "{}"],
  ];
  for (const [type, data] of bad) assert.equal(change(type, data), null, `${type} ${data}`);
});

test("a message keeps its citations once each, and odd ones are dropped", () => {
  const got = change("message", JSON.stringify({
    seq: 3, role: "bot", text: "x", created_at: "2026-11-22T10:00:00Z",
    citations: [{ title: "A", url: "/a" }, { title: "A", url: "/a" }, { title: 5, url: "/b" }, null, "x", { title: "B" }],
  }));
  assert.deepEqual(got.citations, [{ title: "A", url: "/a" }, { title: "B", url: "" }]);
  assert.equal(got.at, Date.parse("2026-11-22T10:00:00Z"));
});

test("a problem shows its detail and mend, else its title", () => {
  assert.deepEqual(change("error", '{"title":"T","detail":"D","mend":"M"}').problem, { detail: "D", mend: "M" });
  assert.deepEqual(change("error", '{"title":"T","status":500}').problem, { detail: "T", mend: "" });
});

// ---- the thread ----

const run = (...changes) => changes.reduce(apply, EMPTY);
const said = (seq, role, text, more = {}) => ({ kind: "message", seq, role, text, citations: [], at: 0, clientId: null, ...more });
const show = (thread) => thread.lines.map((l) => `${l.seq ?? "-"} ${l.role} ${l.text} ${l.delivery}`);

test("a message is one line whichever comes first, the answer or the echo", () => {
  const wrote = { kind: "wrote", clientId: "a", text: "hi", at: 0 };
  const accepted = { kind: "accepted", clientId: "a", seq: 1 };
  const one = ["1 user hi sent"];
  assert.deepEqual(show(run(wrote, accepted, said(1, "user", "hi"))), one);
  assert.deepEqual(show(run(wrote, said(1, "user", "hi"), accepted)), one);
  assert.deepEqual(show(run(wrote, said(1, "user", "hi", { clientId: "a" }), accepted)), one);
  assert.deepEqual(show(run(wrote, { kind: "waiting", clientId: "a" }, said(1, "user", "hi"), accepted)), one);
  const keys = run(wrote, said(1, "user", "hi"), accepted).lines.map((l) => l.key);
  assert.deepEqual(keys, ["a"], "the line on the page stays the same line");
});

test("the same words said twice stay two messages", () => {
  // After a reload: an old "yes" is replayed while a new "yes" is on its way.
  const thread = run(
    { kind: "wrote", clientId: "b", text: "yes", at: 0 },
    said(1, "user", "yes"),
    said(2, "bot", "And now?"),
    { kind: "accepted", clientId: "b", seq: 3 },
    said(3, "user", "yes"),
  );
  assert.deepEqual(show(thread), ["1 user yes sent", "2 bot And now? sent", "3 user yes sent"]);
});

test("pieces grow an answer, the whole replaces them, late pieces are ignored", () => {
  let thread = run({ kind: "delta", seq: 2, text: "Good " }, { kind: "delta", seq: 2, text: "day" });
  assert.deepEqual(show(thread), ["2 bot Good day streaming"]);
  thread = apply(thread, said(2, "bot", "Good day to you."));
  assert.deepEqual(show(thread), ["2 bot Good day to you. sent"]);
  assert.equal(apply(thread, { kind: "delta", seq: 2, text: "!" }), thread);
  assert.deepEqual(show(apply(thread, said(2, "bot", "Good day to you."))), ["2 bot Good day to you. sent"]);
});

test("a message that takes the number of a half-written answer replaces the draft", () => {
  const wrote = { kind: "wrote", clientId: "b", text: "and?", at: 0 };
  const draft = { kind: "delta", seq: 4, text: "Half" };
  for (const echo of [said(4, "user", "and?"), said(4, "user", "and?", { clientId: "b" })]) {
    const thread = run(wrote, draft, echo, { kind: "delta", seq: 4, text: " more" }, { kind: "accepted", clientId: "b", seq: 4 }, said(5, "bot", "Half more."));
    assert.deepEqual(show(thread), ["4 user and? sent", "5 bot Half more. sent"]);
    assert.equal(thread.lines[0].key, "b");
  }
});

test("an error takes back what was streamed and ends the typing", () => {
  const thread = run(
    said(1, "user", "hi"),
    { kind: "state", talk: "typing" },
    { kind: "delta", seq: 2, text: "Half an ans" },
    { kind: "error", problem: { detail: "D", mend: "M" } },
  );
  assert.deepEqual(show(thread), ["1 user hi sent"]);
  assert.equal(thread.talk, "open");
  assert.deepEqual(thread.problem, { detail: "D", mend: "M" });
  assert.equal(apply(thread, { kind: "wrote", clientId: "x", text: "again", at: 0 }).problem, null);
});

test("lines stand in the order of their numbers, unsent ones last", () => {
  const thread = run(
    { kind: "wrote", clientId: "z", text: "later", at: 0 },
    said(5, "bot", "five"), said(2, "user", "two"), said(3, "bot", "three"),
    { kind: "refused", clientId: "z", problem: { detail: "no", mend: "" } },
  );
  assert.deepEqual(show(thread), ["2 user two sent", "3 bot three sent", "5 bot five sent", "- user later failed"]);
  assert.deepEqual(show(apply(thread, { kind: "dropped", clientId: "z" })).length, 3);
});

test("an answer ends the typing but not a handoff", () => {
  assert.equal(run({ kind: "state", talk: "typing" }, said(1, "bot", "x")).talk, "open");
  assert.equal(run({ kind: "state", talk: "handoff" }, said(1, "agent", "x")).talk, "handoff");
});

// ---- words ----

test("every language says everything, and unknown ones fall back to English", () => {
  const english = ui.wordsFor("en");
  for (const tag of ["de-CH", "fr", "es_MX", "AR"]) {
    const words = ui.wordsFor(tag);
    assert.notEqual(words, english, tag);
    for (const [key, word] of Object.entries(words)) assert.ok(word.length > 0, `${tag} ${key}`);
  }
  assert.equal(ui.wordsFor("ar").dir, "rtl");
  for (const tag of ["tlh", "", null, undefined, "constructor", "__proto__"]) assert.equal(ui.wordsFor(tag), english);
});

// ---- WebAuthn ----

test("base64url and bytes turn into each other", () => {
  for (const length of [0, 1, 2, 3, 31, 32, 255]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + 251) & 255);
    const text = ui.toBase64url(bytes.buffer);
    assert.equal(text, Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(new Uint8Array(ui.toBytes(text)), bytes);
  }
});

test("WebAuthn options are read with and without their wrapper", () => {
  const options = { challenge: "AQID", user: { id: "BA", name: "n", displayName: "N" }, excludeCredentials: [{ type: "public-key", id: "BQ" }], rp: { name: "W" } };
  for (const body of [options, { publicKey: options }]) {
    const got = ui.creationOptions(body);
    assert.deepEqual([...new Uint8Array(got.challenge)], [1, 2, 3]);
    assert.deepEqual([...new Uint8Array(got.user.id)], [4]);
    assert.deepEqual([...new Uint8Array(got.excludeCredentials[0].id)], [5]);
    assert.equal(got.user.name, "n");
  }
  assert.throws(() => ui.creationOptions({ publicKey: { user: {} } }), TypeError);
  assert.throws(() => ui.requestOptions({ challenge: 5 }), TypeError);
});

test("a proof is what the server's own hash says it is", () => {
  const { Search } = ui;
  const token = "AAABnA".padEnd(71, "x-_9");
  const sum = (text) => createHash("sha256").update(text).digest();
  const search = new Search(`12.${token}`);
  for (let i = 0; i < 3; i++) {
    let proof = null;
    while (proof === null) proof = search.run(100);
    assert.ok(proof.startsWith(`${token}.`));
    assert.equal(sum(proof).readUInt32BE(0) >>> 20, 0, proof);
  }
  // Every number gives a proof of nothing, in its order.
  const all = new Search(`0.${token}`);
  for (let i = 0; i < 12; i++) assert.equal(all.run(1), `${token}.${i}`);
  for (const odd of ["", "16", "x.y", `99.${token}`, "16.short"]) assert.throws(() => new Search(odd), odd);
});

test("where a page has no worker, a proof is found all the same", async () => {
  const token = "B".repeat(71);
  const proof = await ui.prove(`8.${token}`);
  assert.equal(createHash("sha256").update(proof).digest()[0], 0);
});
