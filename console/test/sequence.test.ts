import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSeq, SequenceCheck, type Tally } from "../src/sequence.ts";

const none: Tally = { lost: 0, duplicated: 0, reordered: 0, missed: 0 };

const cases: { name: string; arrive: (string | "gap")[]; want: Partial<Tally>; toCome?: number }[] = [
  { name: "in order", arrive: ["own.1", "own.2", "own.3"], want: {} },
  { name: "nothing yet, three published", arrive: [], want: {}, toCome: 3 },
  { name: "the first of the own run is missing", arrive: ["own.2", "own.3"], want: { lost: 1 }, toCome: 1 },
  { name: "a hole of two", arrive: ["own.1", "own.4"], want: { lost: 2 } },
  { name: "twice", arrive: ["own.1", "own.1", "own.2", "own.3"], want: { duplicated: 1 } },
  { name: "a late one was reordered and not lost", arrive: ["own.1", "own.3", "own.2"], want: { reordered: 1 }, toCome: 0 },
  { name: "late and then again", arrive: ["own.1", "own.3", "own.2", "own.2"], want: { reordered: 1, duplicated: 1 } },
  { name: "a told gap explains the hole after it", arrive: ["own.1", "gap", "own.3"], want: { missed: 1 } },
  { name: "a told gap explains one hole only", arrive: ["gap", "own.2", "own.4"], want: { missed: 1, lost: 1 } },
  { name: "a gap elsewhere explains nothing later", arrive: ["own.1", "gap", "own.2", "own.4"], want: { lost: 1 } },
  { name: "another page's run begins where this pane joined", arrive: ["else.17", "else.18", "own.1"], want: {} },
  { name: "holes in another page's run", arrive: ["else.17", "else.20"], want: { lost: 2 } },
  { name: "messages without a counter", arrive: ["", "own.1", "not a counter", "own.0", "own.2"], want: {} },
];

for (const c of cases) {
  test(`sequence: ${c.name}`, () => {
    const check = new SequenceCheck("own");
    for (const a of c.arrive) {
      if (a === "gap") check.gap();
      else check.message(a);
    }
    assert.deepEqual(check.tally, { ...none, ...c.want });
    if (c.toCome !== undefined) assert.equal(check.toCome("own", 3), c.toCome);
  });
}

test("sequence: many foreign runs are forgotten, the own one is not", () => {
  const check = new SequenceCheck("own");
  for (let i = 0; i < 500; i++) check.message(`r${i}.5`);
  check.message("own.2");
  assert.deepEqual(check.tally, { ...none, lost: 1 });
});

test("sequence: counters that are none", () => {
  for (const bad of [undefined, "", "a", "a.", ".1", "a.0", "a.-1", "a.1.2", "a b.1", `${"x".repeat(41)}.1`]) {
    assert.equal(parseSeq(bad), undefined, String(bad));
  }
  assert.deepEqual(parseSeq("k_-9.12"), { run: "k_-9", n: 12 });
});
