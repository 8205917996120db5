// Starts Chromium the way every script here needs it: empty profile, no
// background traffic, and our private CA trusted through NSS rather than
// certificate errors ignored.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/**
 * Opens a browser with its own profile and home, trusting the CAs in `caFiles`.
 * `close()` ends it and removes both.
 */
export async function openBrowser(caFiles, { width = 1280, height = 800, ...context } = {}) {
  const home = mkdtempSync(join(tmpdir(), "wardroom-browser-"));
  const nss = join(home, ".pki", "nssdb");
  mkdirSync(nss, { recursive: true, mode: 0o700 });
  const certutil = (...args) => execFileSync("certutil", ["-d", `sql:${nss}`, ...args], { stdio: "pipe" });
  certutil("-N", "--empty-password");
  caFiles.forEach((file, i) => certutil("-A", "-n", `test-ca-${i}`, "-t", "C,,", "-i", file));

  const browser = await chromium.launchPersistentContext(join(home, "profile"), {
    executablePath: CHROMIUM,
    args: FLAGS,
    env: { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8" },
    viewport: { width, height },
    locale: "en-GB",
    ...context,
  });
  return {
    browser,
    async close() {
      await browser.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
