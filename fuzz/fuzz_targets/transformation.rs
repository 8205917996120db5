//! The target `transformation` of `fuzz/waf.rs`.
#![no_main]
#![allow(dead_code, reason = "one target of several")]

#[path = "../waf.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::transformation(data));
