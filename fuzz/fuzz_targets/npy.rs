#![no_main]

#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/npy.rs"]
mod npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = npy::check(bytes);
});
