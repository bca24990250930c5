#![no_main]

#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/merge.rs"]
mod merge;
#[path = "../../tests/fuzz/sealed.rs"]
mod sealed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = merge::check(bytes);
});
