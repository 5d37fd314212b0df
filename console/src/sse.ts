// Server-Sent Events through the browser's own EventSource (WHATWG HTML §9.2), because that is what applications use.
// Three of its habits shape this file.
//
// It keeps its last event id to itself. The stream opens with an id and no data, which sets that id and dispatches
// nothing; so the browser resumes by itself from the first moment on, but after close() a page that has had no
// message would not know its position. Here all panes start from the position of one poll, given as `since=`.
// Resuming there is right however late it is: everything after it still comes.
//
// It dispatches an event only to listeners of its name. Names come from EventNames; when one turns up that was not
// listened to, the stream is read again from before and only what is new is handed over.
//
// It gives up when an answer is not an event stream (a proxy's 502). Then we reconnect, as it does after a cut.

import { Backoff } from "./backoff.ts";
import type { EventNames } from "./names.ts";
import { Recent } from "./position.ts";
import { byteLength } from "./text.ts";
import { messagesURL, type Reader, type Transport } from "./transport.ts";
import { decodeEvent, decodeGapEvent, decodeProblem, parseTime, type Message } from "./wire.ts";

export const serverSentEvents =
  (names: EventNames): Transport =>
  (reader) => {
    const link = new Link(reader, names);
    return () => link.close();
  };

class Link {
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #backoff = new Backoff();
  #recent: Recent;
  /** While the stream is read again: when the newest message that we had was published. What is older is late. */
  #rereading: number | undefined;
  #newest = 0;
  #problem: string | undefined;

  constructor(
    readonly reader: Reader,
    readonly names: EventNames,
  ) {
    this.#recent = new Recent(reader.since());
    names.listen((name, passed) => this.#newName(name, passed));
    this.#open(reader.since());
  }

  close(): void {
    this.names.listen(undefined);
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #open(since: string): void {
    // With `format=message` the data is the whole message: the pane shows its time, key and counter.
    const source = new EventSource(messagesURL(this.reader.channel, { since, format: "message" }));
    this.#source = source;
    source.onopen = () => {
      this.#backoff.succeeded();
      this.reader.live();
    };
    source.onerror = () => this.#error(source);
    source.onmessage = (e) => this.#event(e);
    for (const name of this.names) this.#listenFor(name);
    source.addEventListener("todoke.gap", (e) => {
      this.#count(e);
      this.reader.gap(decodeGapEvent(e.data as string));
    });
    source.addEventListener("todoke.error", (e) => {
      this.#problem = decodeProblem(0, e.data as string, null).message;
    });
  }

  #listenFor(name: string): void {
    // These three would be the link's own events, or are heard by onmessage.
    if (name === "open" || name === "error" || name === "message") return;
    this.#source?.addEventListener(name, (e) => this.#event(e as MessageEvent<string>));
  }

  #newName(name: string, passed: boolean): void {
    this.#listenFor(name);
    if (!passed || !this.#source) return;
    this.#source.close();
    this.#rereading = this.#newest;
    this.#open(this.#recent.before);
  }

  #event(e: MessageEvent<string>): void {
    this.#count(e);
    let m: Message;
    try {
      m = decodeEvent(e.data);
    } catch {
      // Not our server's event. The position has not moved, so a new stream brings what this one should have.
      return this.#again("an event was not understood");
    }
    if (this.#rereading === undefined) return this.#hand(m);
    if (this.#recent.has(m.id)) return;
    if (parseTime(m.time) <= this.#rereading) {
      this.#recent.add(m.id);
      return this.reader.lateMessage(m);
    }
    this.#rereading = undefined;
    this.#hand(m);
  }

  #hand(m: Message): void {
    this.#recent.add(m.id);
    this.#newest = parseTime(m.time);
    this.reader.message(m);
    this.reader.reached(m.id);
  }

  /** EventSource does not tell how many bytes came: this is the event as the server writes it. */
  #count(e: MessageEvent<string>): void {
    const event = e.type === "message" ? 0 : byteLength(`event: ${e.type}\n`);
    this.reader.received(byteLength(`id: ${e.lastEventId}\ndata: ${e.data}\n\n`) + event);
  }

  #error(source: EventSource): void {
    if (this.#source !== source) return;
    const why = this.#problem ?? "the stream ended";
    this.#problem = undefined;
    if (source.readyState === EventSource.CLOSED) this.#again("the stream was refused");
    else this.reader.broken(why, undefined);
  }

  #again(why: string): void {
    this.#source?.close();
    const wait = this.#backoff.next();
    this.reader.broken(why, wait);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(this.reader.since()), wait);
  }
}
