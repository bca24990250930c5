#![no_main]

#[path = "../../tests/fuzz/layer.rs"]
mod layer;
#[allow(dead_code, reason = "the tests of the linear programs use the rest")]
#[path = "../../tests/lp/support.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = layer::check(bytes);
});
