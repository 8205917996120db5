// What survives a reload: the conversation, its token, and messages not yet accepted.
//
// By default this is `sessionStorage`, which dies with the tab: on a shared
// computer the next person finds nothing. The page may ask for `localStorage`.
// Scripts of the host page can read either; the token opens this one
// conversation for at most 30 minutes and nothing else.

import { fields } from "./parse";

export interface Session {
  readonly id: string;
  readonly token: string;
  /** When the token ends, in milliseconds since 1970, by our own clock. */
  readonly expires: number;
}

export interface Waiting {
  readonly clientId: string;
  readonly text: string;
}

export interface Kept {
  readonly session: Session | null;
  readonly outbox: readonly Waiting[];
  /** Whether the panel was open. */
  readonly open: boolean;
}

export const NOTHING: Kept = { session: null, outbox: [], open: false };

export interface Place {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class Keep {
  readonly #place: Place | null;
  readonly #key: string;

  /** `place` is null where the browser forbids storage: then nothing survives, and nothing breaks. */
  constructor(place: Place | null, host: string, bot: string) {
    this.#place = place;
    this.#key = `wardroom:1:${host}:${bot}`;
  }

  read(): Kept {
    let text: string | null = null;
    try {
      text = this.#place?.getItem(this.#key) ?? null;
    } catch {
      return NOTHING;
    }
    return text === null ? NOTHING : parse(text);
  }

  write(kept: Kept): void {
    try {
      this.#place?.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // Full or forbidden: the conversation goes on, it just does not survive a reload.
    }
  }
}

function parse(text: string): Kept {
  const body = fields(text);
  if (!body) return NOTHING;
  const outbox = Array.isArray(body["outbox"])
    ? body["outbox"].filter(
        (w): w is Waiting =>
          typeof w === "object" && w !== null && typeof w.clientId === "string" && typeof w.text === "string",
      )
    : [];
  return { session: session(body["session"]), outbox, open: body["open"] === true };
}

function session(value: unknown): Session | null {
  if (typeof value !== "object" || value === null) return null;
  const { id, token, expires } = value as Record<string, unknown>;
  return typeof id === "string" && typeof token === "string" && typeof expires === "number"
    ? { id, token, expires }
    : null;
}
