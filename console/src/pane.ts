import type { ServerClock, WallClock } from "./clock.ts";
import { Latencies } from "./latency.ts";
import type { EventNames } from "./names.ts";
import { Cursor } from "./position.ts";
import type { Publisher } from "./publisher.ts";
import { header, SequenceCheck } from "./sequence.ts";
import { showSeconds } from "./text.ts";
import type { Reader, Transport } from "./transport.ts";
import { parseTime, type Gap, type Message } from "./wire.ts";

export type State = "connecting" | "live" | "cut" | "reconnecting" | "stopped";

/** How a message came: `earlier` was there when the page opened, `late` is one EventSource had no listener for. */
export type How = "earlier" | "live" | "caught up" | "late";

export type Entry =
  | { kind: "message"; number: number; message: Message; how: How; latency?: number }
  | { kind: "gap"; number: number; gap: Gap }
  | { kind: "resumed"; number: number; away: number; caughtUp: number };

/** What the four panes of one channel share. */
export interface Shared {
  publisher: Publisher;
  names: EventNames;
  wall: WallClock;
  server: ServerClock;
}

export const maxEntries = 100;

/** A Pane is one transport on one channel: its place, its figures and its last messages. The view only looks at it. */
export class Pane implements Reader {
  state: State = "connecting";
  /** Why the link is not live, for people. */
  reason = "";
  bytes = 0;
  messages = 0;
  gaps = 0;
  /** Newest last. */
  entries: Entry[] = [];
  fromClick: number | undefined;
  readonly latencies = new Latencies();
  readonly check: SequenceCheck;
  /** The last resume, while and after it catches up. */
  resumed: Extract<Entry, { kind: "resumed" }> | undefined;

  #cursor: Cursor;
  #close: (() => void) | undefined;
  #numbers = 0;
  /** Since when the link is away, on performance.now's clock. */
  #awaySince: number | undefined;
  /** The server's time at the resume: what was published before it is being caught up. */
  #catchingUpTo: number | undefined;

  constructor(
    readonly channel: string,
    start: string,
    readonly transport: Transport,
    readonly shared: Shared,
    /** Called after every change. */
    readonly changed: () => void,
  ) {
    this.#cursor = new Cursor(start);
    this.check = new SequenceCheck(shared.publisher.run);
  }

  get position(): string {
    return this.#cursor.position;
  }

  /** Messages published here that have not come yet. */
  get toCome(): number {
    return this.check.toCome(this.shared.publisher.run, this.shared.publisher.acknowledged);
  }

  open(): void {
    this.#close ??= this.transport(this);
    this.changed();
  }

  /** Ends the pane for good. */
  end(): void {
    this.#close?.();
    this.#close = undefined;
  }

  cut(): void {
    this.end();
    this.#away("cut", "");
  }

  resume(): void {
    this.state = "reconnecting";
    this.reason = "";
    this.open();
  }

  /** A message that was kept when the page opened. */
  earlier(m: Message): void {
    this.#entry({ kind: "message", number: ++this.#numbers, message: m, how: "earlier" });
  }

  since(): string {
    return this.#cursor.position;
  }

  live(): void {
    if (this.state === "live") return;
    this.state = "live";
    this.reason = "";
    if (this.#awaySince !== undefined) {
      const away = performance.now() - this.#awaySince;
      this.#awaySince = undefined;
      this.#catchingUpTo = this.#serverNow();
      this.resumed = { kind: "resumed", number: ++this.#numbers, away, caughtUp: 0 };
      this.#entry(this.resumed);
    }
    this.changed();
  }

  message(m: Message): void {
    const published = parseTime(m.time);
    if (this.#catchingUpTo !== undefined && published > this.#catchingUpTo) this.#catchingUpTo = undefined;
    const caughtUp = this.#catchingUpTo !== undefined;
    if (caughtUp && this.resumed) this.resumed.caughtUp++;
    const latency = this.#serverNow() - published;
    if (!caughtUp) {
      this.latencies.add(latency);
      const clicked = this.shared.publisher.clickedAt(m.headers?.[header]);
      if (clicked !== undefined) this.fromClick = performance.now() - clicked;
    }
    this.#take(m, caughtUp ? "caught up" : "live", latency);
  }

  lateMessage(m: Message): void {
    this.#take(m, "late", this.#serverNow() - parseTime(m.time));
  }

  gap(g: Gap): void {
    this.gaps++;
    this.check.gap();
    this.#entry({ kind: "gap", number: ++this.#numbers, gap: g });
  }

  reached(position: string): void {
    this.#cursor.reached(position);
    this.changed();
  }

  received(bytes: number): void {
    this.bytes += bytes;
    this.changed();
  }

  broken(why: string, retryIn: number | undefined): void {
    this.#away("reconnecting", retryIn === undefined ? why : `${why}, again in ${showSeconds(retryIn)}`);
  }

  refused(why: string): void {
    this.end();
    this.#away("stopped", why);
  }

  #away(state: State, reason: string): void {
    this.#awaySince ??= performance.now();
    this.#catchingUpTo = undefined;
    this.state = state;
    this.reason = reason;
    this.changed();
  }

  #take(m: Message, how: How, latency: number): void {
    this.messages++;
    this.check.message(m.headers?.[header]);
    this.shared.names.learn(m.event, true);
    this.#entry({ kind: "message", number: ++this.#numbers, message: m, how, latency });
  }

  #entry(e: Entry): void {
    this.entries.push(e);
    if (this.entries.length > maxEntries) this.entries.shift();
    this.changed();
  }

  #serverNow(): number {
    return this.shared.server.toServer(this.shared.wall.now());
  }
}
