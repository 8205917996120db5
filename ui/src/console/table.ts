// <wr-table>: keyboard ease for a server-rendered table.
//
// j/k or arrows move between rows, Enter opens the row's first link, x ticks
// the row, / goes to the page's search field. Shift-click ticks a range.

export class Table extends HTMLElement {
  #lastTicked: HTMLInputElement | null = null;

  connectedCallback(): void {
    this.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("click", (event) => this.#click(event));
    this.addEventListener("change", () => this.#tally());
    const first = this.#rows()[0];
    if (first) first.tabIndex = 0;
    for (const row of this.#rows().slice(1)) row.tabIndex = -1;
    this.#tally();
  }

  #rows(): HTMLTableRowElement[] {
    return [...this.querySelectorAll<HTMLTableRowElement>("tbody > tr")];
  }

  #boxes(): HTMLInputElement[] {
    return [...this.querySelectorAll<HTMLInputElement>("tbody input[type='checkbox'][data-tick]")];
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.matches("input:not([type='checkbox']), textarea, select")) return;
    const rows = this.#rows();
    const row = target?.closest<HTMLTableRowElement>("tbody > tr") ?? null;
    const at = row ? rows.indexOf(row) : -1;
    switch (event.key) {
      case "j":
      case "ArrowDown":
        this.#go(rows, at + 1);
        break;
      case "k":
      case "ArrowUp":
        this.#go(rows, at - 1);
        break;
      case "Home":
        this.#go(rows, 0);
        break;
      case "End":
        this.#go(rows, rows.length - 1);
        break;
      case "Enter":
        if (target !== row) return;
        row?.querySelector("a")?.click();
        break;
      case "x":
        row?.querySelector<HTMLInputElement>("input[data-tick]")?.click();
        break;
      case "/":
        document.querySelector<HTMLInputElement>("input[type='search']")?.focus();
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  #go(rows: readonly HTMLTableRowElement[], to: number): void {
    const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
    for (const other of rows) other.tabIndex = other === row ? 0 : -1;
    row?.focus();
  }

  #click(event: MouseEvent): void {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    const boxes = this.#boxes();
    if (box.hasAttribute("data-tick-all")) for (const b of boxes) b.checked = box.checked;
    else if (event.shiftKey && this.#lastTicked) {
      const [from, to] = [boxes.indexOf(this.#lastTicked), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const b of boxes.slice(from, (to ?? 0) + 1)) b.checked = box.checked;
    }
    if (box.hasAttribute("data-tick")) this.#lastTicked = box;
  }

  #tally(): void {
    const boxes = this.#boxes();
    const ticked = boxes.filter((b) => b.checked).length;
    const all = this.querySelector<HTMLInputElement>("input[data-tick-all]");
    if (all) {
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    const bar = this.querySelector<HTMLElement>("[data-bulk]");
    if (bar) bar.hidden = ticked === 0;
    for (const count of this.querySelectorAll("[data-ticked]")) count.textContent = String(ticked);
    for (const box of boxes) box.closest("tr")?.setAttribute("aria-selected", String(box.checked));
  }
}
