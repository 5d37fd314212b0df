// What a browser's own EventSource and WebSocket have to live through. Scenarios are values; tests/browsers.test.mjs
// runs each in every browser.

import assert from "node:assert/strict";
import { closeLink, look, openSocket, openSource, send } from "./inpage.mjs";
import { Proxy } from "./proxy.mjs";
import { freshChannel } from "./server.mjs";
import { until } from "./until.mjs";

/**
 * @typedef {object} Stage
 * @property {import("./browsers.mjs").Tab} tab on a page whose origin is the proxy
 * @property {Proxy} proxy between the page and the server
 * @property {import("./server.mjs").Server} server
 * @property {import("./server.mjs").Workshop} workshop
 * @property {string} channel nobody else's
 */

/**
 * @param {Stage} stage
 * @param {string} name
 * @param {string} what
 * @param {(state: any) => unknown} enough
 */
function seen(stage, name, what, enough) {
  return until(what, async () => {
    const state = await stage.tab.evaluate(look, name);
    return enough(state) ? state : undefined;
  });
}

const url = (stage, query = "") => `/v1/channels/${stage.channel}/messages${query}`;
const texts = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);
const messages = (state) => state.frames.filter((f) => f.id !== undefined);

/** Opens an EventSource and waits until its opening `id:` has passed the proxy. */
async function source(stage, query = "", events = []) {
  await stage.tab.evaluate(openSource, { name: "source", url: url(stage, query), events });
  const opening = await until("the stream opens with an id", () => {
    const [c] = stage.proxy.asking(`/${stage.channel}/messages`);
    // The whole opening has passed when its block has ended.
    return /^id: ?(\S+)\r?\n(?:.+\n)*\r?\n/m.exec(c?.answered ?? "")?.[1];
  });
  await seen(stage, "source", "open", (s) => s.opens === 1);
  return opening;
}

/** Opens a WebSocket and waits for its opening position. */
async function socket(stage, query = "", name = "socket") {
  await stage.tab.evaluate(openSocket, { name, url: url(stage, query) });
  const state = await seen(stage, name, "the opening position", (s) => s.frames.length > 0);
  assert.equal(typeof state.frames[0].position, "string", "the first frame is the position");
  return state.frames[0].position;
}

const lastEventIds = (stage) =>
  stage.proxy.asking(`/${stage.channel}/messages`).map((c) => /last-event-id: (\S+)/i.exec(c.asked)?.[1]);

/** @type {{ name: string, run: (stage: Stage) => Promise<void> }[]} */
export const scenarios = [
  {
    name: "EventSource: live, then cut in the middle, resumes by itself with nothing lost",
    run: async (stage) => {
      await source(stage);
      const ids = await stage.server.publishRange(stage.channel, 1, 10);
      await seen(stage, "source", "the first ten", (s) => s.got.length === 10);
      stage.proxy.hold();
      stage.proxy.cut();
      ids.push(...(await stage.server.publishRange(stage.channel, 11, 20)));
      stage.proxy.release();
      ids.push(...(await stage.server.publishRange(stage.channel, 21, 25)));
      const state = await seen(stage, "source", "all 25", (s) => s.got.length >= 25);
      assert.deepEqual(state.got.map((m) => m.data), texts(1, 25));
      assert.deepEqual(state.got.map((m) => m.id), ids);
      assert.deepEqual(lastEventIds(stage), [undefined, ids[9]]);
    },
  },
  {
    name: "EventSource: cut before the first message, the opening id resumes",
    run: async (stage) => {
      const opening = await source(stage);
      stage.proxy.hold();
      stage.proxy.cut();
      await stage.server.publishRange(stage.channel, 1, 5);
      stage.proxy.release();
      const state = await seen(stage, "source", "all five", (s) => s.got.length >= 5);
      assert.deepEqual(state.got.map((m) => m.data), texts(1, 5));
      assert.deepEqual(lastEventIds(stage), [undefined, opening]);
      assert.deepEqual(state.gaps, []);
    },
  },
  {
    name: "EventSource: cut before the first message, a position in the URL resumes as well",
    run: async (stage) => {
      const { id } = await stage.server.publish(stage.channel, "before");
      await source(stage, `?since=${id}`);
      stage.proxy.hold();
      stage.proxy.cut();
      await stage.server.publishRange(stage.channel, 1, 5);
      stage.proxy.release();
      const state = await seen(stage, "source", "all five", (s) => s.got.length >= 5);
      assert.deepEqual(state.got.map((m) => m.data), texts(1, 5));
    },
  },
  {
    name: "EventSource: cut again and again",
    run: async (stage) => {
      await source(stage);
      await stage.server.publishRange(stage.channel, 1, 1);
      await seen(stage, "source", "the first", (s) => s.got.length === 1);
      for (let round = 0; round < 3; round++) {
        const n = round * 4 + 5;
        await stage.server.publishRange(stage.channel, n - 3, n - 2);
        stage.proxy.cut();
        await stage.server.publishRange(stage.channel, n - 1, n);
        const state = await seen(stage, "source", `${n} messages`, (s) => s.got.length >= n);
        assert.deepEqual(state.got.map((m) => m.data), texts(1, n));
      }
    },
  },
  {
    name: "EventSource: named events, lines, unicode, and since in the URL",
    run: async (stage) => {
      const said = "erste\nzweite Zeile ☃ 届け";
      await stage.server.publish(stage.channel, said, { "Todoke-Event": "said" });
      await source(stage, "?since=earliest", ["said"]);
      await stage.server.publish(stage.channel, `{"a":1}`, { "Content-Type": "application/json" });
      const state = await seen(stage, "source", "both", (s) => s.got.length >= 2);
      assert.deepEqual(state.got.map((m) => m.data), [said, `{"a":1}`]);
    },
  },
  {
    name: "EventSource: the server restarts with an empty log, and a gap is told",
    run: async (stage) => {
      const first = await stage.workshop.start();
      stage.proxy.retarget(first.port);
      await source(stage);
      await first.publish(stage.channel, "before");
      await seen(stage, "source", "a message", (s) => s.got.length === 1);
      const second = await stage.workshop.start();
      stage.proxy.target = second.port;
      await second.publish(stage.channel, "kept");
      await first.stop();
      await seen(stage, "source", "open again", (s) => s.opens === 2);
      await second.publish(stage.channel, "after");
      const state = await seen(stage, "source", "what is kept, and live", (s) => s.got.length >= 3);
      assert.deepEqual(state.got.map((m) => m.data), ["before", "kept", "after"]);
      assert.equal(state.gaps.length, 1);
      assert.equal(JSON.parse(state.gaps[0]).gap.from, state.got[0].id);
    },
  },
  {
    name: "WebSocket: cut in the middle, resumes by since with nothing lost",
    run: async (stage) => {
      await socket(stage);
      const ids = await stage.server.publishRange(stage.channel, 1, 10);
      const before = await seen(stage, "socket", "the first ten", (s) => messages(s).length === 10);
      stage.proxy.cut();
      await seen(stage, "socket", "its close", (s) => s.code === 1006);
      ids.push(...(await stage.server.publishRange(stage.channel, 11, 20)));
      const last = messages(before).at(-1).id;
      assert.equal(await socket(stage, `?since=${last}`, "second"), last, "it opens where it was asked to");
      ids.push(...(await stage.server.publishRange(stage.channel, 21, 25)));
      const after = await seen(stage, "second", "the rest", (s) => messages(s).length >= 15);
      const all = [...messages(before), ...messages(after)];
      assert.deepEqual(all.map((m) => m.data), texts(1, 25));
      assert.deepEqual(all.map((m) => m.id), ids);
    },
  },
  {
    name: "WebSocket: cut before the first message, the opening position resumes",
    run: async (stage) => {
      const opening = await socket(stage);
      stage.proxy.cut();
      await seen(stage, "socket", "its close", (s) => s.code === 1006);
      await stage.server.publishRange(stage.channel, 1, 5);
      await socket(stage, `?since=${opening}`, "second");
      const state = await seen(stage, "second", "all five", (s) => messages(s).length >= 5);
      assert.deepEqual(messages(state).map((m) => m.data), texts(1, 5));
    },
  },
  {
    name: "WebSocket: a position got over SSE resumes here, and the other way round",
    run: async (stage) => {
      await source(stage);
      await stage.server.publishRange(stage.channel, 1, 3);
      const sse = await seen(stage, "source", "three", (s) => s.got.length === 3);
      await stage.tab.evaluate(closeLink, "source");
      await stage.server.publishRange(stage.channel, 4, 6);
      await socket(stage, `?since=${sse.got.at(-1).id}`);
      const ws = await seen(stage, "socket", "three more", (s) => messages(s).length === 3);
      await stage.tab.evaluate(closeLink, "socket");
      await stage.server.publishRange(stage.channel, 7, 9);
      const since = messages(ws).at(-1).id;
      await stage.tab.evaluate(openSource, { name: "again", url: url(stage, `?since=${since}`) });
      const again = await seen(stage, "again", "the last three", (s) => s.got.length === 3);
      assert.deepEqual([...sse.got, ...messages(ws), ...again.got].map((m) => m.data), texts(1, 9));
    },
  },
  {
    name: "WebSocket: a graceful stop says when to come back, and closes with 1012",
    run: async (stage) => {
      const server = await stage.workshop.start();
      stage.proxy.retarget(server.port);
      await socket(stage);
      await server.publish(stage.channel, "m1");
      await seen(stage, "socket", "a message", (s) => messages(s).length === 1);
      await server.stop();
      const state = await seen(stage, "socket", "its close", (s) => s.code !== undefined);
      assert.equal(state.code, 1012);
      assert.match(state.frames.at(-1).reconnect.after, /^[\d.]+(s|ms|m)/);
    },
  },
  {
    name: "WebSocket session: subscribe, publish, acknowledge, ping",
    run: async (stage) => {
      await stage.tab.evaluate(openSocket, { name: "session", url: "/v1/connect" });
      await seen(stage, "session", "open", (s) => s.state === 1);
      const say = (frame) => stage.tab.evaluate(send, { name: "session", frame });
      await say({ id: 1, subscribe: { channels: [stage.channel] } });
      await seen(stage, "session", "subscribed", (s) => s.frames.some((f) => f.id === 1 && f.subscribed));
      await say({ id: 2, publish: { channel: stage.channel, data: { x: 1 }, event: "e" } });
      await say({ id: 3, ping: {} });
      const state = await seen(stage, "session", "message, acknowledgement and pong", (s) =>
        [(f) => f.message, (f) => f.published, (f) => f.pong].every((is) => s.frames.some(is)),
      );
      const { message } = state.frames.find((f) => f.message);
      const { published } = state.frames.find((f) => f.published);
      assert.deepEqual(message.data, { x: 1 });
      assert.equal(message.id, published.id);
    },
  },
];

/**
 * Runs one scenario in a tab of its own, through a proxy of its own.
 * @param {typeof scenarios[number]} scenario
 * @param {{ browser: import("./browsers.mjs").Browser, server: Stage["server"], workshop: Stage["workshop"] }} set
 */
export async function play(scenario, { browser, server, workshop }) {
  const proxy = await Proxy.to(server.port);
  const tab = await browser.tab();
  try {
    // Any small document of the server's will do as a home; this one has the page's own policy.
    await tab.goto(`${proxy.origin}/favicon.svg`);
    await scenario.run({ tab, proxy, server, workshop, channel: freshChannel() });
  } finally {
    await tab.close();
    await proxy.close();
  }
}
