//! The target `http_bodies` for libFuzzer; what it does is in `tests/src/fuzz/http_bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("http_bodies"),
    |data: &[u8]| (indelible_tests::fuzz::target("http_bodies").run)(data)
);
