import assert from "node:assert/strict";
import { test } from "node:test";
import { Cursor, Recent } from "../src/position.ts";

test("cursor: begins at its start and keeps what came last", () => {
  const c = new Cursor("k3f9-7");
  assert.equal(c.position, "k3f9-7");
  c.reached("k3f9-12");
  assert.equal(c.position, "k3f9-12");
  // After a server lost its log offsets begin again: what came last counts, not what is greater.
  c.reached("zz01-1");
  assert.equal(c.position, "zz01-1");
});

test("cursor: an empty position says nothing", () => {
  const c = new Cursor("k3f9-7");
  c.reached("");
  assert.equal(c.position, "k3f9-7");
});

test("recent: knows the last ids, and where a second reading starts", () => {
  const r = new Recent("start", 3);
  assert.equal(r.before, "start");
  for (const id of ["a", "b", "c"]) r.add(id);
  assert.equal(r.before, "start");
  r.add("d");
  assert.equal(r.before, "a");
  assert.deepEqual(["a", "b", "c", "d"].map((id) => r.has(id)), [false, true, true, true]);
});
