//! Files that other programs wrote: the fixtures of `scripts/make_fixtures.py`, including their
//! expected numbers.

mod array_properties;
mod arrays;
mod networks;
mod stated_networks;
mod zip_records;

use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
