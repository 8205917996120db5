// A person's own page: their conversations, a copy of them, and the end of them.
//
// The proof is the token of a conversation that this tab (or this browser) keeps for the chat; it is read
// from where the chat put it and shown to our own door alone.

import { fields } from "./chat/parse";

const KEPT = "wardroom:1:";

interface Pass {
  readonly place: Storage;
  readonly key: string;
  readonly id: string;
  readonly token: string;
}

interface Row {
  readonly bot: string;
  readonly state: string;
  readonly opened_at: string;
  readonly last_at: string;
  readonly messages: number;
  readonly erased: boolean;
}

/** The passes that the chat left here, those of this tab first. */
function passes(): Pass[] {
  const found: Pass[] = [];
  for (const open of [() => sessionStorage, () => localStorage]) {
    try {
      const place = open();
      for (const key of Object.keys(place)) {
        const session = key.startsWith(KEPT) ? fields(place.getItem(key) ?? "")?.["session"] : null;
        const { id, token } = (session ?? {}) as Record<string, unknown>;
        if (typeof id === "string" && typeof token === "string") found.push({ place, key, id, token });
      }
    } catch {
      // The browser forbids this storage: then nothing is kept in it either.
    }
  }
  return found;
}

const at = (pass: Pass, part: string): string => `/chat/v1/conversations/${encodeURIComponent(pass.id)}/${part}`;

async function ask(pass: Pass, part: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${pass.token}` };
  if (body === undefined) return fetch(at(pass, part), { headers, cache: "no-store" });
  headers["content-type"] = "application/json";
  return fetch(at(pass, part), { method: "POST", headers, body: JSON.stringify(body) });
}

/** A pass that opens something now: an old one is exchanged while that can be done. */
async function fresh(pass: Pass): Promise<Pass | null> {
  const first = await ask(pass, "person");
  if (first.ok) return pass;
  if (first.status !== 401) return null;
  const renewed = await ask(pass, "token", {});
  const token = renewed.ok ? fields(await renewed.text())?.["token"] : null;
  return typeof token === "string" ? { ...pass, token } : null;
}

const part = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id}`);
  return found as T;
};

const tell = (text: string): void => {
  part("status").textContent = text;
};

const when = (iso: string): HTMLTimeElement => {
  const time = document.createElement("time");
  time.dateTime = iso;
  time.textContent = new Date(iso).toLocaleString(document.documentElement.lang);
  return time;
};

function show(rows: readonly Row[], total: number): void {
  const states: Record<string, string> = { open: "open", handoff: "with a person", closed: "closed" };
  part("rows").replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement("tr");
      const cells: (string | Node)[] = [
        row.bot,
        when(row.opened_at),
        when(row.last_at),
        String(row.messages),
        row.erased ? "erased" : (states[row.state] ?? row.state),
      ];
      for (const content of cells) line.insertCell().append(content);
      return line;
    }),
  );
  part("mine").hidden = false;
  const all = total === 1 ? "There is one conversation." : `There are ${total} conversations.`;
  tell(total > rows.length ? `${all} The latest ${rows.length} are listed; the copy holds all.` : all);
}

async function list(pass: Pass): Promise<void> {
  const response = await ask(pass, "person");
  const { conversations: rows, total } = (response.ok && fields(await response.text())) || {};
  if (Array.isArray(rows) && typeof total === "number") show(rows as Row[], total);
  else tell("Your conversations cannot be shown right now. Try again in a minute.");
}

async function copy(pass: Pass): Promise<void> {
  const response = await ask(pass, "person/export");
  if (!response.ok) return tell("The copy could not be made. Try again in a minute.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "my-conversations.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  tell("The copy is in your downloads.");
}

async function erase(pass: Pass, all: readonly Pass[]): Promise<void> {
  const response = await ask(pass, "person/erase", { erase: "everything-of-mine" });
  // A refusal says why, in words for the person: a legal hold, for example. A failure does not.
  const why = response.status === 403 ? fields(await response.text()) : null;
  if (why) return tell(`${String(why["detail"])} ${String(why["mend"])}`);
  if (!response.ok) return tell("Nothing was erased. Try again in a minute.");
  for (const { place, key, id } of all) if (id === pass.id) place.removeItem(key);
  part("mine").hidden = true;
  tell("It is erased. Nobody can read it any more.");
}

async function begin(): Promise<void> {
  const all = passes();
  for (const kept of all) {
    const pass = await fresh(kept).catch(() => null);
    if (!pass) continue;
    await list(pass);
    const sure = part<HTMLDialogElement>("sure");
    part("copy").addEventListener("click", () => void copy(pass));
    part("erase").addEventListener("click", () => {
      sure.returnValue = "";
      sure.showModal();
    });
    sure.addEventListener("close", () => {
      if (sure.returnValue === "yes") void erase(pass, all);
    });
    return;
  }
  tell("This tab keeps no conversation of yours. Open this page from the tab in which you chatted.");
}

begin().catch(() => tell("Your conversations cannot be reached right now. Try again in a minute."));
