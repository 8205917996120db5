// A samlp provider over HTTP: everybody who comes is alice.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const samlp = require("samlp");

const [folder, port, what, entity, acs] = process.argv.slice(2);
const own = `http://127.0.0.1:${port}`;
const read = (name) => fs.readFileSync(`${folder}/${name}`);
const alice = {
  id: "alice",
  displayName: "Alice",
  emails: [{ value: process.env.EMAIL ?? "alice@corp.example" }],
  name: { givenName: "Alice", familyName: "Ångström & <Co>" },
};
const common = { issuer: `${own}/idp`, cert: read("idp.crt"), key: read("idp.key") };
const encrypted = what === "encrypted" && {
  encryptionCert: read("encryption.pem"),
  encryptionPublicKey: new crypto.X509Certificate(read("encryption.pem")).publicKey.export({ type: "spki", format: "pem" }),
  encryptionAlgorithm: "http://www.w3.org/2009/xmlenc11#aes256-gcm",
};
const login = samlp.auth({
  ...common,
  ...encrypted,
  audience: entity,
  recipient: acs,
  destination: acs,
  signatureAlgorithm: "rsa-sha256",
  digestAlgorithm: "sha256",
  lifetimeInSeconds: 300,
  signResponse: what === "response",
  getPostURL: (_wtrealm, _wreply, _request, done) => done(null, acs),
  getUserFromRequest: () => alice,
});
const metadata = samlp.metadata({
  ...common,
  postEndpointPath: "/sso",
  redirectEndpointPath: "/sso",
  logoutEndpointPaths: {},
});

http
  .createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const address = new URL(request.url, own);
    // What the middleware expects of Express.
    request.query = Object.fromEntries(address.searchParams);
    request.body = Object.fromEntries(new URLSearchParams(text));
    request.protocol = "http";
    request.originalUrl = request.url;
    request.get = (name) => request.headers[name.toLowerCase()];
    response.set = (name, value) => response.setHeader(name, value);
    response.type = () => response;
    response.send = (body) => response.end(body);
    response.status = (code) => Object.assign(response, { statusCode: code });
    const next = (error) => {
      response.statusCode = 500;
      response.end(String(error));
    };
    (address.pathname === "/metadata" ? metadata : login)(request, response, next);
  })
  .listen(Number(port), "127.0.0.1");
