// Which addresses may become links, and where they stand in a text.
//
// Text of bots and people is never markup. An address in it becomes a link only
// when it is plain http or https, and the link shows exactly where it leads.

export interface Segment {
  readonly text: string;
  /** Present on the parts that are links. */
  readonly href?: string;
}

// Invisible, direction-turning and control characters could make an address read as another one.
const DISGUISE = /[\u0000-\u0020\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
const ADDRESS = /https?:\/\/[^\s<>"'`{}|\\^\u0000-\u0020\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gi;

/**
 * The address to link to, or null when it must stay text.
 *
 * Accepts absolute http and https addresses without user or password, and, when
 * `base` is given, paths on that same origin (`/guide#fees`).
 */
export function safeHref(address: string, base?: string): string | null {
  if (address.length > 2048 || DISGUISE.test(address)) return null;
  try {
    if (/^https?:\/\//i.test(address)) {
      const url = new URL(address);
      return url.username === "" && url.password === "" ? url.href : null;
    }
    if (base === undefined || !/^\/(?![/\\])/.test(address)) return null;
    const url = new URL(address, base);
    return url.origin === new URL(base).origin ? url.href : null;
  } catch {
    return null;
  }
}

/** Cuts a text into plain parts and links. Joining the parts gives the text back unchanged. */
export function segments(text: string): Segment[] {
  const parts: Segment[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTail(match[0]);
    const href = safeHref(address);
    if (href === null) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: address, href });
    from = match.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** Punctuation that ends the sentence rather than the address; a closing bracket only if it was not opened inside. */
function withoutTail(address: string): string {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address.charAt(end - 1);
    if (".,;:!?…*_".includes(last)) continue;
    const opener = last === ")" ? "(" : last === "]" ? "[" : "";
    if (opener === "" || count(address, opener, end) >= count(address, last, end)) break;
  }
  return address.slice(0, end);
}

function count(text: string, character: string, end: number): number {
  let n = 0;
  for (let i = 0; i < end; i++) if (text[i] === character) n++;
  return n;
}
