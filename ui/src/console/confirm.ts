// <wr-confirm>: asks before the form inside it is sent.
//
//   data-title, data-text   what is about to happen
//   data-action             the word on the button that does it
//   data-cancel             the word on the one that does not ("Cancel")
//   data-type               a word that must be typed first, for what cannot be undone
//
// The server checks again: this is a courtesy, not a control.

import { h } from "../dom";

export class Confirm extends HTMLElement {
  #sure = false;

  connectedCallback(): void {
    this.addEventListener("submit", (event) => {
      if (this.#sure || !(event.target instanceof HTMLFormElement)) return;
      event.preventDefault();
      void this.#ask(event.target, event.submitter);
    });
  }

  async #ask(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
    const { title = "Are you sure?", text = "", action = "Go on", cancel = "Cancel", type } = this.dataset;
    const yes = h("button", { type: "submit", value: "yes", class: "button danger" }, action);
    const no = h("button", { type: "submit", value: "", class: "button", formnovalidate: "" }, cancel);
    const typed = h("input", { type: "text", id: "wr-confirm-word", autocomplete: "off", spellcheck: "false" });
    const question = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "wr-confirm-title" }, title),
      text ? h("p", {}, text) : null,
      type
        ? h("div", { class: "field" }, h("label", { for: "wr-confirm-word" }, "Type ", h("code", {}, type), " to go on"), typed)
        : null,
      h("div", { class: "actions" }, no, yes),
    );
    const dialog = h("dialog", { "aria-labelledby": "wr-confirm-title" }, question);
    if (type) {
      yes.disabled = true;
      typed.addEventListener("input", () => (yes.disabled = typed.value !== type));
    }
    this.append(dialog);
    dialog.showModal();
    (type ? typed : no).focus();
    const answer = await new Promise<string>((done) => {
      // Without this the question's own submit would be taken for the outer form's.
      question.addEventListener("submit", (event) => event.stopPropagation());
      dialog.addEventListener("close", () => done(dialog.returnValue), { once: true });
    });
    dialog.remove();
    if (answer !== "yes") {
      submitter?.focus();
      return;
    }
    this.#sure = true;
    form.requestSubmit(submitter instanceof HTMLButtonElement ? submitter : null);
    this.#sure = false;
  }
}
