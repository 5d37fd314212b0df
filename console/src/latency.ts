/** The latencies of the last live messages, in milliseconds. */
export class Latencies {
  #samples: number[] = [];

  constructor(readonly limit = 60) {}

  add(ms: number): void {
    // Two clocks on one machine may differ by a little; nothing arrives before it was sent.
    this.#samples.push(Math.max(0, ms));
    if (this.#samples.length > this.limit) this.#samples.shift();
  }

  get samples(): readonly number[] {
    return this.#samples;
  }

  get last(): number | undefined {
    return this.#samples.at(-1);
  }

  get median(): number | undefined {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)];
  }

  get max(): number | undefined {
    return this.#samples.length === 0 ? undefined : Math.max(...this.#samples);
  }
}
