import { pull } from "./pulling.ts";
import type { Transport } from "./transport.ts";

/** Long polling: the request waits at the server until there is something, at most 25 seconds. */
export const longPolling: Transport = (reader) => pull(reader, { wait: "25s", rest: 0 });
