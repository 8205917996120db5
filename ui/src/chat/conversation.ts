// One conversation with the server: opening it, posting without losing or
// doubling a message, reading its events, and coming back after every break.
//
// Posts go out one at a time and in order. Each carries a `client_id`, so a
// post repeated after a lost answer is the same message to the server. The
// event stream resumes from the last event that arrived whole.

import { Backoff, retryAfter } from "./backoff";
import { type Kept, type Keep, type Session, type Waiting } from "./keep";
import { change, fields, problem, word } from "./parse";
import { EventStreamParser } from "./sse";
import { type Change, EMPTY, type Problem, type Thread, apply } from "./thread";

/** The outside world, so that tests can stand in for it. */
export interface World {
  fetch(url: string, init: RequestInit): Promise<Response>;
  now(): number;
  uuid(): string;
  /** In [0, 1). */
  random(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  online(): boolean;
  /** The answer to a challenge. */
  prove(challenge: string): Promise<string>;
}

export interface Options {
  /** Origin of the Wardroom host, without a trailing slash. */
  readonly base: string;
  readonly bot: string;
  readonly locale: string | null;
  /** What the embedding site signed about its visitor. */
  readonly siteToken: string | null;
  readonly keep: Keep;
  readonly world: World;
  /** Called after every change, with the change when the thread itself changed. */
  readonly changed: (conversation: Conversation, what: Change | null) => void;
}

export type Link =
  | { kind: "idle" | "connecting" | "live" | "offline" | "retrying" }
  /** There is nothing wrong but the time: the server said when to come back. */
  | { kind: "busy" }
  /** The server wants a sum done before it opens a conversation; the browser does it. */
  | { kind: "checking" }
  /** The server no longer knows this conversation or its token. */
  | { kind: "gone" }
  /** The bot speaks with people who have signed in: at `signIn`. */
  | { kind: "out" };

/** A stream without a ping for this long is dead: the server promises one every 10 s. */
const SILENCE = 25_000;
/** A request without an answer for this long has failed. */
const PATIENCE = 20_000;
/** Tokens are renewed when less than this is left. */
const FRESH = 120_000;
/** A server that keeps failing (5xx) is asked this often before the message is given back to the person. */
const MOST_TRIES = 6;

class Refused extends Error {
  readonly status: number;
  readonly words: Problem;
  readonly wait: number;
  /** What must be answered first. */
  readonly challenge: string | null | undefined;

  constructor(status: number, words: Problem, wait: number, challenge?: string | null) {
    super(`status ${status}`);
    this.status = status;
    this.words = words;
    this.wait = wait;
    this.challenge = challenge;
  }

  get busy(): boolean {
    return this.wait > 0 || this.status === 429;
  }
}

class Gone extends Error {}

export class Conversation {
  thread: Thread = EMPTY;
  link: Link = { kind: "idle" };
  /** Where one signs in, when the server has said so. */
  signIn = "";

  readonly #o: Options;
  #session: Session | null;
  #outbox: Waiting[];
  #open: boolean;
  /** Messages the server refused: kept in the outbox until the person decides. */
  readonly #refused = new Set<string>();
  /** The run each loop belongs to: after `stop`, the old loop ends and a new one may start. */
  #posting: AbortSignal | null = null;
  #reading: AbortSignal | null = null;
  #streaming = false;
  #begunAnew = false;
  #stop = new AbortController();
  /** Ends the current wait, so that "now" can be asked for. */
  #nudge = new AbortController();
  #stream: AbortController | null = null;
  #resume = "";
  #renewing: Promise<void> | null = null;
  /** The conversation was opened just now, so its stream is heard from the very first event. */
  #new = false;
  /** The stream was joined while an answer was being written: its pieces have no beginning. */
  #midway = false;
  /** The stream is still telling what was said before it was opened: it ends with the state. */
  #catchingUp = false;

  constructor(options: Options) {
    this.#o = options;
    const kept = options.keep.read();
    this.#session = kept.session;
    this.#outbox = [...kept.outbox];
    this.#open = kept.open;
    for (const { clientId, text } of this.#outbox) {
      this.thread = apply(this.thread, { kind: "wrote", clientId, text, at: options.world.now() });
    }
  }

  /** Whether there is something to find again: a conversation or an unsent message. */
  get found(): boolean {
    return this.#session !== null || this.#outbox.length > 0;
  }

  get open(): boolean {
    return this.#open;
  }

  set open(open: boolean) {
    this.#open = open;
    this.#save();
  }

  /** Starts reading, and sends what is still waiting. Does nothing where nothing is to be done. */
  start(): void {
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    if (this.#session) void this.#read();
    if (this.#outbox.length > 0) void this.#post();
  }

  /** Closes every connection. `start` goes on from here. */
  stop(): void {
    this.#stop.abort();
    this.#stream?.abort();
    this.#wake();
  }

  send(text: string): void {
    const clientId = this.#o.world.uuid();
    this.#outbox.push({ clientId, text });
    this.#save();
    this.#apply({ kind: "wrote", clientId, text, at: this.#o.world.now() });
    void this.#post();
  }

  /** Tries a refused message again, under the same client id. */
  again(clientId: string): void {
    this.#refused.delete(clientId);
    this.#apply({ kind: "sending", clientId });
    void this.#post();
  }

  /** Gives up on a refused message and returns its text for the composer. */
  withdraw(clientId: string): string {
    const text = this.#outbox.find((w) => w.clientId === clientId)?.text ?? "";
    this.#settled(clientId);
    this.#apply({ kind: "dropped", clientId });
    return text;
  }

  /** Ends every wait: the person asked, or the network came back. */
  retryNow(): void {
    if (!this.#o.world.online()) return;
    this.#wake();
    this.start();
  }

  /** The network is gone: say so at once instead of waiting for time-outs. */
  wentOffline(): void {
    this.#stream?.abort();
    this.#setLink(this.#session || this.#outbox.length > 0 ? { kind: "offline" } : { kind: "idle" });
  }

  /** Leaves this conversation and begins an empty one. Unsent messages go along. */
  anew(): void {
    this.stop();
    this.#session = null;
    this.#resume = "";
    this.thread = EMPTY;
    for (const { clientId, text } of this.#outbox) {
      this.thread = apply(this.thread, { kind: "wrote", clientId, text, at: this.#o.world.now() });
    }
    this.#refused.clear();
    this.#save();
    this.#setLink({ kind: "idle" });
    this.start();
  }

  // ---- posting ----

  async #post(): Promise<void> {
    const { signal } = this.#stop;
    if (this.#posting === signal) return;
    this.#posting = signal;
    const backoff = new Backoff(this.#o.world.random);
    let failures = 0;
    try {
      for (;;) {
        const next = this.#outbox.find((w) => !this.#refused.has(w.clientId));
        if (!next || signal.aborted) return;
        try {
          this.#apply({ kind: "sending", clientId: next.clientId });
          await this.#withSession();
          const body = await this.#ask(`/${this.#id()}/messages`, {
            text: next.text,
            client_id: next.clientId,
          });
          if (signal.aborted) return;
          const { seq } = body;
          if (typeof seq !== "number") throw new Refused(502, problem(null), 0);
          this.#settled(next.clientId);
          this.#apply({ kind: "accepted", clientId: next.clientId, seq });
          if (this.#streaming) this.#setLink({ kind: "live" });
          backoff.reset();
          failures = 0;
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof Gone) {
            this.#apply({ kind: "waiting", clientId: next.clientId });
            this.#lost();
            return;
          }
          const refused = error instanceof Refused ? error : null;
          const busy = refused?.busy;
          if (refused && refused.status >= 500 && !busy) failures++;
          const final = refused && refused.status < 500 && !busy && refused.status !== 408;
          if (refused && (final || failures >= MOST_TRIES)) {
            failures = 0;
            this.#refused.add(next.clientId);
            this.#apply({ kind: "refused", clientId: next.clientId, problem: refused.words });
            continue;
          }
          this.#apply({ kind: "waiting", clientId: next.clientId });
          await this.#pause(backoff.next(refused?.wait ?? 0), busy);
        }
      }
    } finally {
      if (this.#posting === signal) this.#posting = null;
    }
  }

  async #withSession(): Promise<void> {
    if (this.#session) return;
    const { bot, locale, siteToken, world } = this.#o;
    const open = (proof?: string): Promise<Record<string, unknown>> =>
      this.#ask("", { bot, locale, site_token: siteToken }, proof);
    const body = await open().catch(async (error: unknown) => {
      if (!(error instanceof Refused && error.challenge)) throw error;
      this.#setLink({ kind: "checking" });
      return open(await world.prove(error.challenge));
    });
    const id = body["conversation_id"];
    if (typeof id !== "string") throw new Refused(502, problem(null), 0);
    this.#session = this.#sessionFrom(id, body);
    this.#new = true;
    this.#save();
    void this.#read();
  }

  // ---- reading ----

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    if (this.#reading === signal) return;
    this.#reading = signal;
    const backoff = new Backoff(this.#o.world.random);
    try {
      while (!signal.aborted && this.#session && this.thread.talk !== "closed") {
        let wait = 0;
        let busy = false;
        try {
          if (!this.#o.world.online()) throw new Error("offline");
          if (this.link.kind !== "live") this.#setLink({ kind: "connecting" });
          await this.#follow(backoff);
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof Gone) {
            this.#lost();
            return;
          }
          if (error instanceof Refused) ({ wait, busy } = error);
        }
        if (signal.aborted || this.#closed()) return;
        await this.#pause(backoff.next(wait), busy);
      }
    } finally {
      if (this.#reading === signal) this.#reading = null;
    }
  }

  /** Reads one connection to its end. A clean end is normal: the caller comes back. */
  async #follow(backoff: Backoff): Promise<void> {
    await this.#fresh();
    const stream = new AbortController();
    this.#stream = stream;
    let watchdog = setTimeout(() => stream.abort(), SILENCE);
    try {
      const headers: Record<string, string> = {
        accept: "text/event-stream",
        authorization: `Bearer ${this.#token()}`,
      };
      if (this.#resume !== "") headers["last-event-id"] = this.#resume;
      const response = await this.#o.world.fetch(this.#url(`/${this.#id()}/events`), {
        ...COMMON,
        headers,
        signal: stream.signal,
      });
      if (response.status === 401) {
        await this.#renew();
        return;
      }
      if (!response.ok || !response.body) throw await this.#refusal(response);
      this.#streaming = true;
      this.#setLink({ kind: "live" });
      this.#midway = this.#catchingUp = !this.#new;
      this.#new = false;
      this.#apply({ kind: "resumed" });
      const parser = new EventStreamParser(this.#resume);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => stream.abort(), SILENCE);
        for (const event of parser.push(value)) {
          const what = change(event.type, event.data);
          if (what) this.#hear(what);
        }
        this.#resume = parser.resume;
        backoff.reset();
        if (this.#closed()) {
          stream.abort();
          return;
        }
        if (this.#session && this.#session.expires - this.#o.world.now() < FRESH) void this.#fresh().catch(() => {});
      }
    } finally {
      clearTimeout(watchdog);
      if (this.#stream === stream) {
        this.#stream = null;
        this.#streaming = false;
      }
    }
  }

  /** Takes what the stream says, except pieces of an answer whose beginning was not heard. */
  #hear(what: Change): void {
    if (what.kind === "message") this.#midway = what.role === "user" && (this.#midway || this.#catchingUp);
    if (what.kind === "state") {
      this.#catchingUp = false;
      if (what.talk === "typing") this.#midway = false;
    }
    this.#apply(what.kind === "delta" && this.#midway ? { kind: "state", talk: "typing" } : what);
  }

  // ---- tokens ----

  /** Renews the token when little of it is left. */
  async #fresh(): Promise<void> {
    if (this.#session && this.#session.expires - this.#o.world.now() < FRESH) await this.#renew();
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renewOnce(): Promise<void> {
    // Another tab may have renewed it already, where tabs share a conversation.
    const kept = this.#o.keep.read().session;
    if (kept && this.#session && kept.id === this.#session.id && kept.expires > this.#session.expires) {
      this.#session = kept;
      return;
    }
    const id = this.#id();
    const response = await this.#request(`/${id}/token`, {});
    if (!response.ok) throw await this.#refusal(response);
    this.#session = this.#sessionFrom(id, fields(await response.text()) ?? {});
    this.#save();
  }

  #sessionFrom(id: string, body: Record<string, unknown>): Session {
    const token = body["token"];
    const lasts = body["expires_in"];
    if (typeof token !== "string" || typeof lasts !== "number") throw new Refused(502, problem(null), 0);
    return { id, token, expires: this.#o.world.now() + lasts * 1000 };
  }

  // ---- requests ----

  /** Posts and returns the answer's object; renews the token once when the server finds it too old. */
  async #ask(path: string, body: object, proof?: string): Promise<Record<string, unknown>> {
    if (this.#session) await this.#fresh();
    let response = await this.#request(path, body, proof);
    if (response.status === 401 && this.#session) {
      await this.#renew();
      response = await this.#request(path, body);
    }
    if (!response.ok) throw await this.#refusal(response);
    return fields(await response.text()) ?? {};
  }

  async #request(path: string, body: object, proof?: string): Promise<Response> {
    if (!this.#o.world.online()) throw new Error("offline");
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), PATIENCE);
    try {
      return await this.#o.world.fetch(this.#url(path), {
        ...COMMON,
        method: "POST",
        headers: {
          accept: "application/json",
          "content-type": "application/json",
          ...(this.#session ? { authorization: `Bearer ${this.#session.token}` } : {}),
          ...(proof ? { "wardroom-proof": proof } : {}),
        },
        body: JSON.stringify(body),
        signal: limit.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #refusal(response: Response): Promise<Error> {
    const { status, headers } = response;
    const body = fields(await response.text().catch(() => ""));
    this.signIn = word(body, "sign_in");
    if (this.signIn || (this.#session && [401, 404, 410].includes(status))) return new Gone();
    return new Refused(
      status,
      problem(body),
      retryAfter(headers.get("retry-after"), this.#o.world.now()),
      headers.get("wardroom-challenge"),
    );
  }

  #url(path: string): string {
    return `${this.#o.base}/chat/v1/conversations${path}`;
  }

  #id(): string {
    if (!this.#session) throw new Gone();
    return encodeURIComponent(this.#session.id);
  }

  #token(): string {
    if (!this.#session) throw new Gone();
    return this.#session.token;
  }

  // ---- state ----

  async #pause(ms: number, busy = false): Promise<void> {
    // A post that must wait says so at its own line; the stream may well be alive.
    if (busy || !this.#streaming) this.#setLink({ kind: this.#o.world.online() ? (busy ? "busy" : "retrying") : "offline" });
    await this.#o.world.wait(ms, this.#nudge.signal);
  }

  #wake(): void {
    this.#nudge.abort();
    this.#nudge = new AbortController();
  }

  #closed(): boolean {
    return this.thread.talk === "closed";
  }

  #lost(): void {
    // Nothing of the old conversation is on the page: the person need not hear that it ended.
    if (!this.signIn && !this.#begunAnew && !this.thread.lines.some((l) => l.delivery === "sent")) {
      this.#begunAnew = true;
      this.anew();
      return;
    }
    this.stop();
    this.#setLink({ kind: this.signIn ? "out" : "gone" });
  }

  #settled(clientId: string): void {
    this.#refused.delete(clientId);
    this.#outbox = this.#outbox.filter((w) => w.clientId !== clientId);
    this.#save();
  }

  #apply(what: Change): void {
    const thread = apply(this.thread, what);
    if (thread === this.thread) return;
    this.thread = thread;
    this.#o.changed(this, what);
  }

  #setLink(link: Link): void {
    if (this.link.kind === link.kind) return;
    this.link = link;
    this.#o.changed(this, null);
  }

  #save(): void {
    const kept: Kept = { session: this.#session, outbox: this.#outbox, open: this.#open };
    this.#o.keep.write(kept);
  }
}

const COMMON: RequestInit = {
  cache: "no-store",
  redirect: "error",
  referrerPolicy: "strict-origin",
};
