import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock, WallClock } from "../src/clock.ts";
import { EventNames } from "../src/names.ts";
import { maxEntries, Pane } from "../src/pane.ts";
import { Publisher } from "../src/publisher.ts";
import type { Reader } from "../src/transport.ts";
import type { Message } from "../src/wire.ts";

/** A pane on a transport that does what the test says, and the message that its page would publish next. */
function setUp() {
  const wall = new WallClock();
  const server = new ServerClock();
  const shared = { wall, server, names: new EventNames(), publisher: new Publisher("demo", wall, server) };
  const links: string[] = [];
  let reader: Reader | undefined;
  const transport = (r: Reader) => {
    reader = r;
    links.push(`open ${r.since()}`);
    return () => links.push("close");
  };
  const pane = new Pane("demo", "k-0", transport, shared, () => undefined);
  let n = 0;
  const next = (at = wall.now()): Message => {
    n++;
    const headers = { "console-seq": `${shared.publisher.run}.${n}` };
    return { id: `k-${n}`, channel: "demo", time: new Date(at).toISOString(), headers, data: `m${n}` };
  };
  const arrive = (m: Message) => {
    reader?.message(m);
    reader?.reached(m.id);
  };
  pane.open();
  return { pane, links, next, arrive, reader: () => reader as Reader };
}

const hows = (pane: Pane) => pane.entries.map((e) => (e.kind === "message" ? e.how : e.kind));

test("pane: a cut and a resume from the last position, with what was missed marked", () => {
  const { pane, links, next, arrive, reader } = setUp();
  assert.equal(pane.state, "connecting");
  reader().live();
  arrive(next());
  pane.cut();
  assert.deepEqual([pane.state, links], ["cut", ["open k-0", "close"]]);
  const missed = [next(), next()];
  pane.resume();
  assert.deepEqual([pane.state, links.at(-1)], ["reconnecting", "open k-1"]);
  reader().live();
  missed.forEach(arrive);
  arrive(next(Date.now() + 1000));
  assert.deepEqual(hows(pane), ["live", "resumed", "caught up", "caught up", "live"]);
  assert.equal(pane.resumed?.caughtUp, 2);
  assert.deepEqual(pane.check.tally, { lost: 0, duplicated: 0, reordered: 0, missed: 0 });
});

test("pane: a cut before the first message resumes at the start", () => {
  const { pane, links, reader } = setUp();
  reader().live();
  pane.cut();
  pane.resume();
  assert.deepEqual(links, ["open k-0", "close", "open k-0"]);
});

test("pane: a broken link says why, and is caught up when it is back", () => {
  const { pane, next, arrive, reader } = setUp();
  reader().live();
  reader().broken("the stream ended", 1500);
  assert.deepEqual([pane.state, pane.reason], ["reconnecting", "the stream ended, again in 1.5 s"]);
  const missed = next();
  reader().live();
  arrive(missed);
  assert.deepEqual([pane.state, pane.reason, hows(pane)], ["live", "", ["resumed", "caught up"]]);
});

test("pane: what caught up counts in no latency", () => {
  const { pane, next, arrive, reader } = setUp();
  reader().live();
  pane.cut();
  const missed = next(Date.now() - 60_000);
  pane.resume();
  reader().live();
  arrive(missed);
  assert.equal(pane.latencies.last, undefined);
});

test("pane: a late message does not move the position back", () => {
  const { pane, next, arrive, reader } = setUp();
  reader().live();
  const late = next();
  arrive(next());
  reader().lateMessage(late);
  assert.deepEqual([pane.position, hows(pane)], ["k-2", ["live", "late"]]);
});

test("pane: a gap is shown, and what it explains is not lost", () => {
  const { pane, next, arrive, reader } = setUp();
  reader().live();
  const gone = next();
  reader().gap({ channel: "demo", from: gone.id, to: gone.id });
  arrive(next());
  assert.deepEqual([pane.gaps, pane.check.tally.missed, pane.check.tally.lost], [1, 1, 0]);
});

test("pane: a refusal ends the link until somebody resumes", () => {
  const { pane, links, reader } = setUp();
  reader().refused("segment 2 is empty");
  assert.deepEqual([pane.state, pane.reason, links], ["stopped", "segment 2 is empty", ["open k-0", "close"]]);
});

test("pane: the list is bounded, the counters are not", () => {
  const { pane, next, arrive, reader } = setUp();
  reader().live();
  for (let i = 0; i < 3 * maxEntries; i++) arrive(next());
  assert.deepEqual([pane.entries.length, pane.messages], [maxEntries, 3 * maxEntries]);
});
