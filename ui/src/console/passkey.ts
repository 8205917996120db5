// <wr-passkey>: enrols a passkey or signs in with one.
//
//   data-mode    "enrol" or "sign-in"
//   data-start   where to ask for a challenge: POST, answers WebAuthn options as JSON
//   data-finish  where to send the credential: POST, answers 2xx, optionally {"next": "/path"}
//   data-next    where to go afterwards, unless the answer says
//   data-csrf    sent as x-csrf-token, where the server asks for one
//
// Inside: one button, and `[role="alert"]` for what went wrong. Text inputs
// inside with a name (a label for the key) go along to both.

import { safeHref } from "../chat/links";
import { type Fields } from "./bind";
import { fields } from "../chat/parse";
import { creationOptions, credentialJson, requestOptions } from "./webauthn";
import { words } from "./send";

class Told extends Error {}

export class Passkey extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector("button");
    button?.addEventListener("click", (event) => {
      event.preventDefault();
      void this.#run(button);
    });
    if (button && !("credentials" in navigator && "PublicKeyCredential" in window)) {
      button.disabled = true;
      this.#say("This browser has no passkeys. Use another way to sign in.");
    }
  }

  async #run(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    this.#say("");
    try {
      const options = await this.#post(this.dataset["start"], {});
      const credential =
        this.dataset["mode"] === "enrol"
          ? await navigator.credentials.create({ publicKey: creationOptions(options) })
          : await navigator.credentials.get({ publicKey: requestOptions(options) });
      if (!(credential instanceof PublicKeyCredential)) throw new Told("No passkey was given.");
      const done = await this.#post(this.dataset["finish"], { credential: credentialJson(credential) });
      const wish = typeof done["next"] === "string" ? done["next"] : (this.dataset["next"] ?? location.pathname);
      const next = safeHref(wish, location.origin);
      location.assign(next !== null && new URL(next).origin === location.origin ? next : "/");
    } catch (error) {
      this.#say(explain(error));
      button.disabled = false;
      button.focus();
    }
  }

  async #post(path: string | undefined, body: Fields): Promise<Fields> {
    const url = new URL(path ?? "", location.href);
    if (url.origin !== location.origin) throw new Told("This form leads to another site.");
    for (const input of this.querySelectorAll<HTMLInputElement>("input[name]")) body[input.name] = input.value;
    const csrf = this.dataset["csrf"];
    const response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "application/json", ...(csrf ? { "x-csrf-token": csrf } : {}) },
      body: JSON.stringify(body),
    }).catch(() => {
      throw new Told("The server could not be reached. Try again.");
    });
    const text = await response.text();
    if (!response.ok) throw new Told(words(text, response.status));
    return fields(text) ?? {};
  }

  #say(text: string): void {
    const alert = this.querySelector("[role='alert']");
    if (alert) alert.textContent = text;
  }
}

function explain(error: unknown): string {
  if (error instanceof Told) return error.message;
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "It was cancelled or took too long. Try again when you are ready.";
  if (name === "InvalidStateError") return "This device already holds a passkey for this account.";
  if (name === "SecurityError") return "Passkeys work only under the address this console was set up with.";
  return "The passkey could not be used. Try again, or use another way.";
}
