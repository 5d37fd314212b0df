// The first page in Firefox ESR: its policy, its script and its four transports work there too.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openFirefox } from "../lib/browsers.mjs";
import { skipWithout } from "../lib/need.mjs";
import { freshChannel, Workshop } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

/** What the four panes say. Runs in the page. */
function panes() {
  return [...document.querySelectorAll(".pane")].map((root) => ({
    id: root.id,
    state: root.dataset.state,
    texts: [...root.querySelectorAll(".message .data")].map((e) => e.textContent).reverse(),
    check: ["lost", "duplicated", "reordered"].map((c) => root.querySelector(`.${c}`).textContent).join(", "),
    caught: root.querySelector(".caught").textContent,
    waiting: root.querySelector(".to-come").textContent,
  }));
}

/** Presses every Cut or Resume button. Runs in the page. */
function toggleAll() {
  for (const b of document.querySelectorAll(".pane .cut")) b.click();
}

/** Publishes the text in the box. Runs in the page. @param {string} text */
function publish(text) {
  document.querySelector("input[name=text]").value = text;
  document.querySelector("#publish button[type=submit]").click();
}

describe("the first page in Firefox ESR", { skip: skipWithout("firefox") }, () => {
  const workshop = new Workshop();
  /** @type {import("../lib/server.mjs").Server} */
  let server;
  /** @type {import("../lib/browsers.mjs").Browser} */
  let browser;
  before(async () => {
    server = await workshop.start();
    browser = await openFirefox();
  });
  after(async () => {
    await browser?.close();
    await workshop.close();
  });

  it("publish, cut all, publish, resume all: nothing is lost", { timeout: 60_000 }, async () => {
    const tab = await browser.tab();
    const all = (what, enough) =>
      until(what, async () => {
        const seen = await tab.evaluate(panes);
        return seen.length === 4 && seen.every(enough) ? seen : undefined;
      });
    await tab.goto(`${server.origin}/?channel=${freshChannel()}`);
    await all("all panes are live", (p) => p.state === "live");
    await tab.evaluate(publish, "one");
    await all("the first message", (p) => p.texts.length === 1);
    await tab.evaluate(toggleAll);
    await all("all are cut", (p) => p.state === "cut");
    await tab.evaluate(publish, "two");
    await all("it is acknowledged", (p) => p.waiting === "1 waiting");
    await tab.evaluate(toggleAll);
    const seen = await all("both messages", (p) => p.texts.length === 2);
    for (const p of seen) {
      assert.deepEqual(p.texts, ["one", "two"]);
      assert.equal(p.check, "0 lost, 0 duplicated, 0 reordered");
      assert.equal(p.caught, "caught up: 1");
    }
    await tab.close();
  });
});
