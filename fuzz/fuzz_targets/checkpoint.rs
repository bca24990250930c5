#![no_main]

#[path = "../../tests/fuzz/checkpoint.rs"]
mod checkpoint;
#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/networks.rs"]
mod networks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = checkpoint::check(bytes);
});
