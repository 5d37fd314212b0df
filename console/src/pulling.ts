// The loop that polling and long polling share: ask, hand over, remember the position, ask again.

import { Backoff, pause } from "./backoff.ts";
import { readPage, type Answer } from "./page.ts";
import type { Reader } from "./transport.ts";
import { Problem } from "./wire.ts";

export interface Pull {
  /** How long the server may hold a request back, such as `25s`. */
  wait?: string;
  /** Milliseconds to rest when the server has no more. */
  rest: number;
}

/** Pulls until the returned function is called. */
export function pull(reader: Reader, how: Pull): () => void {
  const stopped = new AbortController();
  void new Loop(reader, how, stopped.signal).run();
  return () => stopped.abort();
}

class Loop {
  #backoff = new Backoff();
  /** The validator of the last answer, and the position it was asked for. */
  #etag: { since: string; value: string } | undefined;
  /** Whether the last request was answered. The one after a break does not wait: its answer shows that we are back. */
  #answered = false;

  constructor(
    readonly reader: Reader,
    readonly how: Pull,
    readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    while (!this.signal.aborted) {
      try {
        await this.#turn();
      } catch (err) {
        if (this.signal.aborted) return;
        if (err instanceof Problem && !err.worthRetrying) return this.reader.refused(err.message);
        await this.#broken(err);
      }
    }
  }

  async #turn(): Promise<void> {
    const since = this.reader.since();
    const params: Record<string, string> = { since, limit: "1000" };
    const waits = this.how.wait !== undefined && this.#answered;
    if (waits) params["wait"] = this.how.wait ?? "";
    const etag = !waits && this.#etag?.since === since ? this.#etag.value : undefined;
    const answer = await readPage({ channel: this.reader.channel, params, signal: this.signal, etag });
    // Cut while the answer was being read: as if it had never come, for the position has not moved.
    if (this.signal.aborted) return;
    this.#backoff.succeeded();
    this.#answered = true;
    if (answer.etag !== undefined) this.#etag = { since, value: answer.etag };
    this.#handOver(answer);
    if (!answer.page?.more && this.how.rest > 0) await pause(this.how.rest, this.signal);
  }

  #handOver({ bytes, page }: Answer): void {
    this.reader.live();
    this.reader.received(bytes);
    if (!page) return;
    for (const g of page.gaps) this.reader.gap(g);
    for (const m of page.messages) this.reader.message(m);
    this.reader.reached(page.position);
  }

  async #broken(err: unknown): Promise<void> {
    this.#answered = false;
    const known = err instanceof Problem;
    const wait = this.#backoff.next(known ? err.retryAfter : undefined);
    this.reader.broken(known ? err.message : "out of reach", wait);
    await pause(wait, this.signal);
  }
}
