import { pull } from "./pulling.ts";
import type { Transport } from "./transport.ts";

/** Polling: a request a second. While nothing came the answer is a 304 without a body. */
export const polling: Transport = (reader) => pull(reader, { rest: 1000 });
