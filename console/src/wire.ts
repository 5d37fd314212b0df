// The shapes of docs/protocol.md as they reach a browser, and their decoding.
// What arrives is checked once, here; the rest of the page relies on the types.

export interface Message {
  id: string;
  channel: string;
  event?: string;
  key?: string;
  type?: string;
  time: string;
  headers?: Record<string, string>;
  data?: unknown;
  data_base64?: string;
}

export interface Gap {
  channel: string;
  from: string;
  to: string;
  possible?: boolean;
}

/** What a poll answers. The wire's `gap` and `gaps` are one list here. */
export interface Page {
  messages: Message[];
  position: string;
  more: boolean;
  gaps: Gap[];
}

/** A text frame of the receive-only WebSocket. */
export type Frame =
  | { kind: "message"; message: Message }
  | { kind: "gap"; gap: Gap }
  | { kind: "position"; position: string }
  | { kind: "reconnect"; after: number }
  | { kind: "other" }; // the wire grows: what is not known yet is passed over

/** A problem document (RFC 9457), or as much of one as an answer held. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** Milliseconds the server asked us to wait, when it did. */
    readonly retryAfter?: number,
  ) {
    super(detail);
    this.name = "Problem";
  }

  /** Whether the same request can succeed later. */
  get worthRetrying(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

type Fields = Record<string, unknown>;

function fields(v: unknown, what: string): Fields {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw new TypeError(`${what} is not an object`);
  return v as Fields;
}

function text(v: unknown, what: string): string {
  if (typeof v !== "string" || v === "") throw new TypeError(`${what} is not a string`);
  return v;
}

export function toMessage(v: unknown): Message {
  const m = fields(v, "message");
  text(m["id"], "message.id");
  text(m["channel"], "message.channel");
  text(m["time"], "message.time");
  return m as unknown as Message;
}

export function toGap(v: unknown): Gap {
  const g = fields(v, "gap");
  return {
    channel: text(g["channel"], "gap.channel"),
    from: String(g["from"] ?? ""),
    to: String(g["to"] ?? ""),
    possible: g["possible"] === true,
  };
}

export function decodePage(body: string): Page {
  const p = fields(JSON.parse(body), "page");
  if (!Array.isArray(p["messages"])) throw new TypeError("page.messages is not a list");
  const gaps = Array.isArray(p["gaps"]) ? p["gaps"] : p["gap"] === undefined ? [] : [p["gap"]];
  return {
    messages: p["messages"].map(toMessage),
    position: text(p["position"], "page.position"),
    more: p["more"] === true,
    gaps: gaps.map(toGap),
  };
}

export function decodeFrame(body: string): Frame {
  const f = fields(JSON.parse(body), "frame");
  if ("gap" in f) return { kind: "gap", gap: toGap(f["gap"]) };
  if ("position" in f) return { kind: "position", position: text(f["position"], "frame.position") };
  if ("reconnect" in f) {
    const after = fields(f["reconnect"], "frame.reconnect")["after"];
    return { kind: "reconnect", after: parseDuration(text(after, "reconnect.after")) };
  }
  if ("id" in f) return { kind: "message", message: toMessage(f) };
  return { kind: "other" };
}

/** The data of an SSE event with `format=message`: the message object. */
export function decodeEvent(data: string): Message {
  return toMessage(JSON.parse(data));
}

/** The data of `event: todoke.gap`. */
export function decodeGapEvent(data: string): Gap {
  return toGap(fields(JSON.parse(data), "gap event")["gap"]);
}

export function decodeProblem(status: number, body: string, retryAfter: string | null): Problem {
  let p: Fields = {};
  try {
    p = fields(JSON.parse(body), "problem");
  } catch {
    // A proxy's error page: the status has to do.
  }
  const detail = typeof p["detail"] === "string" ? p["detail"] : `the server answered ${status}`;
  const code = typeof p["code"] === "string" ? p["code"] : "";
  const seconds = Number(retryAfter ?? "");
  return retryAfter !== null && Number.isFinite(seconds)
    ? new Problem(status, code, detail, seconds * 1000)
    : new Problem(status, code, detail);
}

const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, "µs": 1e-3, ns: 1e-6 };

/** A Go duration such as `2.140s` or `1m30s`, in milliseconds. */
export function parseDuration(s: string): number {
  let total = 0;
  let rest = s;
  while (rest !== "") {
    const m = /^(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/.exec(rest);
    if (!m) throw new TypeError(`${s} is not a duration`);
    total += Number(m[1]) * (units[m[2] ?? ""] ?? 0);
    rest = rest.slice(m[0].length);
  }
  return total;
}

/** An RFC 3339 time in milliseconds since 1970, with the fraction Date.parse would drop. */
export function parseTime(s: string): number {
  const m = /^([^.]+)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.exec(s);
  const whole = m ? Date.parse(`${m[1]}${m[3]}`) : NaN;
  return m?.[2] ? whole + Number(`0${m[2]}`) * 1000 : whole;
}
