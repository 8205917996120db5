// The one script tag:
//
//   <script src="https://HOST/widget.js" data-bot="front-desk" defer></script>
//
// It defines <wardroom-chat> and, unless the page has placed one itself, adds
// one at the end of the body.

import type { World } from "./chat/conversation";
import { define } from "./chat/element";

const PASSED_ON = ["bot", "locale", "title", "open", "theme", "remember", "greeting", "site-token"];

const script = document.currentScript;
const base = script instanceof HTMLScriptElement && script.src ? new URL(script.src).origin : location.origin;

const world: World = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  uuid,
  random: () => Math.random(),
  online: () => navigator.onLine,
  // Fetched when it is needed: hardly anybody ever needs it.
  prove: (challenge) => import(`${base}/proof.js`).then((proof: typeof import("./proof")) => proof.prove(challenge)),
  wait: (ms, signal) =>
    new Promise((done) => {
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
    }),
};

/** A random UUID (version 4). `crypto.randomUUID` is missing on pages served over plain http. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (b, i) => (i === 6 ? (b & 15) | 64 : i === 8 ? (b & 63) | 128 : b).toString(16).padStart(2, "0"));
  return [0, 4, 6, 8, 10].map((from, i, all) => hex.slice(from, all[i + 1]).join("")).join("-");
}

define(base, world);

function place(): void {
  if (document.querySelector("wardroom-chat") || !(script instanceof HTMLScriptElement)) return;
  const element = document.createElement("wardroom-chat");
  for (const name of PASSED_ON) {
    const value = script.getAttribute(`data-${name}`);
    if (value !== null) element.setAttribute(name, value);
  }
  document.body.append(element);
}

if (document.body) place();
else addEventListener("DOMContentLoaded", place, { once: true });
