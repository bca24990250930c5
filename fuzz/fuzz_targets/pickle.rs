#![no_main]

#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/networks.rs"]
mod networks;
#[path = "../../tests/fuzz/pickle.rs"]
mod pickle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pickle::check(bytes);
});
