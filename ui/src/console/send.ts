// Sends a server-rendered form in the background, as the browser would have.

import { fields, problem } from "../chat/parse";

/** Posts the form; returns null when it was taken, else the words of the refusal. */
export async function send(form: HTMLFormElement, submitter: HTMLElement | null): Promise<string | null> {
  const url = new URL(form.action, location.href);
  if (url.origin !== location.origin) return "This form leads to another site.";
  const data = new FormData(form, submitter instanceof HTMLButtonElement ? submitter : null);
  const body = new URLSearchParams();
  for (const [name, value] of data) if (typeof value === "string") body.append(name, value);
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { accept: "application/json" },
      credentials: "same-origin",
    });
    if (response.ok) return null;
    return words(await response.text(), response.status);
  } catch {
    return "The server could not be reached. Nothing was sent; try again.";
  }
}

/** What went wrong and how to mend it, from a problem body. */
export function words(body: string, status: number): string {
  const { detail, mend } = problem(fields(body));
  return [detail || `The server refused (status ${status}).`, mend].filter(Boolean).join(" ");
}
