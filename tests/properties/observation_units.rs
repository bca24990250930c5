//! Other units of the observations: times a power of two, with the biases and ε, they scale the
//! codes of the layer-wise methods exactly. Nothing else in the report changes, except that
//! tolerances, objectives and residuals are in the new units.
//!
//! Where all bounds of a program are 0, it has no unit, and what rounding leaves of its optimum of 0
//! has none either. So what is below 1e-15 of ε counts as 0.
//!
//! This is not promised of `best` and `descent`, which start from codes of N(0, 1).

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use unrelu::{
    DenseLayer, DeviceChoice, InvertedBatch, Inverter, LayerwiseMethod, LayerwiseOptions, Method, Network,
    ObservationRow, Options, Tolerances,
};

use crate::generators::{Case, cases};
use crate::independence::LAYERWISE;
use crate::trial::check;

/// The share of ε that counts as 0.
const NOTHING: f64 = 1e-15;

pub fn invert(case: &Case, method: LayerwiseMethod) -> InvertedBatch {
    let options = LayerwiseOptions::default().method(method).tolerances(Tolerances::default().epsilon(case.epsilon));
    let options = Options::default().method(Method::Layerwise(options)).reproduces_within(case.epsilon);
    let options = options.device(DeviceChoice::Cpu).threads(Some(1));
    Inverter::new(Arc::new(case.network.clone()), options).unwrap().invert(&case.observations).unwrap()
}

/// A row as text, its numbers in other units. Reasons of failures are named by their kind.
pub fn in_units(row: &ObservationRow, units: f64, method: LayerwiseMethod) -> String {
    let mut row = row.clone();
    row.residual.linf *= units;
    row.residual.l1 *= units;
    row.residual.rms *= units;
    for layer in &mut row.layers {
        if layer.objective.abs() <= NOTHING * layer.epsilon {
            layer.objective = 0.0;
        }
        layer.epsilon *= units;
        // Bilinear in target and code.
        layer.objective *= if method == LayerwiseMethod::Relaxed { units * units } else { units };
    }
    let failure = row.status.failure().map(|failure| failure.kind());
    match failure {
        Some(kind) => format!("{kind:?} {:?}", row.layers),
        None => format!("{row:?}"),
    }
}

/// The codes in other units, bit for bit; `epsilon` is in the units before.
pub fn bits(batch: &InvertedBatch, units: f64, epsilon: f64) -> Vec<u64> {
    let of_entry = |z: &f64| {
        let is_zero = z.abs() <= NOTHING * epsilon;
        if z.is_nan() || is_zero { u64::from(is_zero) } else { (z * units).to_bits() }
    };
    batch.codes.iter().map(of_entry).collect()
}

#[test]
fn observations_biases_and_epsilon_times_a_power_of_two() {
    let (solved, failed) = (Cell::new(0), Cell::new(0));
    check(250, (cases(1..3), -40..40i32), |(case, power)| {
        let units = 2.0f64.powi(power);
        let layers =
            case.network.layers().iter().map(|layer| DenseLayer { bias: &layer.bias * units, ..layer.clone() });
        let scaled = Case {
            network: Network::dense(layers.collect()).unwrap(),
            observations: &case.observations * units,
            epsilon: case.epsilon * units,
        };
        for method in LAYERWISE {
            let (before, after) = (invert(&case, method), invert(&scaled, method));
            prop_assert_eq!(bits(&before, units, case.epsilon), bits(&after, 1.0, scaled.epsilon), "{}", method);
            for (before, after) in before.rows.iter().zip(&after.rows) {
                let cell = if before.status.is_good() { &solved } else { &failed };
                cell.set(cell.get() + 1);
                prop_assert_eq!(in_units(before, units, method), in_units(after, 1.0, method));
            }
        }
        Ok(())
    });
    println!("{} solved, {} not", solved.get(), failed.get());
    assert!(solved.get() > 20 && failed.get() > 5, "{} solved, {} not", solved.get(), failed.get());
}
