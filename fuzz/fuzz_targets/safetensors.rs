#![no_main]

#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/networks.rs"]
mod networks;
#[path = "../../tests/fuzz/safetensors.rs"]
mod safetensors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = safetensors::check(bytes);
});
