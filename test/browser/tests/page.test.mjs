// The first page in Chromium: four panes, publish, cut, resume; and that it fits a phone.
// TODOKE_SCREENSHOTS names a folder for pictures; without it a temporary one is used and removed.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launchChromium } from "../lib/browsers.mjs";
import { skipWithout } from "../lib/need.mjs";
import { freshChannel, Workshop } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

const panes = ["polling", "longpolling", "sse", "websocket"];
const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };

/** What a pane says, as its reader sees it. @param {import("playwright-core").Page} page @param {string} id */
async function pane(page, id) {
  return page.locator(`#${id}`).evaluate((root) => {
    const text = (selector) => root.querySelector(selector)?.textContent ?? "";
    return {
      state: root.dataset.state,
      count: Number(text(".count")),
      check: [text(".lost"), text(".duplicated"), text(".reordered")].join(", "),
      gaps: text(".gaps"),
      caught: text(".caught"),
      waiting: text(".to-come"),
      position: text(".position"),
      latency: text(".latency"),
      fromClick: text(".from-click"),
      bytes: text(".bytes"),
      texts: [...root.querySelectorAll(".message:not(.earlier) .data")].map((e) => e.textContent).reverse(),
      caughtUp: [...root.querySelectorAll(".message.caught-up .data")].map((e) => e.textContent).reverse(),
    };
  });
}

/** Waits until every pane is as asked. */
async function all(page, what, enough, ids = panes) {
  let seen = [];
  const look = async () => {
    seen = await Promise.all(ids.map((id) => pane(page, id)));
    return seen.every(enough) ? seen : undefined;
  };
  return until(what, look).catch((err) => {
    throw new Error(`${err.message}; the panes say ${JSON.stringify(seen)}`, { cause: err });
  });
}

const clean = "0 lost, 0 duplicated, 0 reordered";
const texts = (word, from, to) => Array.from({ length: to - from + 1 }, (_, i) => `${word} ${from + i}`);

describe("the first page in Chromium", { skip: skipWithout("chromium") }, () => {
  const workshop = new Workshop();
  /** @type {import("../lib/server.mjs").Server} */
  let server;
  /** @type {Awaited<ReturnType<typeof launchChromium>>} */
  let chromium;
  let pictures = "";

  before(async () => {
    server = await workshop.start();
    chromium = await launchChromium({ viewport: desktop });
    pictures = process.env.TODOKE_SCREENSHOTS ?? (await mkdtemp(join(tmpdir(), "todoke-page-")));
    await mkdir(pictures, { recursive: true });
  });
  after(async () => {
    await chromium?.close();
    await workshop.close();
    if (!process.env.TODOKE_SCREENSHOTS) await rm(pictures, { recursive: true, force: true });
  });

  /**
   * Opens the page on a channel and runs the test; whatever the browser complains about fails it.
   * @param {{ at?: import("./server.mjs").Server, viewport?: typeof desktop, channel?: string, expected?: RegExp }} how
   * @param {(page: import("playwright-core").Page, channel: string) => Promise<void>} run
   */
  async function visit({ at = server, viewport = desktop, channel = freshChannel(), expected }, run) {
    const page = await chromium.context.newPage();
    const complaints = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
    page.on("pageerror", (e) => complaints.push(String(e)));
    page.on("request", (r) => new URL(r.url()).hostname === "127.0.0.1" || complaints.push(`asked ${r.url()}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
    });
    try {
      await page.setViewportSize(viewport);
      await page.goto(`${at.origin}/?channel=${channel}`);
      await all(page, "all panes are live", (p) => p.state === "live");
      await run(page, channel);
      const left = complaints.filter((c) => !expected?.test(c));
      assert.deepEqual(left, [], "the browser complains about nothing");
    } finally {
      await page.close();
    }
  }

  const publish = async (page, text) => {
    await page.getByLabel("Text").fill(text);
    await page.getByLabel("Text").press("Enter");
  };
  const button = (page, id, name) => page.locator(`#${id}`).getByRole("button", { name });
  const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

  it("shows a publish in all four panes", { timeout: 60_000 }, () =>
    visit({}, async (page) => {
      await page.getByLabel("Event").fill("said");
      await page.getByLabel("Key").fill("k1");
      await publish(page, "good morning");
      const seen = await all(page, "the message is everywhere", (p) => p.count === 1);
      for (const p of seen) {
        assert.deepEqual(p.texts, ["good morning"]);
        assert.equal(p.check, clean);
        assert.match(p.latency, / m?s$/);
        assert.match(p.fromClick, / m?s$/);
      }
      // One message, one position, whatever brought it.
      assert.equal(new Set(seen.map((p) => p.position)).size, 1);
      await page.getByText("1 message acknowledged").waitFor();
    }),
  );

  it("shows what another publisher says, and what was there before", { timeout: 60_000 }, async () => {
    const channel = freshChannel();
    await server.publish(channel, "before");
    await visit({ channel }, async (page) => {
      assert.equal(await page.locator(".message.earlier").count(), 4);
      await server.publish(channel, `{"text":"hello"}`, { "Content-Type": "application/json" });
      await server.publish(channel, "<b>not bold</b>");
      const seen = await all(page, "both are everywhere", (p) => p.count === 2);
      for (const p of seen) assert.deepEqual(p.texts, [`{"text":"hello"}`, "<b>not bold</b>"]);
    });
  });

  it("EventSource hears of event names that only the other panes know", { timeout: 60_000 }, () =>
    visit({}, async (page, channel) => {
      for (const event of ["", "said", "left", "said", ""]) {
        await server.publish(channel, event || "plain", event ? { "Todoke-Event": event } : {});
      }
      const seen = await all(page, "all five are everywhere", (p) => p.count === 5);
      const sse = seen[panes.indexOf("sse")];
      assert.deepEqual([...(sse?.texts ?? [])].sort(), ["left", "plain", "plain", "said", "said"]);
      assert.equal(new Set(seen.map((p) => p.position)).size, 1);
    }),
  );

  for (const id of panes) {
    it(`${id}: cut, twenty published, resumed: all twenty, in order, once`, { timeout: 60_000 }, () =>
      visit({}, async (page) => {
        await publish(page, "before");
        await all(page, "the first message", (p) => p.count === 1);
        await button(page, id, "Cut").click();
        await all(page, "it is cut", (p) => p.state === "cut", [id]);
        for (let i = 1; i <= 20; i++) await publish(page, `missed ${i}`);
        const [cut] = await all(page, "the cut pane says what waits", (p) => p.waiting === "20 waiting", [id]);
        assert.equal(cut?.count, 1);
        await button(page, id, "Resume").click();
        const seen = await all(page, "all of them, everywhere", (p) => p.count === 21);
        for (const p of seen) {
          assert.deepEqual(p.texts, ["before", ...texts("missed", 1, 20)]);
          assert.equal(p.check, clean);
          assert.equal(p.gaps, "");
        }
        const resumed = seen[panes.indexOf(id)];
        assert.equal(resumed?.caught, "caught up: 20");
        assert.deepEqual(resumed?.caughtUp, texts("missed", 1, 20));
        await publish(page, "after");
        await all(page, "live goes on", (p) => p.count === 22 && p.state === "live");
      }),
    );
  }

  it("cut before the first message, all four: nothing is lost", { timeout: 60_000 }, () =>
    visit({}, async (page) => {
      for (const id of panes) await button(page, id, "Cut").click();
      await all(page, "all are cut", (p) => p.state === "cut");
      await page.getByLabel("Text").fill("burst");
      await page.getByRole("button", { name: "Publish 100" }).click();
      await all(page, "all wait", (p) => p.waiting === "100 waiting");
      for (const id of panes) await button(page, id, "Resume").click();
      const seen = await all(page, "all caught up", (p) => p.count === 100);
      for (const p of seen) {
        assert.equal(p.check, clean);
        assert.equal(p.caught, "caught up: 100");
      }
      const heights = await page.locator(".list").evaluateAll((lists) => lists.map((l) => [l.clientHeight, l.scrollHeight]));
      for (const [seen, whole] of heights) assert.ok(seen < 500 && whole > 2000, `the list scrolls: ${seen} of ${whole} pixels`);
      await picture(page, "burst");
    }),
  );

  it("tells a gap when the messages are no longer kept", { timeout: 60_000 }, async () => {
    const small = await workshop.start("--retain-messages", "10");
    await visit({ at: small }, async (page) => {
      await publish(page, "before");
      await all(page, "the first message", (p) => p.count === 1);
      for (const id of panes) await button(page, id, "Cut").click();
      await page.getByRole("button", { name: "Publish 100" }).click();
      await all(page, "all wait", (p) => p.waiting === "100 waiting");
      for (const id of panes) await button(page, id, "Resume").click();
      const seen = await all(page, "what is kept has come", (p) => p.count === 11);
      for (const p of seen) {
        assert.equal(p.gaps, "1 gap told, 90 gone");
        assert.equal(p.check, clean);
      }
      assert.equal(await page.locator(".messages .gap").count(), 4);
      await picture(page, "gap");
    });
  });

  it("outlives a restart of the server", { timeout: 60_000 }, async () => {
    const first = await workshop.start();
    // What the browser says about the connections that it cannot make meanwhile.
    const expected = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|WebSocket connection|status of 50\d/;
    await visit({ at: first, expected }, async (page) => {
      await publish(page, "before");
      await all(page, "the first message", (p) => p.count === 1);
      await first.stop();
      await all(page, "all notice", (p) => p.state === "reconnecting");
      await picture(page, "reconnecting");
      const second = await workshop.startAt(first.port);
      await all(page, "all are back", (p) => p.state === "live");
      await publish(page, "after");
      const seen = await all(page, "and go on", (p) => p.texts.at(-1) === "after");
      for (const p of seen) assert.match(p.gaps, /^1 gap told/);
      await second.stop();
    });
  });

  it("says what is wrong with a channel name, and stays where it was", { timeout: 60_000 }, () =>
    visit({ expected: /status of 400/ }, async (page, channel) => {
      await page.getByLabel("Channel").fill("a::b");
      await page.getByLabel("Channel").press("Enter");
      await page.locator("#outcome.bad").waitFor();
      assert.match(await page.locator("#outcome").innerText(), /^a::b: .+/);
      await picture(page, "refused");
      await page.getByLabel("Channel").fill(channel);
      await publish(page, "still here");
      await all(page, "the message", (p) => p.count === 1);
    }),
  );

  it("changes the channel", { timeout: 60_000 }, () =>
    visit({}, async (page) => {
      await publish(page, "old");
      await all(page, "the message", (p) => p.count === 1);
      const other = freshChannel();
      await page.getByLabel("Channel").fill(other);
      await publish(page, "new");
      const seen = await all(page, "the new one only", (p) => p.texts.join() === "new");
      for (const p of seen) assert.equal(p.check, clean);
      assert.equal(new URL(page.url()).searchParams.get("channel"), other);
    }),
  );

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const [device, viewport] of /** @type {const} */ ([["desktop", desktop], ["phone", phone], ["tablet", { width: 820, height: 1180 }]])) {
      it(`fits a ${device}, ${colorScheme}`, { timeout: 60_000 }, () =>
        visit({ viewport, channel: "demo" }, async (page) => {
          await page.emulateMedia({ colorScheme });
          for (const word of ["hello", "a longer message that needs more than one line in a narrow pane"]) {
            await publish(page, word);
            await page.getByText("1 message acknowledged").waitFor();
          }
          await all(page, "the messages", (p) => p.count === 2);
          await button(page, "sse", "Cut").click();
          await publish(page, "while SSE is cut");
          await all(page, "the third", (p) => p.count === 3, ["polling", "websocket"]);
          await button(page, "sse", "Resume").click();
          await button(page, "longpolling", "Cut").click();
          await all(page, "SSE caught up", (p) => p.caught === "caught up: 1", ["sse"]);
          await picture(page, `${device}-${colorScheme}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
        }),
      );
    }
  }
});
