//! The target `change_parse` for libFuzzer; what it does is in `tests/src/fuzz/change_parse.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("change_parse"),
    |data: &[u8]| (indelible_tests::fuzz::target("change_parse").run)(data)
);
