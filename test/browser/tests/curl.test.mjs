// The two curl lines of the README, as they are typed.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { skipWithout } from "../lib/need.mjs";
import { Workshop } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

describe("curl", { skip: skipWithout("curl") }, () => {
  const workshop = new Workshop();
  /** @type {import("../lib/server.mjs").Server} */
  let server;
  before(async () => {
    server = await workshop.start();
  });
  after(() => workshop.close());

  it("curl -N reads the stream, curl -d publishes", { timeout: 60_000 }, async () => {
    const url = `localhost:${server.port}/v1/channels/demo/messages`;
    const reader = spawn("curl", ["-sS", "-N", url, "-H", "Accept: text/event-stream"], { stdio: ["ignore", "pipe", "pipe"] });
    let heard = "";
    reader.stdout.setEncoding("utf8").on("data", (chunk) => (heard += chunk));
    reader.stderr.setEncoding("utf8").on("data", (chunk) => (heard += chunk));
    try {
      await until("the stream opens with an id", () => /^id: \S+$/m.test(heard));
      const { stdout } = await promisify(execFile)("curl", ["-sS", "-d", "hello", url]);
      const published = JSON.parse(stdout);
      assert.equal(published.channel, "demo");
      assert.equal(published.duplicate, false);
      await until("the message", () => heard.includes(`id: ${published.id}\ndata: hello\n\n`));
    } finally {
      const exited = once(reader, "exit");
      reader.kill();
      await exited;
    }
  });
});
