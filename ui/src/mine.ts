// A person's own page: their conversations, a copy of them, and the end of them; and, for whoever has
// signed in, where they are signed in.
//
// The proof is the cookie of the sign-in, which no script sees. Without one it is the token of a
// conversation that this tab (or this browser) keeps for the chat; it is read from where the chat put it
// and shown to our own door alone.

import { fields } from "./chat/parse";

const KEPT = "wardroom:1:";

/** How this person's own data is asked for. */
interface Proof {
  /** The path of a part, or null where there is no such part. */
  at(part: "list" | "export" | "erase"): string;
  headers(): Record<string, string>;
  /** Forgets what this browser keeps, after everything was erased. */
  forget(): void;
}

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

interface Session {
  readonly id: string;
  readonly began_at: string;
  readonly seen_at: string;
  readonly ends_at: string;
  readonly here: boolean;
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

/** The proof that a conversation's token is. */
function byPass(pass: Pass, all: readonly Pass[]): Proof {
  const own = `/chat/v1/conversations/${encodeURIComponent(pass.id)}/person`;
  const paths = { list: own, export: `${own}/export`, erase: `${own}/erase` };
  return {
    at: (part) => paths[part],
    headers: () => ({ authorization: `Bearer ${pass.token}` }),
    forget: () => {
      for (const { place, key, id } of all) if (id === pass.id) place.removeItem(key);
    },
  };
}

/** The proof that a sign-in is; `csrf` says that our own page asks. */
function bySignIn(csrf: string): Proof {
  const paths = { list: "/mine/signed-in", export: "/mine/export", erase: "/mine/erase" };
  return {
    at: (part) => paths[part],
    headers: () => ({ "x-csrf-token": csrf }),
    forget: () => {
      for (const { place, key } of passes()) place.removeItem(key);
      part("signed-in").hidden = true;
    },
  };
}

const get = (proof: Proof, path: string): Promise<Response> =>
  fetch(path, { headers: proof.headers(), cache: "no-store" });

const post = (proof: Proof, path: string, body: unknown): Promise<Response> =>
  fetch(path, {
    method: "POST",
    headers: { ...proof.headers(), "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** A pass that opens something now: an old one is exchanged while that can be done. */
async function fresh(pass: Pass, all: readonly Pass[]): Promise<Pass | null> {
  const proof = byPass(pass, all);
  const first = await get(proof, proof.at("list"));
  if (first.ok) return pass;
  if (first.status !== 401) return null;
  const renewed = await post(proof, `/chat/v1/conversations/${encodeURIComponent(pass.id)}/token`, {});
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

const line = (cells: readonly (string | Node)[]): HTMLTableRowElement => {
  const row = document.createElement("tr");
  for (const content of cells) row.insertCell().append(content);
  return row;
};

function show(found: Record<string, unknown>): void {
  const rows = found["conversations"] as Row[];
  const total = Number(found["total"]);
  const states: Record<string, string> = { open: "open", handoff: "with a person", closed: "closed" };
  part("rows").replaceChildren(
    ...rows.map((row) =>
      line([
        row.bot,
        when(row.opened_at),
        when(row.last_at),
        String(row.messages),
        row.erased ? "erased" : (states[row.state] ?? row.state),
      ]),
    ),
  );
  part("mine").hidden = false;
  const all = total === 1 ? "There is one conversation." : `There are ${total} conversations.`;
  tell(total > rows.length ? `${all} The latest ${rows.length} are listed; the copy holds all.` : all);
}

/** What the door says is theirs; null when it says nothing. */
async function list(proof: Proof): Promise<Record<string, unknown> | null> {
  const response = await get(proof, proof.at("list"));
  const body = response.ok ? fields(await response.text()) : null;
  return body && Array.isArray(body["conversations"]) ? body : null;
}

async function copy(proof: Proof): Promise<void> {
  const response = await get(proof, proof.at("export"));
  if (response.status === 404) return tell("There is no conversation of yours.");
  if (!response.ok) return tell("The copy could not be made. Try again in a minute.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "my-conversations.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  tell("The copy is in your downloads.");
}

async function erase(proof: Proof): Promise<void> {
  const response = await post(proof, proof.at("erase"), { erase: "everything-of-mine" });
  // A refusal says why, in words for the person: a legal hold, for example. A failure does not.
  const why = response.status === 403 ? fields(await response.text()) : null;
  if (why) return tell(`${String(why["detail"])} ${String(why["mend"])}`);
  if (!response.ok) return tell("Nothing was erased. Try again in a minute.");
  proof.forget();
  part("mine").hidden = true;
  tell("It is erased. Nobody can read it any more.");
}

/** Offers the acts that every proof allows. */
function offer(proof: Proof): void {
  const sure = part<HTMLDialogElement>("sure");
  part("copy").addEventListener("click", () => void copy(proof));
  part("erase").addEventListener("click", () => {
    sure.returnValue = "";
    sure.showModal();
  });
  sure.addEventListener("close", () => {
    if (sure.returnValue === "yes") void erase(proof);
  });
}

// ---- signed in ----

function out(): void {
  part("signed-in").hidden = true;
  part("mine").hidden = true;
  tell("You are signed out. What was open here is closed.");
}

/** Where a provider may be: behind https, or on this very machine, where one is tried out. */
const PROVIDER = /^(?:https:|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/])/;

/** Signs out here, then at the provider if it offers that. */
async function signOut(proof: Proof): Promise<void> {
  const response = await post(proof, "/mine/sign-out", {});
  if (!response.ok) return tell("You were not signed out. Try again in a minute.");
  const there = fields(await response.text())?.["there"];
  out();
  if (typeof there === "string" && PROVIDER.test(there)) location.assign(there);
}

async function end(proof: Proof, path: string, whole: boolean): Promise<void> {
  const response = await post(proof, path, {});
  if (!response.ok) return tell("You were not signed out there. Try again in a minute.");
  if (whole) return out();
  await signedIn();
  tell("You are signed out there. What was open there is closed.");
}

function places(sessions: readonly Session[], proof: Proof): void {
  part("sessions").replaceChildren(
    ...sessions.map((session) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Sign out there";
      button.addEventListener("click", () => {
        void end(proof, `/mine/sessions/${encodeURIComponent(session.id)}/end`, false);
      });
      return line([
        when(session.began_at),
        when(session.seen_at),
        when(session.ends_at),
        session.here ? "this browser" : button,
      ]);
    }),
  );
}

/** Shows what belongs to whoever has signed in, and gives their proof; null when nobody has. */
async function signedIn(): Promise<Proof | null> {
  const found = await list(bySignIn(""));
  const csrf = found?.["csrf"];
  if (!found || typeof csrf !== "string" || !Array.isArray(found["sessions"])) return null;
  const proof = bySignIn(csrf);
  const provider = found["provider"];
  part("provider").textContent = typeof provider === "string" ? `You signed in through ${provider}.` : "";
  places(found["sessions"] as Session[], proof);
  part("signed-in").hidden = false;
  show(found);
  return proof;
}

async function begin(): Promise<void> {
  const proof = await signedIn();
  if (proof) {
    part("sign-out").addEventListener("click", () => void signOut(proof));
    part("sign-out-all").addEventListener("click", () => void end(proof, "/mine/sessions/end", true));
    return offer(proof);
  }
  const all = passes();
  for (const kept of all) {
    const pass = await fresh(kept, all).catch(() => null);
    if (!pass) continue;
    const own = byPass(pass, all);
    const found = await list(own);
    if (!found) return tell("Your conversations cannot be shown right now. Try again in a minute.");
    show(found);
    return offer(own);
  }
  tell("This tab keeps no conversation of yours. Open this page from the tab in which you chatted, or after you signed in there.");
}

begin().catch(() => tell("Your conversations cannot be reached right now. Try again in a minute."));
