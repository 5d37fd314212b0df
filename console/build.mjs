// Builds dist/ from src/.
//
//   node build.mjs           writes dist/, which is committed and embedded in the binary
//   node build.mjs --check   fails when dist/ is not what src/ builds to
//   node build.mjs --test    bundles test/*.test.ts into .build/test for node's test runner

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const src = join(here, "src");
const dist = join(here, "dist");

/** The files of dist by name. Everything is left readable: view-source is documentation here. */
async function outputs() {
  const files = new Map([
    ["console.js", await bundle("main.ts")],
    ["console.css", await bundle("console.css")],
  ]);
  for (const name of ["index.html", "favicon.svg"]) files.set(name, await readFile(join(src, name)));
  files.set("SOURCE.sha256", Buffer.from(`${await sourceHash()}\n`));
  return files;
}

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(src, entry)],
    absWorkingDir: here,
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
  });
  return Buffer.from(outputFiles[0].contents);
}

/** One hash over names and contents of src/. console_test.go computes it too, so a stale dist fails without Node. */
async function sourceHash() {
  const sum = createHash("sha256");
  for (const name of (await readdir(src)).sort()) {
    const content = await readFile(join(src, name));
    sum.update(`${name} ${createHash("sha256").update(content).digest("hex")}\n`);
  }
  return sum.digest("hex");
}

async function write() {
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist);
  for (const [name, content] of await outputs()) await writeFile(join(dist, name), content);
}

async function check() {
  const want = await outputs();
  const have = (await readdir(dist)).sort();
  const stale = [...want.keys()].filter((name) => !have.includes(name));
  for (const name of have) {
    const content = want.get(name);
    if (!content?.equals(await readFile(join(dist, name)))) stale.push(name);
  }
  if (stale.length === 0) return;
  console.error(`console/dist is not what console/src builds to (${stale.join(", ")}): npm run build, and commit it`);
  process.exit(1);
}

async function bundleTests() {
  const tests = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
  const outdir = join(here, ".build", "test");
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: tests.map((name) => join(here, "test", name)),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    outdir,
    outExtension: { ".js": ".mjs" },
  });
}

const mode = process.argv[2];
if (mode === "--check") await check();
else if (mode === "--test") await bundleTests();
else await write();
