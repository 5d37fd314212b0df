import { Backoff } from "./backoff.ts";
import { byteLength } from "./text.ts";
import { messagesURL, type Reader, type Transport } from "./transport.ts";
import { decodeFrame, type Frame } from "./wire.ts";

/** WebSocket, receive only: one message object per text frame, and `since=` on every connection. */
export const webSocket: Transport = (reader) => {
  const link = new Link(reader);
  return () => link.close();
};

class Link {
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #backoff = new Backoff();
  /** What a graceful stop asked us to wait before the next connection. */
  #asked: number | undefined;

  constructor(readonly reader: Reader) {
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined; // its late events find that they are not current any more
    socket?.close();
  }

  #connect(): void {
    const url = new URL(messagesURL(this.reader.channel, { since: this.reader.since() }), location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#backoff.succeeded();
      this.reader.live();
    };
    socket.onmessage = (e: MessageEvent<unknown>) => {
      if (this.#socket === socket && typeof e.data === "string") this.#frame(e.data);
    };
    // An error is always followed by a close; its event says nothing more.
    socket.onclose = (e) => {
      if (this.#socket === socket) this.#again(e);
    };
  }

  #frame(data: string): void {
    this.reader.received(byteLength(data));
    let frame: Frame;
    try {
      frame = decodeFrame(data);
    } catch {
      // Not our server's frame. The position has not moved, so a new connection brings what this one should have.
      this.#socket?.close(4000, "not understood");
      return;
    }
    if (frame.kind === "message") {
      this.reader.message(frame.message);
      this.reader.reached(frame.message.id);
    } else if (frame.kind === "gap") this.reader.gap(frame.gap);
    else if (frame.kind === "position") this.reader.reached(frame.position);
    else if (frame.kind === "reconnect") this.#asked = frame.after;
  }

  #again(e: CloseEvent): void {
    const wait = this.#backoff.next(this.#asked);
    this.#asked = undefined;
    this.reader.broken(reason(e.code), wait);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}

/** 1006 stands for an end without a close frame (RFC 6455 §7.4.1), 1012 for a restart (IANA's registry of close codes). */
function reason(code: number): string {
  if (code === 1006) return "connection lost";
  return code === 1012 ? "the server restarts" : `closed with ${code}`;
}
