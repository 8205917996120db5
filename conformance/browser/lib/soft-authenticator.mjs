// An authenticator in software that says whatever it is told to say: for answers that no honest one gives.
// Byte strings are base64url, in the fields that the console's own script sends.

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** CBOR (RFC 8949) of what authenticators write: integers, byte strings, texts, and maps as lists of pairs. */
export function cbor(value) {
  const head = (major, n) => {
    if (n < 24) return Buffer.from([(major << 5) | n]);
    if (n < 256) return Buffer.from([(major << 5) | 24, n]);
    const wide = Buffer.alloc(n < 65536 ? 3 : 5);
    wide[0] = (major << 5) | (n < 65536 ? 25 : 26);
    if (n < 65536) wide.writeUInt16BE(n, 1);
    else wide.writeUInt32BE(n, 1);
    return wide;
  };
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.length), ...value.flat().map(cbor)]);
}

const part = (jwk, name) => Buffer.from(jwk[name], "base64url");

/** Keys by name: how they are made, written for COSE (RFC 9053), and sign. */
const KINDS = {
  ES256: {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    cose: (jwk) => [[1, 2], [3, -7], [-1, 1], [-2, part(jwk, "x")], [-3, part(jwk, "y")]],
    sign: (key, data) => sign("sha256", data, key),
  },
  EdDSA: {
    make: () => generateKeyPairSync("ed25519"),
    cose: (jwk) => [[1, 1], [3, -8], [-1, 6], [-2, part(jwk, "x")]],
    sign: (key, data) => sign(null, data, key),
  },
  RS256: {
    make: (bits = 2048) => generateKeyPairSync("rsa", { modulusLength: bits }),
    cose: (jwk) => [[1, 3], [3, -257], [-1, part(jwk, "n")], [-2, part(jwk, "e")]],
    sign: (key, data) => sign("sha256", data, key),
  },
  ES384: {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
    cose: (jwk) => [[1, 2], [3, -35], [-1, 2], [-2, part(jwk, "x")], [-3, part(jwk, "y")]],
    sign: (key, data) => sign("sha384", data, key),
  },
};

export class SoftAuthenticator {
  id = randomBytes(32);
  counter = 0;

  constructor(kind = "ES256", bits) {
    this.kind = KINDS[kind];
    this.pair = this.kind.make(bits);
  }

  /** The public key for COSE, as pairs. */
  cose() {
    return this.kind.cose(this.pair.publicKey.export({ format: "jwk" }));
  }

  #data(rpId, flags, attested) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.counter);
    return Buffer.concat([sha256(rpId), Buffer.from([flags]), counter, attested]);
  }

  #client(type, { challenge, origin, crossOrigin = false }) {
    return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin }));
  }

  /** The answer to `create()`. `lie` changes the parts that are told. */
  create({ challenge, origin, rpId }, lie = {}) {
    const told = { type: "webauthn.create", flags: 0x45, id: this.id, cose: this.cose(), after: Buffer.alloc(0), ...lie };
    const client = this.#client(told.type, { challenge, origin, ...lie });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(told.id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, told.id, cbor(told.cose)]);
    const data = Buffer.concat([this.#data(lie.rpId ?? rpId, told.flags, told.flags & 0x40 ? attested : Buffer.alloc(0)), told.after]);
    const object = told.object ?? cbor([["fmt", "none"], ["attStmt", []], ["authData", data]]);
    return { id: b64(told.says ?? told.id), client_data: b64(client), attestation_object: b64(object) };
  }

  /** The answer to `get()`. `lie` changes the parts that are told, after which they are signed all the same. */
  get({ challenge, origin, rpId }, lie = {}) {
    const told = { type: "webauthn.get", flags: 0x05, id: this.id, after: Buffer.alloc(0), user: null, ...lie };
    const client = this.#client(told.type, { challenge, origin, ...lie });
    const data = Buffer.concat([this.#data(lie.rpId ?? rpId, told.flags, Buffer.alloc(0)), told.after]);
    const signed = (lie.signs ?? ((bytes) => this.kind.sign(this.pair.privateKey, bytes)))(Buffer.concat([data, sha256(client)]));
    return { id: b64(told.id), client_data: b64(client), authenticator_data: b64(data), signature: b64(signed), user_handle: told.user };
  }
}
