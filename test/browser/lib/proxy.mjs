// A wire that tests can cut. It sits between a client and the server and passes bytes on, until it is told otherwise.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** One connection through the proxy, and what was said on it (bounded: the beginning is what tests look at). */
class Connection {
  asked = "";
  answered = "";

  /** @param {import("node:net").Socket} client */
  constructor(client) {
    this.client = client;
    client.on("data", (chunk) => (this.asked = keep(this.asked, chunk)));
    client.on("error", () => {}); // a cut is what we are for
  }

  /** @param {number} port */
  join(port) {
    const server = connect(port, "127.0.0.1");
    this.server = server;
    server.on("error", () => this.client.destroy());
    server.on("data", (chunk) => (this.answered = keep(this.answered, chunk)));
    this.client.pipe(server);
    server.pipe(this.client);
    this.client.on("close", () => server.destroy());
    server.on("close", () => this.client.destroy());
  }

  cut() {
    // A reset, the rudest end there is: nothing is said, and what was on its way is gone.
    this.client.resetAndDestroy();
    this.server?.destroy();
  }
}

/**
 * @param {string} before
 * @param {Buffer} chunk
 */
function keep(before, chunk) {
  return before.length > 64_000 ? before : before + chunk.toString("latin1");
}

export class Proxy {
  /** @type {Set<Connection>} */
  #open = new Set();
  /** Every connection so far, oldest first. @type {Connection[]} */
  connections = [];
  /** While held, connections are accepted and nothing more happens. @type {Connection[] | undefined} */
  #held;

  /** @param {number} target the server's port */
  constructor(target) {
    this.target = target;
    this.listener = createServer((client) => this.#accept(client));
  }

  /** @param {number} target */
  static async to(target) {
    const proxy = new Proxy(target);
    proxy.listener.listen(0, "127.0.0.1");
    await once(proxy.listener, "listening");
    return proxy;
  }

  get origin() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.listener.address());
    return `http://127.0.0.1:${port}`;
  }

  /** @param {import("node:net").Socket} client */
  #accept(client) {
    const connection = new Connection(client);
    this.connections.push(connection);
    this.#open.add(connection);
    client.on("close", () => this.#open.delete(connection));
    if (this.#held) {
      client.pause();
      this.#held.push(connection);
    } else connection.join(this.target);
  }

  /** Goes to another server from now on. What is kept alive to the old one ends, or it would be used again. @param {number} target */
  retarget(target) {
    this.target = target;
    this.cut();
  }

  /** Ends every connection now; new ones pass. */
  cut() {
    for (const c of this.#open) c.cut();
  }

  /** New connections wait until release: messages can be published while nobody listens. */
  hold() {
    this.#held ??= [];
  }

  release() {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const c of held) c.join(this.target);
  }

  /** The connections that asked for this, oldest first. @param {string | RegExp} what */
  asking(what) {
    return this.connections.filter((c) => (typeof what === "string" ? c.asked.includes(what) : what.test(c.asked)));
  }

  async close() {
    this.listener.close();
    this.cut();
    await once(this.listener, "close");
  }
}
