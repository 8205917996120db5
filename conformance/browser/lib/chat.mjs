// Reads and works the chat widget on a page, through its open shadow root.

import { until } from "./checks.mjs";

/** What the thread shows: `[{role, delivery, text, citations: [{title, href}]}]`. */
export function lines(page) {
  return page.evaluate(() =>
    [...document.querySelector("wardroom-chat").shadowRoot.querySelectorAll(".log ol > .line")].map((li) => ({
      role: li.dataset.role,
      delivery: li.dataset.delivery,
      text: li.querySelector(".text").textContent,
      citations: [...li.querySelectorAll(".sources :is(a, i)")].map((a) => ({ title: a.textContent, href: a.getAttribute("href") })),
    })),
  );
}

export const said = (list) => list.map(({ role, text }) => `${role}: ${text}`);
export const composer = (page) => page.locator("wardroom-chat textarea");
export const notice = (page) => page.locator("wardroom-chat .notice:visible").textContent({ timeout: 500 }).catch(() => "");

/** Types a question, sends it with Enter and returns the finished answer. */
export async function ask(page, question, ms = 20_000) {
  const before = (await lines(page)).length;
  await composer(page).fill(question);
  await composer(page).press("Enter");
  return until(`an answer to "${question}"`, async () => {
    const now = (await lines(page)).slice(before);
    const at = now.findIndex((l) => l.role === "user" && l.text === question && l.delivery === "sent");
    return at < 0 ? undefined : now.slice(at + 1).find((l) => l.role !== "user" && l.delivery === "sent");
  }, ms);
}

/** The element that has the focus, looking into shadow roots. */
export function focused(page) {
  return page.evaluate(() => {
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    return e ? `${e.localName}${e.className ? `.${e.className.split(" ")[0]}` : ""}` : "";
  });
}
