// How figures and messages are worded.

import type { Message } from "./wire.ts";

export function showMs(ms: number | undefined): string {
  if (ms === undefined) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return showSeconds(ms);
}

export function showSeconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}

export function showBytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(1)} kB`;
  return `${(n / 1_000_000).toFixed(1)} MB`;
}

export function showCount(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

const previewLimit = 300;

/** The data of a message on one line, cut where it gets long. */
export function preview(m: Message): string {
  let s: string;
  if (m.data_base64 !== undefined) s = `${bytesOfBase64(m.data_base64)} bytes: ${m.data_base64.slice(0, 40)}`;
  else if (typeof m.data === "string") s = m.data;
  else s = JSON.stringify(m.data) ?? "";
  return s.length > previewLimit ? `${s.slice(0, previewLimit)}…` : s;
}

function bytesOfBase64(s: string): number {
  return (s.length * 3) / 4 - (/=*$/.exec(s)?.[0].length ?? 0);
}

const encoder = new TextEncoder();

/** The length in UTF-8, which is what travelled. */
export function byteLength(s: string): number {
  return encoder.encode(s).length;
}
