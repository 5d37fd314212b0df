/** Full jitter: any time up to a bound that doubles with each failure, so that many pages do not return at once. */
export class Backoff {
  #failures = 0;

  constructor(
    readonly first = 500,
    readonly most = 10_000,
    readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds to wait now. What the server asked for is waited in full, and it has spread that already. */
  next(asked?: number): number {
    const bound = Math.min(this.most, this.first * 2 ** this.#failures);
    this.#failures++;
    return asked ?? this.random() * bound;
  }

  succeeded(): void {
    this.#failures = 0;
  }
}

/** Waits, unless the signal ends it first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
