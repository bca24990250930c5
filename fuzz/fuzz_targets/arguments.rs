#![no_main]

#[path = "../../tests/fuzz/arguments.rs"]
mod arguments;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = arguments::check(bytes);
});
