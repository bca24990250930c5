//! Thousands of small layer LPs, degenerate on purpose: no answer may be wrong, hang, or be called
//! solved without a certificate.
//!
//! `UNRELU_SMALL_LPS=100000 cargo test --release --test lp small` runs more of them than the usual
//! 10,000.

use crate::awkward;
use crate::comparison::{Findings, wanted};

#[test]
fn small_problems_are_solved_and_none_wrongly() {
    // 1×1 to 40×12.
    let shape = |choose: &mut awkward::Choices| {
        let small = choose.one_in(3);
        let columns = 1 + choose.below(if small { 3 } else { 12 });
        (1 + choose.below(if small { 6 } else { 40 }), columns)
    };
    Findings::check(wanted("UNRELU_SMALL_LPS", 10_000), 1, |seed| awkward::instance(seed, shape));
}
