// Parses what the server says into the words of `thread.ts`. Whatever does not
// have the agreed shape is dropped, so nothing unexpected reaches the page.

import type { Change, Citation, Problem, Role, Talk } from "./thread";

type Fields = Record<string, unknown>;

const MOST_CITATIONS = 20;

/** The object in a JSON text, or null when it is something else or not JSON. */
export function fields(json: string): Fields | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

/** What one server event changes; null for `ping`, unknown types and malformed data. */
export function change(type: string, data: string): Change | null {
  const body = fields(data);
  if (!body) return null;
  switch (type) {
    case "message": {
      const { seq, role, text } = body;
      if (!isSeq(seq) || !isRole(role) || typeof text !== "string") return null;
      const at = typeof body["created_at"] === "string" ? Date.parse(body["created_at"]) : NaN;
      return {
        kind: "message",
        seq,
        role,
        text,
        citations: citations(body["citations"]),
        at: Number.isNaN(at) ? null : at,
        clientId: typeof body["client_id"] === "string" ? body["client_id"] : null,
      };
    }
    case "delta": {
      const { seq, text } = body;
      return isSeq(seq) && typeof text === "string" ? { kind: "delta", seq, text } : null;
    }
    case "state":
      return isTalk(body["state"]) ? { kind: "state", talk: body["state"] } : null;
    case "error":
      return { kind: "error", problem: problem(body) };
    default:
      return null;
  }
}

/** The words of a problem object; empty strings where it has none. */
export function problem(body: Fields | null): Problem {
  return { detail: word(body, "detail") || word(body, "title"), mend: word(body, "mend") };
}

/** One text of an object; empty where it has none. */
export function word(body: Fields | null, name: string): string {
  const value = body?.[name];
  return typeof value === "string" ? value.slice(0, 600) : "";
}

function citations(value: unknown): Citation[] {
  if (!Array.isArray(value)) return [];
  const seen = new Set<string>();
  const list: Citation[] = [];
  for (const item of value.slice(0, MOST_CITATIONS)) {
    if (typeof item !== "object" || item === null) continue;
    const { title, url } = item as Fields;
    if (typeof title !== "string" || title === "") continue;
    const citation = { title: title.slice(0, 200), url: typeof url === "string" ? url : "" };
    const key = `${citation.title}\n${citation.url}`;
    if (seen.has(key)) continue;
    seen.add(key);
    list.push(citation);
  }
  return list;
}

const isSeq = (v: unknown): v is number => typeof v === "number" && Number.isSafeInteger(v) && v >= 0;
const isRole = (v: unknown): v is Role => v === "user" || v === "bot" || v === "agent";
const isTalk = (v: unknown): v is Talk => v === "open" || v === "typing" || v === "handoff" || v === "closed";
