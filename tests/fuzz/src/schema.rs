//! The target `schema` for libFuzzer; what it does is in `tests/src/fuzz/schema.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("schema"),
    |data: &[u8]| (indelible_tests::fuzz::target("schema").run)(data)
);
