// What this machine has, and what is done about what it has not: left out with one line, or a failure where everything
// has to be there (CI=true or TODOKE_REQUIRE_BROWSERS=1).

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";

const everything = process.env.CI === "true" || process.env.TODOKE_REQUIRE_BROWSERS === "1";

/** The tools the tests use, with the Debian package that brings each. */
const tools = {
  chromium: { package: "chromium", missing: () => !executable(paths.chromium) },
  firefox: { package: "firefox-esr", missing: () => !executable(paths.firefox) },
  curl: { package: "curl", missing: () => spawnSync("curl", ["--version"]).status !== 0 },
  websockets: {
    package: "python3-websockets",
    missing: () => spawnSync(paths.python, ["-c", "import websockets"]).status !== 0,
  },
};

export const paths = {
  chromium: process.env.TODOKE_CHROMIUM ?? "/usr/bin/chromium",
  firefox: process.env.TODOKE_FIREFOX ?? "/usr/bin/firefox-esr",
  // Debian's own: the module is a Debian package too.
  python: "/usr/bin/python3",
};

/**
 * The reason to skip the tests that need a tool, or false. Throws instead of skipping where everything has to be there.
 * @param {keyof typeof tools} name
 */
export function skipWithout(name) {
  const tool = tools[name];
  if (!tool.missing()) return false;
  const reason = `left out: ${name} is not installed (apt-get install ${tool.package})`;
  if (everything) throw new Error(reason);
  return reason;
}

/** @param {string} path */
function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
