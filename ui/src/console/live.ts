// An element that follows a server-sent event stream of this origin.
//
// The session is a cookie, so the browser's own EventSource would nearly do; but a
// transcript is opened for a stated reason, which goes in a header, and EventSource
// sends none. So the stream is read with `fetch`, and opened anew when it ends:
// more and more slowly, and not at all once the server says that it may not be.

import { Backoff, retryAfter } from "../chat/backoff";
import { fields } from "../chat/parse";
import { EventStreamParser, type ServerEvent } from "../chat/sse";
import type { Fields } from "./bind";

/** The server pings every ten seconds; silence three times as long is a dead connection. */
const SILENCE = 30_000;

export abstract class Live extends HTMLElement {
  #over: AbortController | null = null;
  #last = "";
  readonly #backoff = new Backoff(() => Math.random());

  /** The event types the element listens to. */
  protected abstract readonly types: readonly string[];
  protected abstract take(type: string, body: Fields): void;

  connectedCallback(): void {
    this.#last = this.dataset["after"] ?? "";
    if (this.dataset["events"] === undefined) return;
    this.#over = new AbortController();
    void this.#follow(this.#over.signal);
  }

  disconnectedCallback(): void {
    this.#over?.abort();
    this.#over = null;
  }

  async #follow(over: AbortSignal): Promise<void> {
    const url = new URL(this.dataset["events"] ?? "", location.href);
    if (url.origin !== location.origin) return;
    while (!over.aborted) {
      let wait = 0;
      try {
        const answer = await this.#listen(url, over);
        // Signed out, not theirs any more, or gone: asking again would be refused again.
        if (answer !== null && [400, 401, 403, 404, 422].includes(answer.status)) return this.#link("ended");
        wait = answer === null ? 0 : retryAfter(answer.headers.get("retry-after"), Date.now());
      } catch {
        // The connection broke; it is tried again.
      }
      if (over.aborted) return;
      this.#link("broken");
      await new Promise((done) => setTimeout(done, this.#backoff.next(wait)));
    }
  }

  /** Reads one stream to its end; the answer, when it was none. */
  async #listen(url: URL, over: AbortSignal): Promise<Response | null> {
    const headers = new Headers({ accept: "text/event-stream, application/json" });
    const reason = this.dataset["reason"];
    if (reason !== undefined) headers.set("wardroom-reason", encodeURIComponent(reason));
    if (this.#last !== "") {
      url.searchParams.set("after", this.#last);
      headers.set("last-event-id", this.#last);
    }
    const dead = new AbortController();
    let alive = setTimeout(() => dead.abort(), SILENCE);
    try {
      const signal = AbortSignal.any([over, dead.signal]);
      const answer = await fetch(url, { headers, signal, credentials: "same-origin", redirect: "error" });
      if (!answer.ok || !answer.body) return answer;
      this.#link("live");
      const parser = new EventStreamParser(this.#last);
      const words = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await words.read();
        if (done) return null;
        clearTimeout(alive);
        alive = setTimeout(() => dead.abort(), SILENCE);
        for (const event of parser.push(value)) this.#hear(event);
        this.#last = parser.resume;
      }
    } finally {
      clearTimeout(alive);
      dead.abort();
    }
  }

  #hear(event: ServerEvent): void {
    this.#backoff.reset();
    if (!this.types.includes(event.type)) return;
    const body = fields(event.data);
    if (body) this.take(event.type, body);
  }

  /** `data-link` on the element, for the stylesheet, and words in its `[data-link-text]`. */
  #link(state: "live" | "broken" | "ended"): void {
    this.dataset["link"] = state;
    const text = this.querySelector<HTMLElement>("[data-link-text]");
    if (text) text.textContent = text.dataset[state] ?? "";
  }

  protected template(kind: string): HTMLTemplateElement | null {
    return this.querySelector<HTMLTemplateElement>(`template[data-kind="${kind}"]`);
  }
}
