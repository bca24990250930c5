//! Reading what other programs wrote: the fixtures of `scripts/make_fixtures.py`, their expected
//! numbers included.

mod arrays;
mod networks;

use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
