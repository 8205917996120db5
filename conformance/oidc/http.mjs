// HTTPS on this machine only: servers with a throw-away certificate, and a client with a cookie jar.

import https from "node:https";
import { readFileSync } from "node:fs";

/** Listens on a free port of this machine; `handler` may be set later. */
export async function listen({ key, cert }) {
  const place = { handler: (req, res) => res.writeHead(503).end() };
  const server = https.createServer({ key, cert }, (req, res) => place.handler(req, res));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  place.port = server.address().port;
  place.origin = `https://localhost:${place.port}`;
  place.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return place;
}

/** One exchange. Redirects are not followed; when there were too many, it is tried again when it may be. */
export async function exchange(url, options) {
  for (let times = 0; ; times++) {
    const answer = await once(url, options);
    if (answer.status !== 429 || times === 10) return answer;
    const seconds = Math.min(Number(answer.headers["retry-after"] ?? 1), 10);
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

function once(url, { method = "GET", headers = {}, body, ca } = {}) {
  return new Promise((done, fail) => {
    const at = new URL(url);
    if (at.hostname !== "localhost") return fail(new Error(`only this machine is asked, not ${at.hostname}`));
    const request = https.request(at, { method, headers, ca, timeout: 30_000 }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () =>
        done({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString("utf8") }),
      );
    });
    request.on("error", fail);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.end(body);
  });
}

/** A browser as far as an attack needs one: it keeps cookies and says where a link came from. */
export class Visitor {
  #jar = new Map();
  #ca;

  constructor(caFile) {
    this.#ca = readFileSync(caFile);
  }

  async get(url, headers = {}) {
    const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await exchange(url, { ca: this.#ca, headers: { ...headers, ...(cookie ? { cookie } : {}) } });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [pair] = line.split(";");
      const at = pair.indexOf("=");
      this.#jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }

  async post(url, form, headers = {}) {
    const body = new URLSearchParams(form).toString();
    const kind = { "content-type": "application/x-www-form-urlencoded" };
    return exchange(url, { method: "POST", ca: this.#ca, body, headers: { ...kind, ...headers } });
  }
}
