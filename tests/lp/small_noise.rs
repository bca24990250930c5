//! `linf` where the noise is far below the data: its optimum is near the accuracy of `w·z`. The
//! oracle is the same program in other coordinates, `z₀ + ρ z′` with the true `z₀` and the noise
//! `ρ`, whose numbers are all of order 1.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::random::{Domain, normal_vector};

use crate::support::uniform;

/// The program at noise `ρ`, and the same in the other coordinates, without the units that are off:
/// they are far from their bounds.
fn programs(units: usize, columns: usize, rho: f64, seed: u64) -> (LayerSystem, [Problem; 2]) {
    let weight = DMatrix::from_vec(units, columns, normal_vector(seed, Domain::Network, 0, units * columns));
    let z = DVector::from_vec(normal_vector(seed, Domain::Code, 0, columns));
    let noise = uniform(seed, units);
    let a = &weight * z;
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for unit in 0..units {
        if a[unit] > 0.0 {
            let t = a[unit] + rho * noise[unit];
            for side in [1.0, -1.0] {
                own.push(Row { unit, side, slack: 1.0, bound: side * t, magnitude: t.abs() });
                other.push(Row { unit, side, slack: 1.0, bound: side * noise[unit], magnitude: noise[unit].abs() });
            }
        } else {
            own.push(Row { unit, side: 1.0, slack: 1.0, bound: 0.0, magnitude: 0.0 });
        }
    }
    let system = LayerSystem::new(weight, DVector::zeros(units), false);
    (system, [own, other].map(|rows| Problem { rows, objective: Objective::LargestViolation }))
}

#[test]
fn the_optimum_is_that_of_shifted_coordinates_and_takes_no_second_attempt() {
    for (units, columns) in [(60, 10), (150, 40)] {
        for rho in [1e-6, 1e-8, 1e-9] {
            for seed in 0..6 {
                let (system, [own, other]) = programs(units, columns, rho, 70 + seed);
                let found = solve_certified(&system, &LpEngine, &[own]).remove(0);
                let expected = solve_certified(&system, &ClarabelReference, &[other]).remove(0);
                assert!(found.is_certified() && expected.is_certified());
                let (found_delta, expected) = (found.objective() / rho, expected.objective());
                let what = format!("{units} × {columns}, noise {rho:e}, seed {seed}");
                // A vertex may violate a row by 1e-13 of the largest bound; and the oracle's own
                // tolerance.
                let tolerance = 1e-5 + 1e-11 / rho;
                assert!((found_delta - expected).abs() <= tolerance * expected, "{what}: {found_delta} {expected}");
                assert!(!found.retried, "{what}");
            }
        }
    }
}
