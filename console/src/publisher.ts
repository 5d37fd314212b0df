import type { ServerClock, WallClock } from "./clock.ts";
import { Backoff, pause } from "./backoff.ts";
import { header } from "./sequence.ts";
import { decodeProblem, parseTime, Problem } from "./wire.ts";

export interface Draft {
  text: string;
  event: string;
  key: string;
}

const maxWaiting = 20; // publishes that wait for their turn
const attempts = 5;
const maxClicks = 2000;

/**
 * A Publisher sends what the page publishes, one request after the other so that its counter keeps the order.
 * Every message has an idempotency key, so a request whose answer was lost is repeated without harm.
 */
export class Publisher {
  /** Names the counter of this page on this channel. */
  run = newRun();
  #count = 0;
  #acknowledged = 0;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #clicks = new Map<string, number>();

  constructor(
    readonly channel: string,
    readonly wall: WallClock,
    readonly server: ServerClock,
  ) {}

  /** How many messages of this run the server has acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** When the message with this counter was sent off by a click, on performance.now's clock. */
  clickedAt(seq: string | undefined): number | undefined {
    return this.#clicks.get(seq ?? "");
  }

  /** Publishes the drafts in one request, all or none. @throws Problem when refused; Error when the outcome is not known. */
  publish(drafts: Draft[]): Promise<void> {
    if (this.#waiting >= maxWaiting) return Promise.reject(new Error("too many publishes are waiting for the server"));
    const clicked = performance.now();
    this.#waiting++;
    const mine = this.#turn.then(() => this.#send(drafts, clicked)).finally(() => this.#waiting--);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #send(drafts: Draft[], clicked: number): Promise<void> {
    const first = this.#count + 1;
    const messages = drafts.map((d, i) => this.#envelope(d, `${this.run}.${first + i}`, clicked));
    this.#count += drafts.length;
    const body = JSON.stringify(messages.length === 1 ? messages[0] : { messages });
    try {
      await this.#attempt(body);
      this.#acknowledged = this.#count;
    } catch (err) {
      if (err instanceof Problem && !err.worthRetrying) {
        this.#count -= drafts.length; // nothing was appended, the numbers are free
      } else {
        // Whether it was appended is not known, so this run cannot be counted on. Begin another.
        this.run = newRun();
        this.#count = this.#acknowledged = 0;
      }
      throw err;
    }
  }

  #envelope(d: Draft, seq: string, clicked: number): object {
    this.#clicks.set(seq, clicked);
    if (this.#clicks.size > maxClicks) {
      const [oldest] = this.#clicks.keys();
      if (oldest !== undefined) this.#clicks.delete(oldest);
    }
    return {
      channel: this.channel,
      data: d.text,
      ...(d.event === "" ? {} : { event: d.event }),
      ...(d.key === "" ? {} : { key: d.key }),
      headers: { [header]: seq },
      idempotency_key: seq,
    };
  }

  async #attempt(body: string): Promise<void> {
    const backoff = new Backoff();
    for (let i = 1; ; i++) {
      try {
        return await this.#post(body);
      } catch (err) {
        if ((err instanceof Problem && !err.worthRetrying) || i === attempts) throw err;
        await pause(backoff.next(err instanceof Problem ? err.retryAfter : undefined), new AbortController().signal);
      }
    }
  }

  async #post(body: string): Promise<void> {
    const sent = this.wall.now();
    const response = await fetch("/v1/publish", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    const received = this.wall.now();
    const text = await response.text();
    if (!response.ok) throw decodeProblem(response.status, text, response.headers.get("Retry-After"));
    const answer = JSON.parse(text) as { time?: string; duplicate?: boolean };
    if (answer.time !== undefined && answer.duplicate !== true) this.server.answered(sent, received, parseTime(answer.time));
  }
}

function newRun(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (b) => b.toString(36).padStart(2, "0")).join("");
}
