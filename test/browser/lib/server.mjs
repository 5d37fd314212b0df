// A todoke of our own: built from the working tree, on a free port of the loopback, stopped at the end.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./until.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Builds cmd/todoke once for a test file. TODOKE_BIN names one that is built already. */
async function binary() {
  if (process.env.TODOKE_BIN) return { path: process.env.TODOKE_BIN, remove: async () => {} };
  const dir = await mkdtemp(join(tmpdir(), "todoke-bin-"));
  const path = join(dir, "todoke");
  await promisify(execFile)("go", ["build", "-o", path, "./cmd/todoke"], { cwd: root });
  return { path, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** A port that is free now. Another process may take it before we do; then the server says so and the test fails. */
async function freePort() {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, "close");
  return port;
}

/** A Server is one running todoke. */
export class Server {
  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {number} port
   */
  constructor(child, port) {
    this.child = child;
    this.port = port;
    this.log = "";
    this.exited = once(child, "exit");
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk) => (this.log += chunk));
    }
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Publishes text and returns what the server answered.
   * @param {string} channel
   * @param {string} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<{ id: string, channel: string, time: string, duplicate: boolean }>}
   */
  async publish(channel, body, headers = {}) {
    const response = await fetch(`${this.origin}/v1/channels/${channel}/messages`, { method: "POST", body, headers });
    if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
    return /** @type {any} */ (await response.json());
  }

  /**
   * Publishes `m1` to `mN` of a range, one after the other, and returns the ids.
   * @param {string} channel
   * @param {number} from
   * @param {number} to
   */
  async publishRange(channel, from, to) {
    const ids = [];
    for (let i = from; i <= to; i++) ids.push((await this.publish(channel, `m${i}`)).id);
    return ids;
  }

  /** The graceful stop: SIGTERM, and the process has ten seconds for it. */
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 15_000);
    await this.exited;
    clearTimeout(timer);
  }
}

/** What a test file starts servers with. Close it in after(). */
export class Workshop {
  /** @type {Server[]} */
  #servers = [];
  /** Built when the first server starts. @type {ReturnType<typeof binary> | undefined} */
  #binary;

  /** @param {string[]} args more arguments of `todoke serve` */
  async start(...args) {
    return this.startAt(await freePort(), ...args);
  }

  /**
   * @param {number} port
   * @param {string[]} args
   */
  async startAt(port, ...args) {
    this.#binary ??= binary();
    const { path } = await this.#binary;
    const child = spawn(path, ["serve", "--dev", "--listen", `127.0.0.1:${port}`, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const server = new Server(child, port);
    this.#servers.push(server);
    await until(`todoke serve answers; it said:\n${server.log}`, () => answers(server));
    return server;
  }

  async close() {
    await Promise.all(this.#servers.map((s) => s.stop()));
    await (await this.#binary)?.remove();
  }
}

/** @param {Server} server */
async function answers(server) {
  if (server.child.exitCode !== null) throw new Error(`todoke serve ended: ${server.log}`);
  try {
    const response = await fetch(`${server.origin}/v1/channels/ready/messages`);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

let channels = 0;

/** A channel name that no other test uses. */
export function freshChannel() {
  return `test:${process.pid}-${++channels}`;
}
