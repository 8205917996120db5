// Accessibility rules of axe-core, run inside the page (shadow roots included).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The serious and critical findings within `scope`, one line each. */
export async function findings(page, scope = "html") {
  // Sent through the debugger, so the page's own policy stays as it is.
  await page.evaluate(source);
  const { violations } = await page.evaluate((within) =>
    window.axe.run(within, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
    scope,
  );
  return violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.impact} ${v.id}: ${v.help} at ${v.nodes.map((n) => n.target.flat().join(" > ")).slice(0, 3).join(" | ")}`);
}
