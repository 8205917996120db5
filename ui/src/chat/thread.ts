// The thread as data: what has been said, in what state each message is, and
// what each event changes. Pure functions; the element draws what they return.

export type Role = "user" | "bot" | "agent";
export type Talk = "open" | "typing" | "handoff" | "closed";
export type Delivery = "sent" | "sending" | "waiting" | "failed" | "streaming";

export interface Citation {
  readonly title: string;
  readonly url: string;
}

/** The words of an RFC 9457 problem that a person reads. */
export interface Problem {
  readonly detail: string;
  readonly mend: string;
}

export interface Line {
  /** Stays the same for the life of the line, so that the page can move it rather than draw it anew. */
  readonly key: string;
  /** The place in the conversation; null until the server has given one. */
  readonly seq: number | null;
  readonly role: Role;
  readonly text: string;
  readonly citations: readonly Citation[];
  /** Milliseconds since 1970; null while unknown. */
  readonly at: number | null;
  readonly delivery: Delivery;
  readonly clientId: string | null;
  readonly problem: Problem | null;
}

export interface Thread {
  /** Numbered lines in their order, then the ones still on their way. */
  readonly lines: readonly Line[];
  readonly talk: Talk;
  /** The last turn failed with these words; cleared by whatever comes next. */
  readonly problem: Problem | null;
}

export type Change =
  | { kind: "wrote"; clientId: string; text: string; at: number }
  | { kind: "sending" | "waiting"; clientId: string }
  | { kind: "accepted"; clientId: string; seq: number }
  | { kind: "refused"; clientId: string; problem: Problem }
  | { kind: "dropped"; clientId: string }
  | {
      kind: "message";
      seq: number;
      role: Role;
      text: string;
      citations: readonly Citation[];
      at: number | null;
      clientId: string | null;
    }
  | { kind: "delta"; seq: number; text: string }
  | { kind: "state"; talk: Talk }
  /** The stream was cut: pieces of a half-written answer are missing from here on. */
  | { kind: "resumed" }
  | { kind: "error"; problem: Problem };

export const EMPTY: Thread = { lines: [], talk: "open", problem: null };

export function apply(thread: Thread, change: Change): Thread {
  switch (change.kind) {
    case "wrote":
      return wrote(thread, change);
    case "sending":
    case "waiting":
      return patch(thread, change.clientId, { delivery: change.kind, problem: null });
    case "accepted":
      return accepted(thread, change.clientId, change.seq);
    case "refused":
      return patch(thread, change.clientId, { delivery: "failed", problem: change.problem });
    case "dropped":
      return { ...thread, lines: thread.lines.filter((l) => l.clientId !== change.clientId) };
    case "message":
      return message(thread, change);
    case "delta":
      return delta(thread, change.seq, change.text);
    case "state":
      return change.talk === thread.talk ? thread : { ...thread, talk: change.talk };
    case "resumed":
      // Better no draft than one with a hole in it: the whole message is on its way.
      return thread.lines.some((l) => l.delivery === "streaming")
        ? { ...thread, lines: thread.lines.filter((l) => l.delivery !== "streaming"), talk: "typing" }
        : thread;
    case "error":
      // What was streamed of a turn that then failed was not released as an answer: take it back.
      return {
        talk: thread.talk === "typing" ? "open" : thread.talk,
        lines: thread.lines.filter((l) => l.delivery !== "streaming"),
        problem: change.problem,
      };
  }
}

function wrote(thread: Thread, { clientId, text, at }: Extract<Change, { kind: "wrote" }>): Thread {
  if (thread.lines.some((l) => l.clientId === clientId)) return thread;
  const line: Line = {
    key: clientId,
    seq: null,
    role: "user",
    text,
    citations: [],
    at,
    delivery: "sending",
    clientId,
    problem: null,
  };
  return { ...thread, lines: [...thread.lines, line], problem: null };
}

function accepted(thread: Thread, clientId: string, seq: number): Thread {
  const mine = thread.lines.find((l) => l.clientId === clientId);
  if (!mine) return thread;
  const sent: Line = { ...mine, seq, delivery: "sent", problem: null };
  // Someone else's line under this number is the echo of ours that could not be matched when it came.
  const lines = thread.lines.filter((l) => l !== mine && l.seq !== seq);
  // An echo without a client id was taken for ours by its words, and was an older one of the same words.
  if (mine.seq !== null && mine.seq !== seq) {
    lines.push({ ...mine, key: `s${mine.seq}`, clientId: null, delivery: "sent", problem: null });
  }
  return { ...thread, lines: ordered([...lines, sent]) };
}

function message(thread: Thread, m: Extract<Change, { kind: "message" }>): Thread {
  // The number of a half-written answer is a guess of the server: another message may take it.
  const known =
    thread.lines.find((l) => m.clientId !== null && l.clientId === m.clientId) ??
    thread.lines.find((l) => l.seq === m.seq && l.role === m.role) ??
    (m.role === "user" && m.clientId === null
      ? thread.lines.find((l) => l.seq === null && l.delivery === "sending" && l.text === m.text)
      : undefined);
  const line: Line = {
    key: known?.key ?? `s${m.seq}`,
    seq: m.seq,
    role: m.role,
    text: m.text,
    citations: m.citations,
    at: m.at,
    delivery: "sent",
    clientId: known?.clientId ?? m.clientId,
    problem: null,
  };
  const answered = m.role !== "user";
  return {
    lines: ordered([...thread.lines.filter((l) => l !== known && l.seq !== m.seq), line]),
    talk: answered && thread.talk === "typing" ? "open" : thread.talk,
    problem: null,
  };
}

function delta(thread: Thread, seq: number, text: string): Thread {
  const known = thread.lines.find((l) => l.seq === seq);
  // The whole message is already here: a late piece of it changes nothing.
  if (known && known.delivery !== "streaming") return thread;
  const line: Line = known
    ? { ...known, text: known.text + text }
    : {
        key: `s${seq}`,
        seq,
        role: "bot",
        text,
        citations: [],
        at: null,
        delivery: "streaming",
        clientId: null,
        problem: null,
      };
  return { ...thread, lines: ordered([...thread.lines.filter((l) => l !== known), line]) };
}

function patch(thread: Thread, clientId: string, with_: Partial<Line>): Thread {
  return {
    ...thread,
    lines: thread.lines.map((l) => (l.clientId === clientId && l.delivery !== "sent" ? { ...l, ...with_ } : l)),
  };
}

function ordered(lines: readonly Line[]): Line[] {
  const numbered = lines.filter((l) => l.seq !== null);
  numbered.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  return [...numbered, ...lines.filter((l) => l.seq === null)];
}
