//! Tests of whole file runs and merges, within the crate: they change files at chosen moments.

mod changed_inputs;
mod faults;
mod groups;
mod support;
