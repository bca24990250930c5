//! What README and docs promise of every input, tried on random ones by proptest.
//!
//! The inputs are the same in every run. `UNRELU_PROPERTY_CASES=2000 cargo test --release --test
//! properties` tries as many per property instead of the usual number. A failing input is reduced
//! before it is reported; add it as a plain test.

mod agreement;
mod decoders;
mod generators;
mod independence;
mod last_layer_units;
mod layer_units;
mod observation_units;
mod ranges;
mod refusals;
mod symmetries;
mod trial;
mod verdicts;
mod weightless;

#[path = "../lp/support.rs"]
#[expect(dead_code, reason = "the tests of the linear programs use the rest")]
mod support;

#[path = "../cli/folder.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod folder;
