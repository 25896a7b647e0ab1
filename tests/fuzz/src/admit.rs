//! The target `admit` for libFuzzer; what it does is in `tests/src/fuzz/admit.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("admit"),
    |data: &[u8]| (indelible_tests::fuzz::target("admit").run)(data)
);
