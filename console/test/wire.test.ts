import assert from "node:assert/strict";
import { test } from "node:test";
import * as wire from "../src/wire.ts";

const message = { id: "k3f9-1207", channel: "chat:42", time: "2026-11-23T19:01:43.123456789Z", data: { text: "hello" } };
const gap = { channel: "chat:42", from: "k3f9-3", to: "k3f9-9" };

test("page: messages, position, more", () => {
  const page = wire.decodePage(JSON.stringify({ messages: [message], position: "k3f9-1207", more: true }));
  assert.deepEqual(page, { messages: [message], position: "k3f9-1207", more: true, gaps: [] });
});

test("page: one gap, and several", () => {
  const one = wire.decodePage(JSON.stringify({ messages: [], position: "k3f9-9", more: false, gap }));
  assert.deepEqual(one.gaps, [{ ...gap, possible: false }]);
  const gaps = [gap, { ...gap, channel: "b", possible: true }];
  const many = wire.decodePage(JSON.stringify({ messages: [], position: "k3f9-9", more: false, gap, gaps }));
  assert.deepEqual(many.gaps, [{ ...gap, possible: false }, { ...gap, channel: "b", possible: true }]);
});

test("page: what is not one throws", () => {
  for (const bad of ["", "[]", "null", "{}", `{"messages":[]}`, `{"messages":{},"position":"a-1"}`, `{"messages":[1],"position":"a-1"}`]) {
    assert.throws(() => wire.decodePage(bad), bad);
  }
});

test("frames of the WebSocket", () => {
  const cases: [unknown, wire.Frame][] = [
    [{ position: "k3f9-1200" }, { kind: "position", position: "k3f9-1200" }],
    [message, { kind: "message", message }],
    [{ gap }, { kind: "gap", gap: { ...gap, possible: false } }],
    [{ reconnect: { after: "2.140s" } }, { kind: "reconnect", after: 2140 }],
    [{ something: "new" }, { kind: "other" }],
  ];
  for (const [frame, want] of cases) assert.deepEqual(wire.decodeFrame(JSON.stringify(frame)), want);
  for (const bad of ["", "1", "[]", `{"position":""}`, `{"reconnect":{}}`, `{"id":1}`]) {
    assert.throws(() => wire.decodeFrame(bad), bad);
  }
});

test("SSE events", () => {
  assert.deepEqual(wire.decodeEvent(JSON.stringify(message)), message);
  assert.throws(() => wire.decodeEvent("hello"));
  assert.deepEqual(wire.decodeGapEvent(JSON.stringify({ gap })), { ...gap, possible: false });
});

test("problems", () => {
  const p = wire.decodeProblem(400, `{"code":"invalid_channel","detail":"segment 2 is empty"}`, null);
  assert.deepEqual([p.status, p.code, p.message, p.retryAfter, p.worthRetrying], [400, "invalid_channel", "segment 2 is empty", undefined, false]);
  const busy = wire.decodeProblem(503, "<html>", "3");
  assert.deepEqual([busy.message, busy.retryAfter, busy.worthRetrying], ["the server answered 503", 3000, true]);
});

test("durations as Go writes them", () => {
  const cases: [string, number][] = [["2.140s", 2140], ["1m30s", 90_000], ["250ms", 250], ["1h", 3_600_000], ["500µs", 0.5], ["0s", 0]];
  for (const [s, want] of cases) assert.ok(Math.abs(wire.parseDuration(s) - want) < 1e-9, s);
  for (const bad of ["5", "s", "1s2", "-1s"]) assert.throws(() => wire.parseDuration(bad), bad);
});

test("times keep their fraction", () => {
  const whole = Date.parse("2026-11-23T19:01:43Z");
  const near = (s: string, want: number) => assert.ok(Math.abs(wire.parseTime(s) - want) < 1e-3, s);
  near("2026-11-23T19:01:43.123456789Z", whole + 123.456789);
  near("2026-11-23T19:01:43Z", whole);
  near("2026-11-23T20:01:43.5+01:00", whole + 500);
  assert.ok(Number.isNaN(wire.parseTime("soon")));
});
