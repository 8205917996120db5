// `<wardroom-chat>`: draws one conversation in a shadow root and hands what the
// person does to `Conversation`. It decides nothing about delivery itself.

import { h, icon } from "../dom";
import { Conversation, type World } from "./conversation";
import { Keep, type Place } from "./keep";
import { safeHref, segments } from "./links";
import type { Change, Line, Problem } from "./thread";
import { type Words, wordsFor } from "./words";
import css from "./widget.css";

/** The longest message the server takes, in characters. */
export const LONGEST_MESSAGE = 8000;
/** The counter appears when fewer are left. */
const COUNT_FROM = 500;
/** A break shorter than this is not worth telling. */
const PATIENCE = 1200;

const BELL = [
  "M10.6 5.1v-.7a1.4 1.4 0 0 1 2.8 0v.7",
  "M12 5.1c-3.3 0-4.6 2.5-4.8 6-.2 2.9-.8 4.3-2.5 6h14.6c-1.7-1.7-2.3-3.1-2.5-6-.2-3.5-1.5-6-4.8-6Z",
  "M10.4 19.6a1.7 1.7 0 0 0 3.2 0",
];
const CROSS = ["M6 6l12 12M18 6L6 18"];
const ARROW = ["M4.5 12h14M13 6.5l5.5 5.5-5.5 5.5"];
const PERSON = ["M12 12a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2Z", "M5 20c.6-3.5 3.3-5.4 7-5.4s6.4 1.9 7 5.4"];

interface Item {
  readonly li: HTMLLIElement;
  line: Line;
}

/** Defines the element; `base` is the origin the script came from. */
export function define(base: string, world: World): void {
  if (customElements.get("wardroom-chat")) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);

  customElements.define(
    "wardroom-chat",
    class WardroomChat extends HTMLElement {
      static readonly observedAttributes = ["locale", "title", "open"];

      #words: Words = wordsFor(null);
      #title = "";
      #conversation: Conversation | null = null;
      #items = new Map<string, Item>();
      #unread = 0;
      #atEnd = true;
      #drawing = false;
      #brokenSince = 0;
      #timer: ReturnType<typeof setTimeout> | undefined;
      #off = new AbortController();

      readonly #launcher = h("button", { type: "button", class: "launcher", part: "launcher", "aria-controls": "panel", "aria-expanded": "false" });
      readonly #badge = h("span", { class: "badge", hidden: "", "aria-hidden": "true" });
      readonly #panel = h("section", { id: "panel", class: "panel", part: "panel", role: "dialog", "aria-labelledby": "title", hidden: "" });
      readonly #heading = h("h2", { id: "title" });
      readonly #close = h("button", { type: "button", class: "close" });
      readonly #log = h("div", { class: "log", role: "log", tabindex: "0", "aria-live": "polite" });
      readonly #list = h("ol", { role: "list" });
      readonly #greeting = h("p", { class: "text", dir: "auto" });
      readonly #greeter = h("div", { class: "line", "data-role": "bot" });
      readonly #problem = h("div", { class: "problem", role: "alert", hidden: "" });
      readonly #typing = h("div", { class: "typing", hidden: "" });
      readonly #newer = h("button", { type: "button", class: "newer", hidden: "" });
      readonly #notice = h("div", { class: "notice", role: "status", hidden: "" });
      readonly #form = h("form", { novalidate: "" });
      readonly #input = h("textarea", { "aria-describedby": "count", rows: "1", enterkeyhint: "send", autocomplete: "off" });
      readonly #send = h("button", { type: "submit", class: "send" });
      readonly #person = h("button", { type: "button", class: "person" });
      readonly #count = h("span", { class: "count", id: "count", role: "status" });

      constructor() {
        super();
        const root = this.attachShadow({ mode: "open" });
        root.adoptedStyleSheets = [sheet];
        this.#launcher.append(icon(...BELL), this.#badge);
        this.#close.append(icon(...CROSS));
        this.#send.append(icon(...ARROW));
        const mark = h("span", { class: "mark" });
        mark.append(icon(...BELL));
        this.#log.append(this.#greeter, this.#list, this.#problem, this.#typing);
        this.#form.append(
          h("div", { class: "field" }, this.#input, this.#send),
          h("div", { class: "under" }, this.#person, this.#count),
        );
        this.#panel.append(
          h("header", {}, mark, this.#heading, this.#close),
          this.#log,
          h("div", { class: "deck" }, this.#newer, this.#notice, this.#form),
        );
        root.append(this.#launcher, this.#panel);
        this.#listen();
      }

      connectedCallback(): void {
        this.#off = new AbortController();
        const { signal } = this.#off;
        addEventListener("online", () => this.#conversation?.retryNow(), { signal });
        addEventListener("offline", () => this.#conversation?.wentOffline(), { signal });
        // A page in the back-forward cache must not hold connections.
        addEventListener("pagehide", () => this.#conversation?.stop(), { signal });
        addEventListener("pageshow", (e) => e.persisted && this.#conversation?.start(), { signal });

        this.#speak();
        const bot = this.getAttribute("bot") ?? "front-desk";
        this.#conversation = new Conversation({
          base,
          bot,
          locale: this.#locale(),
          siteToken: this.getAttribute("site-token"),
          keep: new Keep(place(this.getAttribute("remember")), base, bot),
          world,
          changed: (_, what) => this.#changed(what),
        });
        const found = this.#conversation.found;
        if (found) this.#quietly();
        if (this.hasAttribute("page") || this.hasAttribute("open") || (found && this.#conversation.open)) {
          this.#show(false);
        }
        this.#draw();
      }

      disconnectedCallback(): void {
        this.#off.abort();
        this.#conversation?.stop();
        clearTimeout(this.#timer);
      }

      attributeChangedCallback(name: string, was: string | null, is: string | null): void {
        if (name === "title") {
          // Left in place, it would hang a tooltip over the whole chat.
          if (is === null) return;
          this.#title = is;
          this.removeAttribute("title");
        }
        if (!this.#conversation) return;
        if (name === "open" && (was === null) !== (is === null)) is === null ? this.close() : this.#show(true);
        else if (name !== "open") this.#speak();
      }

      /** Opens the panel and puts the cursor into the composer. */
      show(): void {
        this.#show(true);
      }

      /** Closes the panel; the conversation goes on. */
      close(): void {
        if (this.hasAttribute("page") || this.#panel.hidden) return;
        const had = this.shadowRoot?.activeElement != null;
        this.#panel.hidden = true;
        this.#launcher.hidden = false;
        this.#launcher.ariaExpanded = "false";
        this.removeAttribute("open");
        if (this.#conversation) this.#conversation.open = false;
        if (had) this.#launcher.focus();
      }

      #show(focus: boolean): void {
        this.#panel.hidden = false;
        this.#launcher.hidden = true;
        this.#launcher.ariaExpanded = "true";
        this.#close.hidden = this.hasAttribute("page");
        if (this.hasAttribute("page")) {
          this.#panel.setAttribute("role", "region");
        } else if (this.#conversation) {
          this.#conversation.open = true;
        }
        this.#unread = 0;
        this.#atEnd = true;
        this.#conversation?.start();
        this.#draw();
        if (focus) this.#input.focus();
      }

      // ---- what the person does ----

      #listen(): void {
        this.#launcher.addEventListener("click", () => this.show());
        this.#close.addEventListener("click", () => this.close());
        this.#panel.addEventListener("keydown", (event) => {
          if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
          event.stopPropagation();
          this.close();
        });
        this.#input.addEventListener("keydown", (event) => {
          // While an input method composes, Enter chooses a word.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          this.#submit();
        });
        this.#input.addEventListener("input", () => this.#measure());
        this.#form.addEventListener("submit", (event) => {
          event.preventDefault();
          this.#submit();
        });
        this.#person.addEventListener("click", () => {
          this.#sendNow(this.#words.personText);
          this.#input.focus();
        });
        this.#newer.addEventListener("click", () => {
          this.#toEnd();
          this.#log.focus();
        });
        this.#log.addEventListener(
          "scroll",
          () => {
            this.#atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 48;
            if (this.#atEnd) this.#newer.hidden = true;
          },
          { passive: true },
        );
        new ResizeObserver(() => {
          if (this.#atEnd) this.#toEnd();
        }).observe(this.#log);
      }

      #submit(): void {
        const text = this.#input.value.trim();
        if (text === "" || length(text) > LONGEST_MESSAGE) return;
        this.#input.value = "";
        this.#measure();
        this.#sendNow(text);
      }

      #sendNow(text: string): void {
        this.#atEnd = true;
        this.#conversation?.send(text);
      }

      #measure(): void {
        const left = LONGEST_MESSAGE - length(this.#input.value.trim());
        const sendable = this.#input.value.trim() !== "" && left >= 0;
        this.#send.ariaDisabled = String(!sendable);
        this.#input.ariaInvalid = String(left < 0);
        this.#count.classList.toggle("over", left < 0);
        this.#count.textContent =
          left < COUNT_FROM ? `${new Intl.NumberFormat(clockLocale(this.#locale())).format(left)} ${this.#words.left}` : "";
        // An empty field has no text to take its direction from.
        this.#input.dir = this.#input.value === "" ? this.#words.dir : "auto";
        // Browsers without `field-sizing` grow by rows.
        this.#input.rows = Math.min(this.#input.value.split("\n").length, 6);
      }

      // ---- drawing ----

      #changed(what: Change | null): void {
        if (what?.kind === "message" && what.role !== "user" && this.#panel.hidden) this.#unread++;
        if (this.#drawing) return;
        this.#drawing = true;
        // Pieces of an answer come faster than the screen turns: one drawing per frame is enough.
        requestAnimationFrame(() => {
          this.#drawing = false;
          this.#draw();
        });
      }

      #draw(): void {
        const conversation = this.#conversation;
        if (!conversation) return;
        const { thread } = conversation;
        let news = false;
        const keys = new Set<string>();
        thread.lines.forEach((line, place) => {
          keys.add(line.key);
          let item = this.#items.get(line.key);
          if (!item) {
            item = { li: h("li", { class: "line" }), line };
            this.#fill(item.li, line);
            this.#items.set(line.key, item);
            news = true;
          } else if (item.line !== line) {
            this.#fill(item.li, line, item.line);
            item.line = line;
            news = true;
          }
          if (this.#list.children[place] !== item.li) this.#list.insertBefore(item.li, this.#list.children[place] ?? null);
        });
        for (const [key, { li }] of this.#items) {
          if (keys.has(key)) continue;
          li.remove();
          this.#items.delete(key);
        }
        const streaming = thread.lines.some((l) => l.delivery === "streaming");
        this.#log.ariaBusy = String(streaming);
        this.#greeter.hidden = thread.lines.length > 0 || conversation.found;
        this.#typing.hidden = thread.talk !== "typing" || streaming;
        this.#say(thread.problem);
        this.#announce();

        this.#badge.hidden = this.#unread === 0;
        this.#badge.textContent = String(Math.min(this.#unread, 99));
        this.#launcher.ariaLabel =
          this.#unread > 0 ? `${this.#words.open}: ${this.#unread} ${this.#words.newer}` : this.#words.open;
        if (this.#atEnd) this.#toEnd();
        else if (news) this.#newer.hidden = false;
      }

      /** Writes a line into its list item. While an answer streams in, only its text is touched. */
      #fill(li: HTMLLIElement, line: Line, was?: Line): void {
        li.dataset["role"] = line.role;
        li.dataset["delivery"] = line.delivery;
        if (was && line.delivery === "streaming" && was.delivery === "streaming") {
          const text = li.querySelector(".text");
          if (text) text.textContent = line.text;
          return;
        }
        const w = this.#words;
        const time = line.at === null ? null : h("time", { datetime: new Date(line.at).toISOString() }, this.#clock(line.at));
        const who = h("div", { class: "who" }, h("b", {}, w[line.role === "user" ? "you" : line.role]), time);
        if (line.role === "user") who.firstElementChild?.classList.add("unseen");
        const text = h("p", { class: "text", dir: "auto" });
        for (const part of segments(line.text)) {
          text.append(part.href === undefined ? part.text : this.#link(part.href, part.text));
        }
        li.replaceChildren(who, h("div", { class: "said" }, text));
        if (line.citations.length > 0) li.append(this.#sources(line));
        if (line.role === "user" && line.delivery !== "sent") li.append(this.#after(line));
      }

      #link(href: string, text: string): HTMLAnchorElement {
        return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow", title: this.#words.newTab }, text);
      }

      #sources(line: Line): HTMLElement {
        const list = h("ol", { role: "list" });
        for (const { title, url } of line.citations) {
          const href = safeHref(url, base);
          list.append(h("li", {}, href === null ? h("i", {}, title) : this.#link(href, title)));
        }
        return h("div", { class: "sources" }, h("span", {}, this.#words.sources), list);
      }

      #after(line: Line): HTMLElement {
        const w = this.#words;
        if (line.delivery === "sending") return h("div", { class: "after" }, w.sending);
        if (line.delivery === "waiting") return h("div", { class: "after" }, w.waiting);
        const { clientId } = line;
        const again = h("button", { type: "button", class: "text-button" }, w.again);
        const edit = h("button", { type: "button", class: "text-button" }, w.edit);
        again.addEventListener("click", () => clientId && this.#conversation?.again(clientId));
        edit.addEventListener("click", () => {
          if (!clientId || !this.#conversation) return;
          this.#input.value = [this.#input.value, this.#conversation.withdraw(clientId)].filter(Boolean).join("\n");
          this.#measure();
          this.#input.focus();
        });
        const why = [w.failed, line.problem?.detail || w.broken, line.problem?.mend].filter(Boolean).join(" ");
        return h("div", { class: "after", role: "alert" }, h("span", { class: "why" }, why), again, edit);
      }

      #say(problem: Problem | null): void {
        if (this.#problem.hidden === (problem === null) && problem === null) return;
        this.#problem.hidden = problem === null;
        if (!problem) return this.#problem.replaceChildren();
        const words = [problem.detail || this.#words.broken, problem.mend].filter(Boolean);
        if (this.#problem.textContent !== words.join("")) this.#problem.replaceChildren(...words.map((t) => h("p", {}, t)));
      }

      /** The one line above the composer: how the connection and the conversation stand. */
      #announce(): void {
        const conversation = this.#conversation;
        if (!conversation) return;
        const w = this.#words;
        const { link, thread } = conversation;
        const broken = link.kind === "retrying" || link.kind === "connecting";
        if (!broken) this.#brokenSince = 0;
        else this.#brokenSince ||= world.now();
        const told = broken && world.now() - this.#brokenSince >= PATIENCE;
        clearTimeout(this.#timer);
        if (broken && !told) this.#timer = setTimeout(() => this.#announce(), PATIENCE);

        let text = "";
        let button = "";
        let act = (): void => {};
        const out = link.kind === "out";
        const over = out || link.kind === "gone" || thread.talk === "closed";
        if (out) {
          text = w.signIn;
        } else if (over) {
          text = thread.talk === "closed" ? w.closed : w.gone;
          button = w.anew;
          act = () => {
            conversation.anew();
            this.#draw();
            this.#input.focus();
          };
        } else if (link.kind === "offline") {
          text = w.offline;
        } else if (link.kind === "busy" || link.kind === "checking") {
          text = w[link.kind];
        } else if (told) {
          text = w.retrying;
          button = w.now;
          act = () => conversation.retryNow();
        } else if (thread.talk === "handoff" && !thread.lines.some((l) => l.role === "agent")) {
          text = w.handoff;
        }
        this.#form.hidden = over;
        this.#person.hidden = thread.talk === "handoff";
        if (this.#notice.dataset["text"] === text) return;
        this.#notice.dataset["text"] = text;
        this.#notice.hidden = text === "";
        this.#notice.replaceChildren(
          out
            ? h("a", { href: safeHref(conversation.signIn, base), target: base === location.origin ? null : "_blank" }, text)
            : h("span", {}, text),
        );
        if (button === "") return;
        const element = h("button", { type: "button", class: "text-button" }, button);
        element.addEventListener("click", act);
        this.#notice.append(element);
      }

      /** Puts every fixed word in place, in the element's language. */
      #speak(): void {
        const locale = this.#locale();
        const w = (this.#words = wordsFor(locale));
        this.#panel.lang = this.#launcher.lang = locale ?? "en";
        this.#panel.dir = this.#launcher.dir = w.dir;
        this.#heading.textContent = this.#title || w.title;
        name(this.#close, w.close);
        name(this.#send, w.send);
        this.#log.ariaLabel = w.log;
        this.#input.ariaLabel = w.write;
        this.#input.placeholder = w.write;
        this.#person.replaceChildren(icon(...PERSON), w.person);
        this.#newer.textContent = w.newer;
        this.#typing.replaceChildren(h("i"), h("i"), h("i"), h("span", { class: "unseen" }, w.typing));
        this.#greeting.textContent = this.getAttribute("greeting") ?? w.greeting;
        this.#greeter.replaceChildren(h("div", { class: "who" }, h("b", {}, w.bot)), h("div", { class: "said" }, this.#greeting));
        delete this.#notice.dataset["text"];
        for (const { li, line } of this.#items.values()) this.#fill(li, line);
        this.#measure();
      }

      /** After a reload the whole history arrives at once: nobody wants it read aloud. */
      #quietly(): void {
        this.#log.ariaLive = "off";
        setTimeout(() => (this.#log.ariaLive = "polite"), 3000);
      }

      #toEnd(): void {
        this.#newer.hidden = true;
        this.#log.scrollTop = this.#log.scrollHeight;
      }

      #locale(): string | null {
        return this.getAttribute("locale") ?? (document.documentElement.lang || null);
      }

      #clock(at: number): string {
        const today = new Date(at).toDateString() === new Date(world.now()).toDateString();
        const style: Intl.DateTimeFormatOptions = today
          ? { hour: "2-digit", minute: "2-digit" }
          : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
        return new Intl.DateTimeFormat(clockLocale(this.#locale()), style).format(at);
      }
    },
  );
}

/** Length in characters as the server counts them: code points, not UTF-16 halves. */
function length(text: string): number {
  let n = 0;
  for (const _ of text) n++;
  return n;
}

/** `en` alone says nothing about 12 or 24 hours; the browser's own `en-GB` does. */
function clockLocale(locale: string | null): string | undefined {
  const language = (tag: string): string | undefined => tag.toLowerCase().split(/[-_]/, 1)[0];
  if (locale === null || language(locale) === language(navigator.language)) return navigator.language;
  try {
    return Intl.getCanonicalLocales(locale)[0];
  } catch {
    return undefined;
  }
}

function name(button: HTMLElement, words: string): void {
  button.ariaLabel = button.title = words;
}

function place(remember: string | null): Place | null {
  try {
    return remember === "browser" ? localStorage : sessionStorage;
  } catch {
    return null;
  }
}
