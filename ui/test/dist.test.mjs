import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const root = new URL("../", import.meta.url);
const dist = (name) => readFileSync(new URL(`dist/${name}`, root), "utf8");

test("dist is what the sources give, byte for byte", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: root, stdio: "pipe" });
});

test("the widget stays under 15,000 bytes gzipped", () => {
  assert.ok(gzipSync(dist("widget.js"), { level: 9 }).length < 15_000);
});

test("no script touches a sink that Trusted Types or the policy forbids", () => {
  for (const name of ["widget.js", "console.js", "proof.js"]) {
    const code = dist(name);
    for (const sink of ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc", 'setAttribute("style"', "DOMParser", "createContextualFragment"]) {
      assert.ok(!code.includes(sink), `${name} has ${sink}`);
    }
  }
});

test("no page or stylesheet has anything inline or from elsewhere", () => {
  for (const name of readdirSync(new URL("dist/", root))) {
    const text = dist(name);
    if (name.endsWith(".html")) {
      assert.doesNotMatch(text, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:/i, name);
      assert.doesNotMatch(text, /(?:src|href)="(?!\/|#)/, name);
    }
    if (name.endsWith(".css")) assert.doesNotMatch(text, /url\(|@import|expression\(/, name);
  }
});

test("every version is exact and the lock file names no host", () => {
  const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  for (const version of Object.values(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.doesNotMatch(readFileSync(new URL("package-lock.json", root), "utf8"), /"resolved"|registry/);
});
