//! The target `oidc-text` of `fuzz/federation.rs`.
#![no_main]
#![allow(dead_code, reason = "one target of several")]

#[path = "../federation.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::oidc_text(data));
