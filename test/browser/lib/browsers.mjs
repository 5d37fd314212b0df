// Debian's Chromium and Firefox ESR behind one small interface. Nothing is downloaded, and both are kept from talking
// to anything but this machine.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { paths } from "./need.mjs";

/**
 * @typedef {object} Tab
 * @property {(url: string) => Promise<unknown>} goto
 * @property {<A, R>(run: (arg: A) => R | Promise<R>, arg?: A) => Promise<R>} evaluate
 * @property {() => Promise<void>} close
 */

/**
 * @typedef {object} Browser
 * @property {() => Promise<Tab>} tab
 * @property {() => Promise<void>} close
 */

export const chromiumArgs = [
  "--headless",
  "--no-sandbox", // containers run as root
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/** Playwright's own context, for tests that look at the page. */
export async function launchChromium(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "todoke-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: paths.chromium,
    args: chromiumArgs,
    ...options,
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context, close };
}

/** @returns {Promise<Browser>} */
export async function openChromium() {
  const { context, close } = await launchChromium();
  return { tab: async () => /** @type {any} */ (await context.newPage()), close };
}

/** A proxy that is not there: what is not on the loopback cannot be reached. */
const firefoxPrefs = {
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.http_port": 9,
  "network.proxy.ssl": "127.0.0.1",
  "network.proxy.ssl_port": 9,
  "network.proxy.no_proxies_on": "127.0.0.1, localhost",
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
};

/** Stock Firefox, driven by WebDriver BiDi. @returns {Promise<Browser>} */
export async function openFirefox() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: paths.firefox,
    headless: true,
    extraPrefsFirefox: firefoxPrefs,
  });
  return { tab: async () => /** @type {any} */ (await browser.newPage()), close: () => browser.close() };
}
