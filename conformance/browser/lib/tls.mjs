// A throw-away certificate authority and server certificate, for loopback only.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Makes `ca.pem` and a key and certificate for localhost in `dir`; valid for one day. */
export function loopbackCertificate(dir) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const at = (name) => join(dir, name);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  writeFileSync(
    at("leaf.cnf"),
    "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n",
  );
  const curve = ["-pkeyopt", "ec_paramgen_curve:P-256"];
  openssl("req", "-x509", "-newkey", "ec", ...curve, "-nodes", "-days", "1", "-subj", "/CN=Browser test CA",
    "-keyout", at("ca.key"), "-out", at("ca.pem"));
  openssl("req", "-newkey", "ec", ...curve, "-nodes", "-subj", "/CN=localhost", "-keyout", at("leaf.key"), "-out", at("leaf.csr"));
  openssl("x509", "-req", "-in", at("leaf.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial",
    "-days", "1", "-extfile", at("leaf.cnf"), "-out", at("leaf.pem"));
  return { ca: at("ca.pem"), key: readFileSync(at("leaf.key")), cert: readFileSync(at("leaf.pem")) };
}
