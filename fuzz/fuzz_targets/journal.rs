#![no_main]

#[path = "../../tests/fuzz/journal.rs"]
mod journal;
#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/sealed.rs"]
mod sealed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = journal::check(bytes);
});
