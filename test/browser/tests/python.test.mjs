// Python's websockets, the Debian package.

import { execFile } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { paths, skipWithout } from "../lib/need.mjs";
import { freshChannel, Workshop } from "../lib/server.mjs";

const client = fileURLToPath(new URL("websockets_client.py", import.meta.url));

describe("Python's websockets", { skip: skipWithout("websockets") }, () => {
  const workshop = new Workshop();
  /** @type {import("../lib/server.mjs").Server} */
  let server;
  before(async () => {
    server = await workshop.start();
  });
  after(() => workshop.close());

  it("receives, resumes after a cut, and holds a session", { timeout: 60_000 }, async () => {
    // A failed assert ends it with a status, and execFile's error carries its traceback.
    await promisify(execFile)(paths.python, [client, server.origin, freshChannel()]);
  });
});
