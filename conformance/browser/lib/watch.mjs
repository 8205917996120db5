// Writes down everything a page should not do: console errors, script errors,
// policy violations, and requests to anybody but the origins it may speak to.

export class Watch {
  faults = [];
  #origins;
  #quiet = 0;

  static async over(browser, origins) {
    const watch = new Watch();
    watch.#origins = new Set(origins);
    await browser.exposeBinding("__wardroomViolation", (_, v) => watch.#note(`policy violation: ${v}`));
    await browser.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (e) => {
        window.__wardroomViolation(`${e.effectiveDirective} blocked ${e.blockedURI} at ${e.sourceFile}:${e.lineNumber} ${e.sample}`);
      });
    });
    browser.on("page", (page) => watch.#attach(page));
    return watch;
  }

  #attach(page) {
    page.on("console", (m) => {
      if (m.type() === "error" || /Content Security Policy|Trusted/i.test(m.text())) this.#note(`console: ${m.text()}`);
    });
    page.on("pageerror", (e) => this.#note(`script error: ${e.message}`));
    page.on("crash", () => this.#note("the page crashed"));
    page.on("request", (r) => {
      const url = new URL(r.url());
      if (/^https?:$/.test(url.protocol) && !this.#origins.has(url.origin)) this.#note(`request to ${url.origin}`);
    });
  }

  #note(fault) {
    if (this.#quiet === 0) this.faults.push(fault);
  }

  /** One more origin that pages may speak to. */
  also(origin) {
    this.#origins.add(origin);
  }

  /** Faults that `body` causes on purpose (a network cut, an injected test script) are not written down. */
  async expecting(body) {
    this.#quiet++;
    try {
      return await body();
    } finally {
      // Console messages of what just ended still come in.
      await new Promise((r) => setTimeout(r, 300));
      this.#quiet--;
    }
  }

  /** The faults since the last call. */
  take() {
    return this.faults.splice(0);
  }
}
