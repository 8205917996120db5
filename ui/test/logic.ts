// What the tests exercise, bundled into out/logic.mjs.
export * from "../src/chat/backoff";
export * from "../src/chat/conversation";
export * from "../src/chat/keep";
export * from "../src/chat/links";
export * from "../src/chat/parse";
export * from "../src/chat/sse";
export * from "../src/chat/thread";
export * from "../src/chat/words";
export * from "../src/console/webauthn";
export * from "../src/proof";
