// Strings that would be scripts if anything took them for markup, and ears for the case that one runs.

import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

/** `count` different strings, evenly from every `*xss*.jsonl` of `folder`, the same in every run. */
export function strings(folder, count) {
  const lists = readdirSync(folder)
    .filter((name) => /xss.*\.jsonl$/.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)))
    // A message is text: no control characters but tab and line end, and nothing around it.
    .map((list) => [...new Set(list.map((text) => text.trim()))].filter((text) => text !== "" && text.length <= 4000 && !/[\0-\x08\x0b-\x1f\x7f]/.test(text)));
  const chosen = new Set();
  for (let round = 0; chosen.size < count; round++) {
    for (const list of lists) {
      const text = list[Math.floor((round * list.length * lists.length) / count) % list.length];
      if (chosen.size < count) chosen.add(text);
    }
    if (round > 4 * count) throw new Error(`there are not ${count} different strings in ${folder}`);
  }
  return [...chosen];
}

/** Notes every dialog, every call of what such strings call, and every page that goes somewhere else. */
export class Ears {
  heard = [];

  static async over(browser) {
    const ears = new Ears();
    await browser.exposeBinding("__wardroomRan", (_, what) => ears.heard.push(what));
    await browser.addInitScript(() => {
      for (const name of ["alert", "confirm", "prompt", "print", "open"]) {
        window[name] = (...words) => void window.__wardroomRan(`${name}(${words.map(String).join()})`);
      }
    });
    browser.on("page", (page) => {
      page.on("dialog", (dialog) => {
        ears.heard.push(`dialog ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("popup", (popup) => ears.heard.push(`window ${popup.url()}`));
    });
    return ears;
  }
}

/** Pages with a planted script: `/open` lets it run, `/strict` forbids it. Something must notice either. */
export async function servePlanted() {
  const page = '<!doctype html><title>planted</title><img src="/none" onerror="alert(1)"><script>alert(2)</script>';
  const server = createServer((req, res) => {
    const policy = req.url === "/strict" ? { "content-security-policy": "default-src 'none'; require-trusted-types-for 'script'" } : {};
    res.writeHead(req.url === "/none" ? 404 : 200, { "content-type": "text/html; charset=utf-8", ...policy });
    res.end(req.url === "/none" ? "" : page);
  });
  await new Promise((done, failed) => server.once("error", failed).listen(0, "127.0.0.1", done));
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

/** Opens a conversation from a page of the public door and says all of `texts` in it, in their order. */
export function sayAll(page, bot, texts) {
  return page.evaluate(
    async ([bot, texts]) => {
      const call = async (path, body, token) => {
        for (;;) {
          const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
          const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
          if (response.status !== 429 && response.status !== 503) return response;
          await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get("retry-after") ?? 1)));
        }
      };
      const opened = await (await call("/chat/v1/conversations", { bot })).json();
      const refused = [];
      for (const text of texts) {
        const response = await call(`/chat/v1/conversations/${opened.conversation_id}/messages`, { text }, opened.token);
        if (response.status !== 202) refused.push(`${response.status} ${text}`);
      }
      return { id: opened.conversation_id, token: opened.token, expires: Date.now() + 1000 * opened.expires_in, refused };
    },
    [bot, texts],
  );
}
