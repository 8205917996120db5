// <wr-inbox>: conversations that wait for a person, kept current. Its rows stand in
// an `ol` or in a table's body.
//
// Events: `upsert` with an `id`, `remove` with an `id`. A row that is there already in
// the same `version` stays where it is. j and k move through the list, Enter opens.

import { clone, type Fields, word } from "./bind";
import { Live } from "./live";

export class Inbox extends Live {
  protected override readonly types = ["upsert", "remove"];
  readonly #title = document.title.replace(/^\(\d+\) /, "");
  #waiting = -1;

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener("keydown", (event) => {
      const step = event.key === "j" || event.key === "ArrowDown" ? 1 : event.key === "k" || event.key === "ArrowUp" ? -1 : 0;
      if (step === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const links = this.#rows().flatMap((row) => row.querySelector<HTMLElement>("a") ?? []);
      const at = links.findIndex((link) => link.closest("[data-key]")?.contains(document.activeElement));
      links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
      event.preventDefault();
    });
    this.#count();
  }

  protected override take(type: string, body: Fields): void {
    const id = word(body["id"]);
    const list = this.#list();
    if (id === null || !list) return;
    const there = list.querySelector<HTMLElement>(`:scope > [data-key="${CSS.escape(id)}"]`);
    const focused = there?.contains(document.activeElement) ?? false;
    if (type === "remove") {
      const next = there?.nextElementSibling ?? there?.previousElementSibling;
      there?.remove();
      if (focused) next?.querySelector("a")?.focus();
    } else {
      const version = word(body["version"]);
      if (there && version !== null && there.dataset["version"] === version) return;
      const template = this.template("item");
      const row = template && clone(template, body);
      if (!row) return;
      row.dataset["key"] = id;
      // The row under the reader's focus is changed in place, any other rises to the top.
      if (there && focused) {
        there.replaceWith(row);
        row.querySelector("a")?.focus({ preventScroll: true });
      } else {
        there?.remove();
        list.prepend(row);
        row.classList.add("fresh");
      }
      // A page shows so many; older ones are on the next.
      const most = Number(this.dataset["max"] ?? 0);
      while (most > 0 && list.children.length > most) list.lastElementChild?.remove();
    }
    this.#count();
  }

  #list(): HTMLElement | null {
    return this.querySelector<HTMLElement>("ol, tbody");
  }

  #rows(): HTMLElement[] {
    return [...(this.#list()?.querySelectorAll<HTMLElement>(":scope > *") ?? [])];
  }

  /** How many wait: those that say so, or all where none does. */
  #count(): void {
    const rows = this.#rows();
    const waiting = rows.filter((row) => row.dataset["waits"] !== "no").length;
    for (const count of document.querySelectorAll<HTMLElement>("[data-inbox-count]")) {
      count.textContent = String(waiting);
      count.hidden = waiting === 0 && count.dataset["zero"] === undefined;
    }
    for (const empty of this.querySelectorAll<HTMLElement>("[data-empty]")) empty.hidden = rows.length > 0;
    for (const full of this.querySelectorAll<HTMLElement>("[data-full]")) full.hidden = rows.length === 0;
    document.title = waiting > 0 ? `(${waiting}) ${this.#title}` : this.#title;
    // Said politely, and only when it changed: who reads on is not interrupted.
    const say = this.querySelector<HTMLElement>("[data-inbox-say]");
    if (say && this.#waiting >= 0 && this.#waiting !== waiting) {
      const words = (waiting === 0 ? say.dataset["none"] : waiting === 1 ? say.dataset["one"] : say.dataset["many"]) ?? "";
      say.textContent = words.replace("#", String(waiting));
    }
    this.#waiting = waiting;
  }
}
