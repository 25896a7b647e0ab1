//! The target `frames` for libFuzzer; what it does is in `tests/src/fuzz/frames.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("frames"),
    |data: &[u8]| (indelible_tests::fuzz::target("frames").run)(data)
);
