// The answer to a challenge: a number that, after the token and a dot, gives a SHA-256 that begins with so
// many zero bits. Loaded only when the server asks for it. On our own pages it is searched for in a worker,
// and on other people's right here, a few milliseconds at a time: the person goes on writing either way.

/** Words of a SHA-256 state or block. */
type Ints = Int32Array;

const START = new Int32Array(8);
const ROUND = new Int32Array(64);
{
  // The first 32 bits after the point of the square and cube roots of the first primes (FIPS 180-4, 4.2.2).
  const bits = (root: number): number => (root - Math.floor(root)) * 2 ** 32;
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) prime &&= n % d > 0;
    if (!prime) continue;
    if (found < 8) START[found] = bits(Math.sqrt(n));
    ROUND[found++] = bits(Math.cbrt(n));
  }
}

const turned = (x: number, by: number): number => (x >>> by) | (x << (32 - by));
const w = new Int32Array(64);

/** One block of 16 words taken into the state (FIPS 180-4, 6.2.2). */
function compress(state: Ints, block: Ints): Ints {
  w.set(block);
  for (let i = 16; i < 64; i++) {
    const a = w[i - 15]!;
    const b = w[i - 2]!;
    w[i] = w[i - 16]! + (turned(a, 7) ^ turned(a, 18) ^ (a >>> 3)) + w[i - 7]! + (turned(b, 17) ^ turned(b, 19) ^ (b >>> 10));
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i]! + w[i]!) | 0;
    const two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  return Int32Array.of(a, b, c, d, e, f, g, h).map((x, i) => x + state[i]!);
}

/** ASCII as a block, from the left. */
function block(text: string): Ints {
  const words = new Int32Array(16);
  for (let i = 0; i < text.length; i++) words[i >> 2]! |= text.charCodeAt(i) << (24 - (i & 3) * 8);
  return words;
}

/** The same as the last block of a message of `length` bytes: the end marked, and the length at its end. */
function last(text: string, length: number): Ints {
  const words = block(`${text}\x80`);
  words[15] = length * 8;
  return words;
}

/** Tries numbers from one on. */
export class Search {
  readonly #token: string;
  readonly #bits: number;
  /** The state after the first 64 bytes, which are the same for every number. */
  readonly #begun: Ints;
  #next = 0;

  /** `challenge` is the number of bits, a dot and the token. */
  constructor(challenge: string) {
    const dot = challenge.indexOf(".");
    this.#bits = Number(challenge.slice(0, dot));
    this.#token = challenge.slice(dot + 1);
    if (!(this.#bits >= 0 && this.#bits <= 32) || this.#token.length < 64 || this.#token.length > 90) throw new Error("no challenge");
    this.#begun = compress(START, block(this.#token.slice(0, 64)));
  }

  /** The proof, when one of the next `tries` numbers gives it. */
  run(tries: number): string | null {
    const rest = `${this.#token.slice(64)}.`;
    for (const end = this.#next + tries; this.#next < end; this.#next++) {
      const text = rest + this.#next;
      const sum = compress(this.#begun, last(text, 64 + text.length));
      if (Math.clz32(sum[0]!) >= this.#bits) return `${this.#token}.${this.#next++}`;
    }
    return null;
  }
}

const TRIES = 500;
/** So long at most without giving the page its turn. */
const SLICE = 8;

async function here(challenge: string): Promise<string> {
  const search = new Search(challenge);
  for (;;) {
    const until = performance.now() + SLICE;
    do {
      const found = search.run(TRIES);
      if (found !== null) return found;
    } while (performance.now() < until);
    await new Promise((done) => setTimeout(done));
  }
}

/** Where Trusted Types are asked for, a worker's address must come from a policy; our pages allow this one. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}
const own = import.meta.url;
const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
let policy: ReturnType<Policies["createPolicy"]> | undefined;

/**
 * In a worker, on our own pages. Other people's pages are not tried: what their policy forbids would be
 * reported to them as an attack.
 */
function aside(challenge: string): Promise<string> {
  if (new URL(own).origin !== location.origin) throw new Error("a page of others");
  // The policy knows one address, whatever it is asked for.
  policy ??= policies?.createPolicy("wardroom-proof", { createScriptURL: () => own });
  const worker = new Worker(policy?.createScriptURL(own) ?? own, { type: "module" });
  return new Promise<string>((done, failed) => {
    worker.onmessage = ({ data }) => {
      if (data === null) worker.postMessage(challenge);
      else done(String(data));
    };
    worker.onerror = failed;
    worker.onmessageerror = failed;
  }).finally(() => worker.terminate());
}

export function prove(challenge: string): Promise<string> {
  // What the constructor throws becomes a refusal like any other.
  return Promise.resolve(challenge).then(aside).catch(() => here(challenge));
}

// In the worker: says that it is there, and answers.
if (typeof document === "undefined" && typeof postMessage === "function" && typeof addEventListener === "function") {
  addEventListener("message", ({ data }: MessageEvent) => void here(String(data)).then((proof) => postMessage(proof)));
  postMessage(null);
}
