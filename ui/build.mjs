// Builds ui/dist. The same sources give the same bytes on every machine.
//
//   node build.mjs           writes dist/
//   node build.mjs --check   fails when dist/ is not what the sources give
//   node build.mjs --tests   writes out/, the logic that `node --test` runs

import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const root = new URL("./", import.meta.url);
const path = (name) => new URL(name, root).pathname;
const TARGETS = ["chrome123", "firefox120", "safari17.5"];
/** The widget is loaded by other people's pages: it stays small. */
const WIDGET_LIMIT = 15_000;

/** Stylesheets imported by scripts become minified text. */
const styles = {
  name: "styles",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(await readFile(path, "utf8"), {
        loader: "css",
        minify: true,
        target: TARGETS,
      });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const common = {
  absWorkingDir: root.pathname,
  bundle: true,
  write: false,
  minify: true,
  target: TARGETS,
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

async function script(entry, format = "iife") {
  const { outputFiles } = await esbuild.build({
    ...common,
    entryPoints: [path(entry)],
    format,
    plugins: [styles],
  });
  return outputFiles[0].contents;
}

async function stylesheet(entry) {
  const { outputFiles } = await esbuild.build({ ...common, entryPoints: [path(entry)] });
  return outputFiles[0].contents;
}

async function everything() {
  return {
    "chat.css": await stylesheet("pages/chat.css"),
    "chat.html": await readFile(path("pages/chat.html")),
    "console.css": await stylesheet("console/console.css"),
    "console.js": await script("src/console.ts"),
    "mark.svg": await readFile(path("pages/mark.svg")),
    "mine.html": await readFile(path("pages/mine.html")),
    "mine.js": await script("src/mine.ts"),
    "proof.js": await script("src/proof.ts", "esm"),
    "widget.js": await script("src/widget.ts"),
  };
}

async function check(files) {
  const there = await readdir(path("dist/")).catch(() => []);
  const names = Object.keys(files);
  const stale = [
    ...there.filter((name) => !names.includes(name)),
    ...(await Promise.all(
      names.map(async (name) => {
        const is = await readFile(path(`dist/${name}`)).catch(() => null);
        return is !== null && is.equals(Buffer.from(files[name])) ? [] : [name];
      }),
    )).flat(),
  ];
  if (stale.length > 0) {
    console.error(`ui/dist is stale: ${stale.join(", ")}. Run \`npm run build\` in ui/.`);
    process.exit(1);
  }
}

function sizes(files) {
  for (const [name, bytes] of Object.entries(files)) {
    const small = gzipSync(bytes, { level: 9 }).length;
    console.log(`${name.padEnd(12)} ${String(bytes.length).padStart(7)} B  ${String(small).padStart(6)} B gzipped`);
    if (name === "widget.js" && small >= WIDGET_LIMIT) {
      console.error(`widget.js must stay under ${WIDGET_LIMIT} B gzipped`);
      process.exit(1);
    }
  }
}

if (process.argv.includes("--tests")) {
  await rm(path("out/"), { recursive: true, force: true });
  await esbuild.build({
    absWorkingDir: root.pathname,
    bundle: true,
    entryPoints: [path("test/logic.ts")],
    outfile: path("out/logic.mjs"),
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
} else {
  const files = await everything();
  if (process.argv.includes("--check")) {
    await check(files);
  } else {
    await rm(path("dist/"), { recursive: true, force: true });
    await mkdir(path("dist/"), { recursive: true });
    for (const [name, bytes] of Object.entries(files)) await writeFile(path(`dist/${name}`), bytes);
  }
  sizes(files);
}
