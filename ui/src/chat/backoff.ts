// Waiting times between attempts: doubling, capped, with jitter so that a
// thousand widgets do not come back in the same second.

export const FIRST_WAIT = 500;
export const LONGEST_WAIT = 30_000;

export class Backoff {
  #attempt = 0;
  readonly #random: () => number;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  reset(): void {
    this.#attempt = 0;
  }

  /**
   * Milliseconds to wait before the next attempt: between half and the whole of
   * the doubled time, and never less than what the server asked for (`atLeast`).
   */
  next(atLeast = 0): number {
    const whole = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.#attempt, 16));
    this.#attempt++;
    return Math.max(Math.round(whole * (0.5 + this.#random() / 2)), atLeast);
  }
}

/** `Retry-After` in milliseconds: whole seconds or an HTTP date (RFC 9110, 10.2.3), at most five minutes. */
export function retryAfter(header: string | null, now: number): number {
  if (!header) return 0;
  const wait = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), 300_000) : 0;
}
