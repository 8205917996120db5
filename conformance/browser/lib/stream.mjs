// Listens in on the page's event streams through the debugger, byte by byte,
// so that "it streams" is measured on the wire and not on the screen.

/** Counts server-sent events by type: `{counts: {delta: 12, message: 4, ...}, stop()}`. */
export async function countEvents(page) {
  const cdp = await page.context().newCDPSession(page);
  const counts = {};
  const rest = new Map();
  const take = (requestId, base64) => {
    let text = (rest.get(requestId) ?? "") + Buffer.from(base64 ?? "", "base64").toString("latin1");
    const end = Math.max(text.lastIndexOf("\n\n"), text.lastIndexOf("\n\r\n"));
    if (end >= 0) {
      for (const [, type] of text.slice(0, end).matchAll(/^event: ?(.+?)\r?$/gm)) counts[type] = (counts[type] ?? 0) + 1;
      text = text.slice(end + 2);
    }
    rest.set(requestId, text);
  };
  cdp.on("Network.responseReceived", async ({ requestId, response }) => {
    if (!/text\/event-stream/.test(response.mimeType)) return;
    rest.set(requestId, "");
    const { bufferedData } = await cdp.send("Network.streamResourceContent", { requestId }).catch(() => ({}));
    take(requestId, bufferedData);
  });
  cdp.on("Network.dataReceived", ({ requestId, data }) => data && rest.has(requestId) && take(requestId, data));
  await cdp.send("Network.enable");
  return { counts, stop: () => cdp.detach() };
}
