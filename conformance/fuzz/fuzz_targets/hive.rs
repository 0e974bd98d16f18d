#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wimforge_exercise::hive::all(data));
