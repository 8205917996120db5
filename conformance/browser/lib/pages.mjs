// Looks at one page in every dress: light and dark, wide and narrow. Used for
// any server-rendered page; the console's script brings its own list.

import { join } from "node:path";
import { findings } from "./axe.mjs";
import { expect } from "./checks.mjs";

export const SIZES = [
  { width: 1280, height: 800 },
  { width: 360, height: 740 },
];

/**
 * Takes screenshots of the page as it stands, and fails when it is wider than
 * the window, a table or a secret is cut off at the side of its frame, or
 * axe-core finds something serious (within `scope`).
 */
export async function inspect(page, watch, out, name, { scope = "html", fullPage = true } = {}) {
  const faults = [];
  for (const size of SIZES) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(150);
      const dress = `${size.width}-${colorScheme}`;
      await page.screenshot({ path: join(out, `${name}-${dress}.png`), fullPage });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) faults.push(`${dress}: ${wide} px too wide`);
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll(".table-wrap, .card, pre.whole")].filter((frame) => frame.scrollWidth > frame.clientWidth + 1)
          .map((frame) => `${frame.className} "${frame.innerText.slice(0, 40)}" by ${frame.scrollWidth - frame.clientWidth} px`));
      faults.push(...cut.map((what) => `${dress}: cut off: ${what.replaceAll("\n", " ")}`));
      faults.push(...(await watch.expecting(() => findings(page, scope))).map((f) => `${dress}: ${f}`));
    }
  }
  await page.setViewportSize(SIZES[0]);
  await page.emulateMedia({ colorScheme: "light" });
  expect(faults.length === 0, faults.join("\n"));
}
