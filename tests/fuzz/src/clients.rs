//! The target `clients` for libFuzzer; what it does is in `tests/src/fuzz/clients.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: indelible_tests::fuzz::sow("clients"),
    |data: &[u8]| (indelible_tests::fuzz::target("clients").run)(data)
);
