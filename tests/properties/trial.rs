//! Runs a property on random inputs that are the same in every run.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// Tries `usual` inputs, or as many as `UNRELU_PROPERTY_CASES` says. Panics with a reduced input
/// where the property does not hold.
pub fn check<T: Debug>(usual: u32, inputs: impl Strategy<Value = T>, property: impl Fn(T) -> TestCaseResult) {
    let cases = match std::env::var("UNRELU_PROPERTY_CASES") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("UNRELU_PROPERTY_CASES={text}: expected a number")),
        Err(_) => usual,
    };
    // Nothing is written: the seed is fixed.
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&inputs, property) {
        panic!("{error}");
    }
}

#[test]
#[should_panic(expected = "minimal failing input: 10")]
fn a_property_that_does_not_hold_is_reported_by_its_least_input() {
    check(100, 0..1000u32, |number| {
        proptest::prop_assert!(number < 10);
        Ok(())
    });
}
