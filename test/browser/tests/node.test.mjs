// Node as a client: the eventsource package, fetch's streams, and the ws package.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { Proxy } from "../lib/proxy.mjs";
import { freshChannel, Workshop } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

const texts = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);

describe("Node", () => {
  const workshop = new Workshop();
  /** @type {import("../lib/server.mjs").Server} */
  let server;
  /** @type {Proxy} */
  let proxy;
  let channel = "";
  const url = (query = "") => `${proxy.origin}/v1/channels/${channel}/messages${query}`;

  before(async () => {
    server = await workshop.start();
  });
  after(() => workshop.close());
  beforeEach(async () => {
    proxy = await Proxy.to(server.port);
    channel = freshChannel();
  });
  afterEach(() => proxy.close());

  it("eventsource: cut before the first message and in the middle", { timeout: 60_000 }, async () => {
    const got = [];
    const source = new EventSource(url());
    source.onmessage = (e) => got.push({ id: e.lastEventId, data: e.data });
    try {
      await until("the opening id", () => /^id: ?\S+\n(?:.+\n)*\n/m.test(proxy.connections[0]?.answered ?? ""));
      proxy.hold();
      proxy.cut();
      const ids = await server.publishRange(channel, 1, 5);
      proxy.release();
      await until("the first five", () => got.length === 5);
      proxy.cut();
      ids.push(...(await server.publishRange(channel, 6, 10)));
      await until("all ten", () => got.length >= 10);
      assert.deepEqual(got, texts(1, 10).map((data, i) => ({ id: ids[i], data })));
    } finally {
      source.close();
    }
  });

  it("fetch: reads the stream and resumes by Last-Event-ID", { timeout: 60_000 }, async () => {
    const first = await readEvents(url(), {}, async () => server.publishRange(channel, 1, 5), 5);
    assert.deepEqual(first.map((e) => e.data), texts(1, 5));
    await server.publishRange(channel, 6, 8);
    const headers = { "Last-Event-ID": first.at(-1)?.id ?? "" };
    const second = await readEvents(url("?since=earliest"), headers, async () => {}, 3);
    assert.deepEqual(second.map((e) => e.data), texts(6, 8), "the header wins over since");
  });

  it("fetch: a long poll is answered at the first message", { timeout: 60_000 }, async () => {
    const { position } = await (await fetch(url())).json();
    const waiting = fetch(url(`?since=${position}`), { headers: { Prefer: "wait=30" } });
    await until("the request is on its way", () => proxy.asking(/prefer: wait=30/i).length === 1);
    await server.publish(channel, "m1");
    const answer = await waiting;
    assert.equal(answer.headers.get("preference-applied"), "wait=30");
    assert.deepEqual((await answer.json()).messages.map((m) => m.data), ["m1"]);
  });

  it("ws: resumes by since, and binary data comes as base64", { timeout: 60_000 }, async () => {
    const frames = [];
    let socket = listen(url(), frames);
    try {
      await until("the opening position", () => frames.length === 1);
      proxy.cut();
      await until("the close", () => socket.readyState === WebSocket.CLOSED);
      const bytes = { "Content-Type": "application/octet-stream" };
      await server.publish(channel, Buffer.from([0, 255, 10]), bytes);
      socket = listen(url(`?since=${frames[0].position}`), frames);
      await until("the message", () => frames.some((f) => f.id));
      assert.equal(frames.find((f) => f.id).data_base64, "AP8K");
    } finally {
      socket.terminate();
    }
  });
});

/** @param {string} url @param {any[]} frames */
function listen(url, frames) {
  const socket = new WebSocket(url.replace("http:", "ws:"));
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  socket.on("error", () => {}); // the proxy's cuts
  return socket;
}

/**
 * Reads n events with data from a stream; `once` runs when the stream has opened.
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {() => Promise<unknown>} once
 * @param {number} n
 */
async function readEvents(url, headers, once, n) {
  const stop = new AbortController();
  const response = await fetch(url, { headers: { Accept: "text/event-stream", ...headers }, signal: stop.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const events = [];
  let text = "";
  let opened = false;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1];
      if (!opened && field("id")) {
        opened = true;
        await once();
      }
      // The server's own events (todoke.gap and the like) are not messages.
      if (field("data") !== undefined && !field("event")?.startsWith("todoke.")) events.push({ id: field("id"), data: field("data") });
    }
    if (events.length >= n) break;
  }
  stop.abort();
  return events;
}
