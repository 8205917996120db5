// <wr-thread>: a transcript that grows while it is read, and its reply form.

import { clone, type Fields, shownTime, word } from "./bind";
import { Live } from "./live";
import { send } from "./send";
import { segments } from "../chat/links";

export class Thread extends Live {
  protected override readonly types = ["message", "delta", "state", "error"];

  override connectedCallback(): void {
    super.connectedCallback();
    this.#end();
    for (const text of this.querySelectorAll<HTMLElement>("ol [data-slot='text']")) linkify(text);
    const form = this.querySelector<HTMLFormElement>("form.reply");
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#reply(form, event.submitter);
    });
    form?.querySelector("textarea")?.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  protected override take(type: string, body: Fields): void {
    const stay = !this.#nearEnd();
    if (type === "state") this.#state(body);
    if (type === "message") this.#message(body);
    if (type === "delta") this.#delta(body);
    if (type === "error") for (const draft of this.querySelectorAll(".line.draft")) draft.remove();
    if (!stay) this.#end();
  }

  /** What is known of the conversation: on the element, under `data-fact="field"`, and by showing `data-when="field"`. */
  #state(body: Fields): void {
    this.dataset["state"] = String(body["state"] ?? "");
    for (const part of this.querySelectorAll<HTMLElement>("[data-fact]")) {
      const name = part.dataset["fact"] ?? "";
      const value = word(body[name]);
      if (value === null) continue;
      if (part instanceof HTMLTimeElement) part.dateTime = value;
      part.textContent = part instanceof HTMLTimeElement ? shownTime(value) : value;
      if (name === "state") part.dataset["state"] = value;
    }
    for (const part of this.querySelectorAll<HTMLElement>("[data-when]")) {
      const value = body[part.dataset["when"] ?? ""];
      if (typeof value === "boolean") part.hidden = !value;
    }
  }

  #message(body: Fields): void {
    const there = this.#line(body["seq"]);
    if (there && !there.classList.contains("draft")) return;
    const line = this.#made(body);
    if (!line) return;
    const text = line.querySelector<HTMLElement>("[data-slot='text']");
    if (text) linkify(text);
    if (there) there.replaceWith(line);
    else this.#place(line);
  }

  #delta(body: Fields): void {
    let line = this.#line(body["seq"]);
    if (line && !line.classList.contains("draft")) return;
    if (!line) {
      line = this.#made({ ...body, role: "bot", text: "" });
      if (!line) return;
      line.classList.add("draft");
      this.#place(line);
    }
    line.querySelector("[data-slot='text']")?.append(String(body["text"] ?? ""));
  }

  #made(body: Fields): HTMLElement | null {
    const role = String(body["role"]);
    const template = this.template(role) ?? this.template("message");
    const line = template && clone(template, body);
    if (!line) return null;
    line.dataset["seq"] = String(body["seq"]);
    line.dataset["role"] = role;
    return line;
  }

  #line(seq: unknown): HTMLElement | null {
    return this.querySelector<HTMLElement>(`ol > [data-seq="${CSS.escape(String(seq))}"]`);
  }

  /** Puts the line where its number belongs: after a break, events may come late. */
  #place(line: HTMLElement): void {
    const list = this.querySelector("ol");
    if (!list) return;
    const seq = Number(line.dataset["seq"]);
    const next = [...list.querySelectorAll<HTMLElement>(":scope > [data-seq]")].find((l) => Number(l.dataset["seq"]) > seq);
    list.insertBefore(line, next ?? null);
  }

  async #reply(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
    const input = form.querySelector("textarea");
    const alert = form.querySelector<HTMLElement>("[role='alert']");
    if (!input || input.value.trim() === "" || form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    const refusal = await send(form, submitter);
    form.removeAttribute("aria-busy");
    if (alert) alert.textContent = refusal ?? "";
    if (refusal === null) input.value = "";
    input.focus();
  }

  #scroller(): HTMLElement {
    return this.querySelector<HTMLElement>("[data-scroll]") ?? this;
  }

  #nearEnd(): boolean {
    const s = this.#scroller();
    return s.scrollHeight - s.scrollTop - s.clientHeight < 64;
  }

  #end(): void {
    const s = this.#scroller();
    s.scrollTop = s.scrollHeight;
  }
}

function linkify(element: HTMLElement): void {
  const parts = segments(element.textContent ?? "");
  if (!parts.some((p) => p.href !== undefined)) return;
  element.replaceChildren(
    ...parts.map((part) => {
      if (part.href === undefined) return part.text;
      const a = document.createElement("a");
      a.href = part.href;
      a.rel = "noopener noreferrer nofollow";
      a.target = "_blank";
      a.textContent = part.text;
      return a;
    }),
  );
}
