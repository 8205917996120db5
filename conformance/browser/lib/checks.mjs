// Runs named checks one after another and counts them.

export class Checks {
  #passed = 0;
  #failed = 0;

  /** Runs one check. A failure is printed and counted, and the next check still runs. */
  async check(name, body, { seconds = 60 } = {}) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${seconds} s`)), seconds * 1000);
    });
    try {
      await Promise.race([body(), late]);
      this.#passed++;
      console.log(`ok      ${name}`);
      return true;
    } catch (error) {
      this.#failed++;
      console.log(`FAILED  ${name}\n        ${String(error?.message ?? error).split("\n").slice(0, 6).join("\n        ")}`);
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Prints the closing line and returns the exit status. */
  close() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/** Asks again and again until `probe` gives something true; fails with `what` after `ms`. */
export async function until(what, probe, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await probe();
    if (got) return got;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

export function expect(truth, what) {
  if (!truth) throw new Error(what);
}
