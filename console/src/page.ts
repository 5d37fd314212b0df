// One request that reads: what polling, long polling and the start of the page have in common.

import { messagesURL } from "./transport.ts";
import { decodePage, decodeProblem, type Page } from "./wire.ts";

export interface Answer {
  /** Absent when nothing changed (304). */
  page?: Page;
  etag?: string;
  bytes: number;
}

export interface Ask {
  channel: string;
  params: Record<string, string>;
  signal: AbortSignal;
  etag?: string | undefined;
}

/** @throws Problem when the server refuses, TypeError when it cannot be reached, AbortError when the signal fires. */
export async function readPage(ask: Ask): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json" };
  // A validator of our own makes fetch leave the browser's cache alone and hand us the 304 itself (Fetch, HTTP-network-or-cache fetch).
  if (ask.etag !== undefined) headers["If-None-Match"] = ask.etag;
  const response = await fetch(messagesURL(ask.channel, ask.params), { headers, signal: ask.signal });
  if (response.status === 304) return { bytes: 0 };
  const bytes = await response.arrayBuffer();
  const body = new TextDecoder().decode(bytes);
  if (!response.ok) throw decodeProblem(response.status, body, response.headers.get("Retry-After"));
  const answer: Answer = { page: decodePage(body), bytes: bytes.byteLength };
  const etag = response.headers.get("ETag");
  if (etag !== null) answer.etag = etag;
  return answer;
}
