// An element that follows a server-sent event stream of this origin.
//
// The console's session is a cookie, so the browser's own EventSource serves:
// it resumes by `Last-Event-ID`. It gives up for good on an error status, so
// those are tried again here, ever more slowly.

import { Backoff } from "../chat/backoff";
import { fields } from "../chat/parse";
import type { Fields } from "./bind";

export abstract class Live extends HTMLElement {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = "";
  readonly #backoff = new Backoff(() => Math.random());

  /** The event types the element listens to. */
  protected abstract readonly types: readonly string[];
  protected abstract take(type: string, body: Fields): void;

  connectedCallback(): void {
    this.#last = this.dataset["after"] ?? "";
    if (this.dataset["events"]) this.#open();
  }

  disconnectedCallback(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #open(): void {
    const url = new URL(this.dataset["events"] ?? "", location.href);
    if (url.origin !== location.origin) return;
    // A new EventSource cannot send Last-Event-ID: the resume point goes in the query.
    if (this.#last !== "") url.searchParams.set("after", this.#last);
    const source = new EventSource(url);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#backoff.reset();
      this.#link("live");
    });
    source.addEventListener("error", () => {
      this.#link("broken");
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(), this.#backoff.next(1000));
    });
    for (const type of this.types) {
      source.addEventListener(type, (event) => {
        // The browser's own connection errors are plain events under the same name.
        if (!(event instanceof MessageEvent)) return;
        if (event.lastEventId !== "") this.#last = event.lastEventId;
        const body = fields(String(event.data));
        if (body) this.take(type, body);
      });
    }
  }

  /** `data-link` on the element, for the stylesheet, and words in its `[data-link-text]`. */
  #link(state: "live" | "broken"): void {
    this.dataset["link"] = state;
    const text = this.querySelector<HTMLElement>("[data-link-text]");
    if (text) text.textContent = (state === "live" ? text.dataset["live"] : text.dataset["broken"]) ?? "";
  }

  protected template(kind: string): HTMLTemplateElement | null {
    return this.querySelector<HTMLTemplateElement>(`template[data-kind="${kind}"]`);
  }
}
