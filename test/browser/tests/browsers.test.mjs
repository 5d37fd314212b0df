// The browsers' own EventSource and WebSocket against a real server.

import { after, before, describe, it } from "node:test";
import { openChromium, openFirefox } from "../lib/browsers.mjs";
import { skipWithout } from "../lib/need.mjs";
import { play, scenarios } from "../lib/scenarios.mjs";
import { Workshop } from "../lib/server.mjs";

const browsers = [
  { name: "Chromium", skip: skipWithout("chromium"), open: openChromium },
  { name: "Firefox ESR", skip: skipWithout("firefox"), open: openFirefox },
];

for (const { name, skip, open } of browsers) {
  describe(name, { skip }, () => {
    /** @type {Workshop} */
    let workshop;
    /** @type {import("../lib/server.mjs").Server} */
    let server;
    /** @type {import("../lib/browsers.mjs").Browser} */
    let browser;
    before(async () => {
      workshop = new Workshop();
      server = await workshop.start();
      browser = await open();
    });
    after(async () => {
      await browser?.close();
      await workshop?.close();
    });
    for (const scenario of scenarios) {
      it(scenario.name, { timeout: 60_000 }, () => play(scenario, { browser, server, workshop }));
    }
  });
}
