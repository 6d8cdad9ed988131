#![no_main]
#[allow(dead_code)]
#[path = "../../support/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::routing::hold(data));
