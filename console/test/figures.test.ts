import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.ts";
import { ServerClock } from "../src/clock.ts";
import { Latencies } from "../src/latency.ts";
import { EventNames } from "../src/names.ts";
import { place } from "../src/race.ts";
import { bars } from "../src/spark.ts";
import { preview, showBytes, showMs } from "../src/text.ts";

test("latencies: the last ones, their median and their highest", () => {
  const l = new Latencies(3);
  assert.deepEqual([l.last, l.median, l.max], [undefined, undefined, undefined]);
  for (const ms of [100, 3, 1, 2]) l.add(ms);
  assert.deepEqual([l.samples, l.last, l.median, l.max], [[3, 1, 2], 2, 2, 3]);
  l.add(-0.4);
  assert.equal(l.last, 0);
});

test("server clock: a difference within the round trip is none, a greater one is taken off", () => {
  const c = new ServerClock();
  c.answered(1000, 1004, 1001);
  assert.equal(c.toServer(2000), 2000);
  const ahead = new ServerClock();
  ahead.answered(1000, 1004, 61_002);
  assert.equal(ahead.toServer(2000), 62_000);
  ahead.answered(3000, 3500, 3000); // a longer round trip knows less
  assert.equal(ahead.toServer(2000), 62_000);
});

test("backoff: grows to its bound, obeys the server, begins anew", () => {
  const b = new Backoff(500, 4000, () => 1);
  assert.deepEqual([b.next(), b.next(), b.next(), b.next(), b.next()], [500, 1000, 2000, 4000, 4000]);
  assert.equal(b.next(2140), 2140);
  b.succeeded();
  assert.equal(b.next(), 500);
});

test("event names: told once, and never more than the bound", () => {
  const names = new EventNames(2);
  const told: [string, boolean][] = [];
  names.listen((name, passed) => told.push([name, passed]));
  for (const name of [undefined, "", "said", "said", "left", "third"]) names.learn(name, name === "left");
  assert.deepEqual(told, [["said", false], ["left", true]]);
  assert.deepEqual([...names], ["said", "left"]);
});

test("figures: the axis is logarithmic from 0.1 ms to 10 s", () => {
  assert.deepEqual([0, 0.1, 1, 100, 10_000, 60_000].map((ms) => Number(place(ms).toFixed(2))), [0.01, 0.01, 0.2, 0.6, 1, 1]);
});

test("figures: the newest bar is at the right, the highest fills the height", () => {
  assert.equal(bars([], 4), "");
  assert.equal(bars([10, 5], 4), "M150.0 39V3.0M210.0 39V21.0");
});

test("words for figures", () => {
  assert.deepEqual([undefined, 0.84, 12.4, 640, 1000, 125_000].map(showMs), ["–", "0.8 ms", "12 ms", "640 ms", "1.0 s", "2 min 5 s"]);
  assert.deepEqual([12, 1234, 5_600_000].map(showBytes), ["12 B", "1.2 kB", "5.6 MB"]);
});

test("previews of data", () => {
  const m = { id: "a-1", channel: "c", time: "" };
  assert.equal(preview({ ...m, data: "hello" }), "hello");
  assert.equal(preview({ ...m, data: { a: 1 } }), `{"a":1}`);
  assert.equal(preview({ ...m, data: null }), "null");
  assert.equal(preview({ ...m, data_base64: "AAE=" }), "2 bytes: AAE=");
  assert.equal(preview({ ...m, data: "x".repeat(400) }).length, 301);
});
