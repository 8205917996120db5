// <wr-inbox>: conversations that wait for a person, kept current.
//
// Events: `upsert` with an `id`, `remove` with an `id`. j and k move through
// the list, Enter opens.

import { clone, type Fields, word } from "./bind";
import { Live } from "./live";

export class Inbox extends Live {
  protected override readonly types = ["upsert", "remove"];
  readonly #title = document.title.replace(/^\(\d+\) /, "");

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener("keydown", (event) => {
      const step = event.key === "j" || event.key === "ArrowDown" ? 1 : event.key === "k" || event.key === "ArrowUp" ? -1 : 0;
      if (step === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const links = [...this.querySelectorAll<HTMLElement>("ol > li a:first-of-type")];
      const at = links.findIndex((l) => l.closest("li")?.contains(document.activeElement));
      links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
      event.preventDefault();
    });
    this.#count();
  }

  protected override take(type: string, body: Fields): void {
    const id = word(body["id"]);
    const list = this.querySelector("ol");
    if (id === null || !list) return;
    const there = list.querySelector<HTMLElement>(`:scope > [data-key="${CSS.escape(id)}"]`);
    if (type === "remove") {
      const focused = there?.contains(document.activeElement);
      const next = there?.nextElementSibling ?? there?.previousElementSibling;
      there?.remove();
      if (focused) next?.querySelector("a")?.focus();
    } else {
      const template = this.template("item");
      const row = template && clone(template, body);
      if (!row) return;
      row.dataset["key"] = id;
      // The row under the reader's focus is changed in place, any other rises to the top.
      if (there?.contains(document.activeElement)) there.replaceChildren(...row.childNodes);
      else {
        there?.remove();
        list.prepend(row);
        row.classList.add("fresh");
      }
    }
    this.#count();
  }

  #count(): void {
    const n = this.querySelectorAll("ol > li").length;
    for (const count of document.querySelectorAll<HTMLElement>("[data-inbox-count]")) {
      count.textContent = String(n);
      count.hidden = n === 0;
    }
    const empty = this.querySelector<HTMLElement>("[data-empty]");
    if (empty) empty.hidden = n > 0;
    document.title = n > 0 ? `(${n}) ${this.#title}` : this.#title;
  }
}
