//! Other units of the observations: times a power of two, with the biases and ε, they scale the
//! codes of the layer-wise methods exactly. Nothing else in the report changes, except that
//! tolerances, objectives and residuals are in the new units.
//!
//! Where all bounds of a program are 0, the program is the same in all units, and so is its answer.
//! Observations with such a program are left out. What is below 1e-15 of ε is rounding and counts
//! as 0.
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

/// Whether every program of this observation has a bound that is surely not 0: an active entry, or
/// a bias where all entries are observed.
fn has_unit(case: &Case, row: &ObservationRow, observation: usize) -> bool {
    let mut all_observed = case.observations.column(observation).iter().all(|x| !x.is_nan());
    row.layers.iter().all(|layer| {
        let has_bias = case.network.layers()[layer.layer - 1].bias.iter().any(|bias| *bias != 0.0);
        let has_unit = layer.active_rows > 0 || has_bias && all_observed;
        all_observed = layer.undetermined_entries == 0;
        has_unit
    })
}

/// A row as text, its numbers in other units. Reasons of failures are named by their kind.
pub fn in_units(row: &ObservationRow, units: f64, method: LayerwiseMethod) -> String {
    let mut row = row.clone();
    row.residual.linf *= units;
    row.residual.l1 *= units;
    row.residual.rms *= units;
    row.tolerance *= units;
    row.epsilon *= units;
    // The law of the codes has a size.
    row.far_code = false;
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

/// A code in other units, bit for bit; `epsilon` is in the units before.
pub fn bits(batch: &InvertedBatch, observation: usize, units: f64, epsilon: f64) -> Vec<u64> {
    let of_entry = |z: &f64| {
        let is_zero = z.abs() <= NOTHING * epsilon;
        if z.is_nan() || is_zero { u64::from(z.is_nan()) } else { (z * units).to_bits() }
    };
    batch.codes.column(observation).iter().map(of_entry).collect()
}

#[test]
fn observations_biases_and_epsilon_times_a_power_of_two() {
    let (solved, failed) = (Cell::new(0), Cell::new(0));
    check(250, (cases(1..3), -40..40i32), |(case, power)| {
        let units = 2.0f64.powi(power);
        let layers =
            case.network.layers().iter().map(|layer| DenseLayer { bias: &layer.bias * units, ..layer.to_dense() });
        let scaled = Case {
            network: Network::dense(layers.collect()).unwrap(),
            observations: &case.observations * units,
            epsilon: case.epsilon * units,
        };
        for method in LAYERWISE {
            let (before, after) = (invert(&case, method), invert(&scaled, method));
            for (index, (old, new)) in before.rows.iter().zip(&after.rows).enumerate() {
                if !has_unit(&case, old, index) {
                    continue;
                }
                let cell = if old.status.is_good() { &solved } else { &failed };
                cell.set(cell.get() + 1);
                let codes = (bits(&before, index, units, case.epsilon), bits(&after, index, 1.0, scaled.epsilon));
                prop_assert_eq!(codes.0, codes.1, "{}", method);
                prop_assert_eq!(in_units(old, units, method), in_units(new, 1.0, method));
            }
        }
        Ok(())
    });
    println!("{} solved, {} not", solved.get(), failed.get());
    assert!(solved.get() > 20 && failed.get() > 5, "{} solved, {} not", solved.get(), failed.get());
}
