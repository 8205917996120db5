// Reads a `text/event-stream` piece by piece (WHATWG HTML, section 9.2.6).
//
// `EventSource` cannot send an Authorization header, so the widget reads the
// stream with `fetch` and this parser. It is fed decoded text in pieces of any
// size and returns the events that each piece completes.

export interface ServerEvent {
  /** The `event:` field, `message` when the server named none. */
  readonly type: string;
  readonly data: string;
  /** The last `id:` seen on the stream so far: the resume point after this event. */
  readonly id: string;
}

/** An event whose data grows past this many characters is a fault of the server, not a message. */
const LONGEST_EVENT = 1 << 20;

export class EventStreamParser {
  #rest = "";
  #started = false;
  #afterCr = false;
  #type = "";
  #data: string[] = [];
  #size = 0;
  #id: string;
  #resume: string;

  constructor(lastEventId = "") {
    this.#id = lastEventId;
    this.#resume = lastEventId;
  }

  /** What to send as `Last-Event-ID` next time: the id of the last event that arrived whole. */
  get resume(): string {
    return this.#resume;
  }

  /** Takes the next piece and returns the events it completes. Throws when one event exceeds 1 MiB. */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let text = piece;
    if (!this.#started && text !== "") {
      this.#started = true;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    // A CR that ended the last piece already ended its line; its LF is not another line.
    if (this.#afterCr && text.startsWith("\n")) text = text.slice(1);
    if (text !== "") this.#afterCr = text.endsWith("\r");
    text = this.#rest + text;

    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const c = text[at];
      if (c !== "\n" && c !== "\r") continue;
      const event = this.#line(text.slice(from, at));
      if (event) events.push(event);
      if (c === "\r" && text[at + 1] === "\n") at++;
      from = at + 1;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + this.#size > LONGEST_EVENT) throw new RangeError("event too long");
    return events;
  }

  #line(line: string): ServerEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    switch (field) {
      case "event":
        this.#type = value;
        break;
      case "data":
        this.#data.push(value);
        this.#size += value.length + 1;
        if (this.#size > LONGEST_EVENT) throw new RangeError("event too long");
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
    }
    return null;
  }

  #dispatch(): ServerEvent | null {
    this.#resume = this.#id;
    const { length } = this.#data;
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    this.#type = "";
    this.#data = [];
    this.#size = 0;
    return length === 0 ? null : event;
  }
}
