// A DEVELOPMENT FAKE of the public listener, so that the widget and these
// scripts can be worked on without the server. It speaks the chat contract from
// memory, answers from three canned paragraphs, and protects nothing. No check
// of this project counts a run against it: `widget.mjs` is for the real binary.
//
//   node dev/server.mjs [PORT]     prints the address and the CA file
//
// Words that make it act: "person" (handoff), "bye" (closes), "fail" (an error
// event after half an answer), "blocked" (a 403 problem), "cut" (drops the
// stream in the middle of the answer), "flood" (one 429).

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loopbackCertificate } from "../lib/tls.mjs";

const dist = new URL("../../../ui/dist/", import.meta.url);
const port = Number(process.argv[2] ?? 0);
const dir = join(tmpdir(), `wardroom-dev-${process.pid}`);
const tls = loopbackCertificate(dir);

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const HEADERS = {
  "strict-transport-security": "max-age=63072000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
  "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
};
const STATIC = {
  "/": ["chat.html", "text/html; charset=utf-8"],
  "/widget.js": ["widget.js", "text/javascript; charset=utf-8"],
  "/assets/chat.css": ["chat.css", "text/css; charset=utf-8"],
  "/assets/console.css": ["console.css", "text/css; charset=utf-8"],
  "/assets/console.js": ["console.js", "text/javascript; charset=utf-8"],
  "/assets/mark.svg": ["mark.svg", "image/svg+xml"],
  "/guide/cards": ["../pages/document.html", "text/html; charset=utf-8"],
  "/gallery": ["../console/gallery.html", "text/html; charset=utf-8"],
  "/gate": ["../console/gate.html", "text/html; charset=utf-8"],
};
const CANNED = [
  [/card/i, "If your card is lost, freeze it at once in the app under Cards, then order a replacement. A new card takes three to five working days and costs nothing. While you wait, you can pay with the virtual card in the app.",
    [{ title: "Lost or stolen cards", url: "/guide/cards#lost" }, { title: "Replacement times", url: "https://example.org/cards" }]],
  [/fee|abroad|exchange/i, "Payments in another currency cost nothing up to 1,000 a month, and 0.5 % after that. The rate is the one of the moment of payment: see https://example.org/rates (it is updated every minute).",
    [{ title: "Fees and limits", url: "/guide/fees" }]],
  [/./, "The office is open from nine to six on working days. Outside these hours, write here: messages are answered the next morning.",
    [{ title: "Opening hours", url: "/guide/hours" }, { title: "A source that must not be a link", url: "javascript:alert(1)" }]],
];

const conversations = new Map();
let flooded = false;

function conversation() {
  const c = { id: randomUUID(), token: randomUUID(), log: [], streams: new Set(), clients: new Map(), seq: 0, state: "open" };
  conversations.set(c.id, c);
  return c;
}

/** Messages are kept; everything else is told to whoever listens now. An event's id is the last message's number. */
function emit(c, type, data) {
  if (type === "message") c.log.push({ id: data.seq, type, data });
  if (type === "state" && data.state !== "typing") c.state = data.state;
  for (const s of c.streams) write(s, { id: c.log.at(-1)?.id ?? 0, type, data });
}
const write = (s, e) => s.write(`id: ${e.id}\nevent: ${e.type}\ndata: ${JSON.stringify(e.data)}\n\n`);

function say(c, role, text, citations = [], seq = ++c.seq) {
  emit(c, "message", { seq, role, text, citations, created_at: new Date().toISOString() });
  return seq;
}

async function answer(c, text) {
  const wait = (ms) => new Promise((r) => setTimeout(r, ms));
  await wait(150);
  emit(c, "state", { state: "typing" });
  await wait(500);
  if (/person|menschen|شخص/.test(text)) {
    emit(c, "state", { state: "handoff" });
    return void setTimeout(() => say(c, "agent", "Hello, this is Ines from the service desk. I have read what was said so far."), 700);
  }
  if (/bye/.test(text)) {
    say(c, "bot", "Thank you. This conversation is now closed.");
    return emit(c, "state", { state: "closed" });
  }
  const [, reply, citations] = CANNED.find(([when]) => when.test(text));
  const seq = ++c.seq;
  const words = reply.split(/(?<= )/);
  for (const [i, word] of words.entries()) {
    emit(c, "delta", { seq, text: word });
    await wait(18);
    if (/fail/.test(text) && i === 8) {
      emit(c, "error", { type: "about:blank", title: "Engine failed", status: 502, detail: "The assistant could not finish this answer.", mend: "Ask again in a minute, or ask for a person." });
      return;
    }
    if (/cut/.test(text) && i === 8) for (const s of c.streams) s.destroy();
  }
  say(c, "bot", reply, citations, seq);
}

function problem(res, status, detail, mend, headers = {}) {
  res.writeHead(status, { "content-type": "application/problem+json", ...headers });
  res.end(JSON.stringify({ type: "about:blank", title: "Refused", status, detail, mend }));
}

const server = createServer({ key: tls.key, cert: tls.cert, minVersion: "TLSv1.3" }, async (req, res) => {
  const { pathname } = new URL(req.url, "https://localhost");
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  if (req.headers.origin) {
    res.setHeader("access-control-allow-origin", req.headers.origin);
    res.setHeader("vary", "origin");
    res.setHeader("access-control-allow-headers", "authorization, content-type, last-event-id");
    res.setHeader("access-control-expose-headers", "retry-after, x-request-id");
  }
  if (req.method === "OPTIONS") return res.writeHead(204).end();
  const file = STATIC[pathname];
  if (file && existsSync(new URL(file[0], dist))) {
    res.writeHead(200, { "content-type": file[1], "content-security-policy": CSP, ...(pathname === "/widget.js" ? { "cross-origin-resource-policy": "cross-origin" } : {}) });
    return res.end(readFileSync(new URL(file[0], dist)));
  }
  let body = "";
  for await (const chunk of req) body += chunk;
  const json = (status, value) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

  if (pathname === "/chat/v1/conversations" && req.method === "POST") {
    const c = conversation();
    say(c, "bot", "Good day. Ask me about cards, fees or opening hours.");
    return json(201, { conversation_id: c.id, token: c.token, expires_in: 1800 });
  }
  const [, id, verb] = /^\/chat\/v1\/conversations\/([^/]+)\/(messages|events|token)$/.exec(pathname) ?? [];
  const c = conversations.get(id);
  if (!c) return problem(res, 404, "There is no such page.", "Check the address.");
  if (req.headers.authorization !== `Bearer ${c.token}`) return problem(res, 401, "This pass has ended.", "Renew it.");
  if (verb === "token") {
    c.token = randomUUID();
    return json(200, { token: c.token, expires_in: 1800 });
  }
  if (verb === "messages") {
    const { text, client_id } = JSON.parse(body);
    if (/blocked/.test(text)) return problem(res, 403, "This message looks like an attack on the service.", "Put it in other words, or ask for a person.");
    if (/flood/.test(text) && !flooded) {
      flooded = true;
      return problem(res, 429, "Too many messages.", "Wait a moment.", { "retry-after": "1" });
    }
    const known = c.clients.get(client_id);
    if (known) return json(202, known);
    const made = { message_id: randomUUID(), seq: say(c, "user", text) };
    c.clients.set(client_id, made);
    void answer(c, text);
    return json(202, made);
  }
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const after = Number(req.headers["last-event-id"] ?? 0);
  for (const event of c.log.filter((e) => e.id > after)) write(res, event);
  write(res, { id: c.log.at(-1)?.id ?? 0, type: "state", data: { state: c.state } });
  c.streams.add(res);
  const ping = setInterval(() => res.write(`event: ping\ndata: {}\n\n`), 10_000);
  ping.unref();
  res.on("close", () => (clearInterval(ping), c.streams.delete(res)));
});
server.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ base: `https://localhost:${server.address().port}`, ca: tls.ca })));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    rmSync(dir, { recursive: true, force: true });
    process.exit(0);
  });
}
