// What a pane and its transport say to each other. Each transport is one file and one function.

import type { Gap, Message } from "./wire.ts";

/** A Reader is told what happens on a link. It is the pane. */
export interface Reader {
  readonly channel: string;
  /** Where to read on from: the position of the pane. Ask again for every connection. */
  since(): string;
  /** The server has answered; what arrives from now on is live, once the backlog is in. */
  live(): void;
  message(m: Message): void;
  /** A message that should have come earlier; it does not move the position. */
  lateMessage(m: Message): void;
  gap(g: Gap): void;
  reached(position: string): void;
  received(bytes: number): void;
  /** The link broke. A new attempt follows after so many milliseconds; undefined: the browser chooses. */
  broken(why: string, retryIn: number | undefined): void;
  /** The server refused in a way that a repetition will not change. Nothing follows. */
  refused(why: string): void;
}

/** Opens a link that looks after itself: it reconnects and resumes until the returned function closes it. */
export type Transport = (reader: Reader) => () => void;

export function messagesURL(channel: string, params: Record<string, string>): string {
  return `/v1/channels/${encodeURIComponent(channel)}/messages?${new URLSearchParams(params)}`;
}
