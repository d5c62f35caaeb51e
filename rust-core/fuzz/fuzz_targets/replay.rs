#![no_main]

#[path = "../../tests/it/harness/mod.rs"]
#[allow(dead_code, unused_imports)]
mod harness;
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::replay(data));
