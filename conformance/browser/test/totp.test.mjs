import assert from "node:assert/strict";
import { test } from "node:test";
import { totp, totpFor } from "../lib/authenticator.mjs";

test("codes match the vectors of RFC 6238, appendix B", () => {
  const sha1 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  const sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
  assert.equal(totp(sha1, { at: 59_000, digits: 8 }), "94287082");
  assert.equal(totp(sha1, { at: 1_111_111_109_000, digits: 8 }), "07081804");
  assert.equal(totp(sha1, { at: 20_000_000_000_000, digits: 8 }), "65353130");
  assert.equal(totp(sha256, { at: 59_000, digits: 8, algorithm: "sha256" }), "46119246");
});

test("an otpauth address brings its own parameters", () => {
  const address = "otpauth://totp/W:a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8&period=30&algorithm=SHA1";
  assert.equal(totpFor(address, 59_000), "94287082");
});
