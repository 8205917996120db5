// Another organisation's website that embeds the chat, under the strictest
// policy that still allows it: no inline script, no style at all, Trusted Types.
// Its one picture is its own icon.

import { createServer } from "node:http";

export const PORT = 18780;

/** Serves the host pages on http://localhost:`port` (a secure context in browsers). `close()` stops it. */
export async function serveHost(base, bot, port = PORT) {
  const policy =
    `default-src 'none'; script-src ${base}; connect-src ${base}; img-src 'self'; base-uri 'none'; form-action 'none'; ` +
    `frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;
  const page = (lang, dir, chat) =>
    `<!doctype html><html lang="${lang}" dir="${dir}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<meta name="color-scheme" content="light dark"><title>Northwind Bank</title><link rel="icon" href="/icon.svg">` +
    `</head><body><main><h1>Northwind Bank</h1><p>A page of another origin. Its policy allows one script and nothing inline.</p>` +
    `<p><a href="#rates">Rates</a></p></main>${chat}</body></html>`;
  const pages = {
    // One script tag, as the README says.
    "/": page("en", "ltr", `<script src="${base}/widget.js" data-bot="${bot}" defer></script>`),
    // The page places the element itself, in a language written from right to left.
    "/rtl": page("ar", "rtl", `<script src="${base}/widget.js" defer></script><wardroom-chat bot="${bot}" locale="ar"></wardroom-chat>`),
  };
  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url, "http://localhost");
    if (pathname === "/icon.svg") {
      res.writeHead(200, { "content-type": "image/svg+xml" });
      return res.end('<svg xmlns="http://www.w3.org/2000/svg"/>');
    }
    const body = pages[pathname];
    res.writeHead(body ? 200 : 404, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy, "cache-control": "no-store" });
    res.end(body ?? "");
  });
  await new Promise((done, failed) => server.once("error", failed).listen(port, "127.0.0.1", done));
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}
