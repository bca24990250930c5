//! Layer LPs of 33 to 70 columns and up to 200 rows, degenerate on purpose: at this size, the
//! engine uses single precision while the gap is wide. No answer may be wrong, hang, or be called
//! solved without a certificate.
//!
//! `UNRELU_MEDIUM_LPS=10000 cargo test --release --test lp medium` runs more of them than the
//! usual 400.

use unrelu::Activation;

use crate::awkward;
use crate::comparison::{Findings, wanted};
use crate::support::random_instance;

fn shape(choose: &mut awkward::Choices) -> (usize, usize) {
    let columns = 33 + choose.below(38);
    (20 + choose.below(181), columns)
}

#[test]
fn medium_degenerate_problems_are_solved_and_none_wrongly() {
    Findings::check(wanted("UNRELU_MEDIUM_LPS", 400), 1, |seed| awkward::instance(seed, shape));
}

#[test]
fn medium_random_problems_are_solved_and_none_wrongly() {
    Findings::check(wanted("UNRELU_MEDIUM_LPS", 400), 1, |seed| {
        let activation = [Activation::Relu, Activation::LeakyRelu(0.1), Activation::LeakyRelu(0.7)][seed as usize % 3];
        let columns = 33 + (11 * seed as usize) % 38;
        let units = columns + (17 * seed as usize) % (201 - columns);
        let noise = [0.0, 1e-2, 0.2][seed as usize / 3 % 3];
        random_instance(units, columns, activation, seed % 2 == 0, noise, 50_000 + seed)
    });
}
