// WebAuthn options and credentials between JSON and buffers. Options are the
// JSON of Web Authentication Level 3, section 5.1.8, in `publicKey` or bare;
// answers are the few fields that the server's verifier reads.

type Fields = Record<string, unknown>;

export function toBytes(base64url: string): ArrayBuffer {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

export function toBase64url(buffer: ArrayBuffer): string {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function creationOptions(body: Fields): PublicKeyCredentialCreationOptions {
  const o = inner(body);
  const user = object(o["user"]);
  return {
    ...(o as object),
    challenge: toBytes(text(o["challenge"])),
    user: { ...user, id: toBytes(text(user["id"])) },
    excludeCredentials: descriptors(o["excludeCredentials"]),
  } as unknown as PublicKeyCredentialCreationOptions;
}

export function requestOptions(body: Fields): PublicKeyCredentialRequestOptions {
  const o = inner(body);
  return {
    ...(o as object),
    challenge: toBytes(text(o["challenge"])),
    allowCredentials: descriptors(o["allowCredentials"]),
  } as unknown as PublicKeyCredentialRequestOptions;
}

/** What our server reads after either ceremony: exactly these fields, byte strings as base64url. */
export function credentialJson(credential: PublicKeyCredential): Fields {
  const { id, response } = credential;
  const client_data = toBase64url(response.clientDataJSON);
  if (response instanceof AuthenticatorAttestationResponse) {
    return { id, client_data, attestation_object: toBase64url(response.attestationObject) };
  }
  const { authenticatorData, signature, userHandle } = response as AuthenticatorAssertionResponse;
  return {
    id,
    client_data,
    authenticator_data: toBase64url(authenticatorData),
    signature: toBase64url(signature),
    user_handle: userHandle && userHandle.byteLength > 0 ? toBase64url(userHandle) : null,
  };
}

function inner(body: Fields): Fields {
  return "publicKey" in body ? object(body["publicKey"]) : body;
}

function descriptors(value: unknown): object[] {
  return Array.isArray(value) ? value.map((d) => ({ ...object(d), id: toBytes(text(object(d)["id"])) })) : [];
}

function object(value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw new TypeError("not WebAuthn options");
  return value as Fields;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("not WebAuthn options");
  return value;
}
