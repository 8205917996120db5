// A passkey without hands: the browser's virtual authenticator, and the
// authenticator app's codes.

import { createHmac } from "node:crypto";

/** Adds a platform authenticator that keeps passkeys and verifies its user at once. */
export async function addAuthenticator(page, { userVerified = true } = {}) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      ctap2Version: "ctap2_1",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: userVerified,
      automaticPresenceSimulation: true,
    },
  });
  return {
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    /** From now on the user does (or does not) verify. */
    verify: (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    /** From now on its answers have these faults: `isBogusSignature`, `isBadUV`, `isBadUP`; none of those left out. */
    lie: ({ isBogusSignature = false, isBadUV = false, isBadUP = false }) =>
      cdp.send("WebAuthn.setResponseOverrideBits", { authenticatorId, isBogusSignature, isBadUV, isBadUP }),
    /** It holds this credential, in place of one with the same id. */
    put: async (credential) => {
      const held = (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
      const { credentialId } = credential;
      if (held.some((one) => one.credentialId === credentialId)) await cdp.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
      await cdp.send("WebAuthn.addCredential", { authenticatorId, credential });
    },
    remove: () => cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId }),
  };
}

/** RFC 6238. `secret` is base32 as in an `otpauth://` address; `at` is in milliseconds. */
export function totp(secret, { at = Date.now(), digits = 6, period = 30, algorithm = "sha1" } = {}) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 1000 / period)));
  const mac = createHmac(algorithm, base32(secret)).update(counter).digest();
  const from = mac[mac.length - 1] & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 10 ** digits).padStart(digits, "0");
}

/** The code for an `otpauth://totp/...` address, with the parameters it names. */
export function totpFor(otpauth, at = Date.now()) {
  const q = new URL(otpauth).searchParams;
  return totp(q.get("secret"), {
    at,
    digits: Number(q.get("digits") ?? 6),
    period: Number(q.get("period") ?? 30),
    algorithm: (q.get("algorithm") ?? "SHA1").toLowerCase().replace("-", ""),
  });
}

function base32(text) {
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const c of text.toUpperCase().replace(/[\s=-]/g, "")) {
    const digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c);
    if (digit < 0) throw new Error("not base32");
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
      value &= (1 << bits) - 1;
    }
  }
  return Buffer.from(bytes);
}
