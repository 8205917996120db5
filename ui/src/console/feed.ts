// <wr-feed>: the newest events first, as they happen.

import { clone, type Fields } from "./bind";
import { Live } from "./live";

export class Feed extends Live {
  protected override readonly types = ["message", "event"];
  #held: HTMLElement[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    // A list that moves under the pointer or the reader's focus cannot be read.
    this.addEventListener("mouseleave", () => this.#release());
    this.addEventListener("focusout", () => setTimeout(() => this.#release()));
  }

  protected override take(_type: string, body: Fields): void {
    const template = this.template("event");
    const row = template && clone(template, body);
    if (!row) return;
    row.classList.add("fresh");
    this.#held.unshift(row);
    this.#release();
  }

  #release(): void {
    if (this.matches(":hover") || this.matches(":focus-within")) {
      this.dataset["held"] = String(this.#held.length);
      return;
    }
    const list = this.querySelector("ol");
    if (!list || this.#held.length === 0) return;
    list.prepend(...this.#held);
    this.#held = [];
    delete this.dataset["held"];
    const most = Number(this.dataset["max"] ?? 100);
    while (list.children.length > most) list.lastElementChild?.remove();
    const empty = this.querySelector<HTMLElement>("[data-empty]");
    if (empty) empty.hidden = true;
  }
}
