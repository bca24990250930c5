//! An answer depends on its observation alone: not on the batch size, the number of threads, the
//! neighbours or the order. Codes are compared bit for bit, and rows of the report as text.
//!
//! The starting codes of `best` and `descent` also depend on the index of the observation
//! (docs/BEST.md, docs/DESCENT.md). So their observations keep their index: parts of a run, other
//! neighbours, but not another order.

use std::cell::Cell;
use std::sync::Arc;

use nalgebra::DMatrix;
use proptest::prelude::*;
use unrelu::{
    BestMethod, BestOptions, DescentOptions, DeviceChoice, InvertedBatch, Inverter, LayerwiseMethod, LayerwiseOptions,
    Method, Objective, ObservationRow, Options, Tolerances,
};

use crate::generators::{Case, cases};
use crate::trial::check;

pub const LAYERWISE: [LayerwiseMethod; 4] =
    [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed];

/// Codes by their bits, and rows without their index.
type Answers = (Vec<Vec<u64>>, Vec<String>);

fn text(row: &ObservationRow) -> String {
    let mut row = row.clone();
    row.index = 0;
    format!("{row:?}")
}

fn answers(batches: &[InvertedBatch]) -> Answers {
    let codes = batches.iter().flat_map(|batch| batch.codes.column_iter());
    let codes = codes.map(|code| code.iter().map(|z| z.to_bits()).collect()).collect();
    (codes, batches.iter().flat_map(|batch| batch.rows.iter().map(text)).collect())
}

/// The answers at these places.
fn at(answers: &Answers, places: &[usize]) -> Answers {
    (places.iter().map(|i| answers.0[*i].clone()).collect(), places.iter().map(|i| answers.1[*i].clone()).collect())
}

fn methods(epsilon: f64) -> Vec<(Method, bool)> {
    let tolerances = Tolerances::default().epsilon(epsilon);
    let programs = LAYERWISE.map(|method| {
        let options = LayerwiseOptions::default().method(method).tolerances(tolerances);
        (Method::Layerwise(options), true)
    });
    let search = BestMethod::default().tolerances(tolerances);
    let best = |objective| {
        let options = BestOptions::default().starts(6).objective(objective);
        (Method::Best(search.clone().search(options)), false)
    };
    let descent = (Method::Descent(DescentOptions::default().iterations(30).restarts(1)), false);
    programs.into_iter().chain([best(Objective::L2), best(Objective::L1), descent]).collect()
}

fn inverter(case: &Case, method: &Method, refine: bool, threads: usize) -> Inverter {
    let options = Options::default().method(method.clone()).device(DeviceChoice::Cpu).threads(Some(threads));
    let refine = refine && !matches!(method, Method::Best(_));
    Inverter::new(Arc::new(case.network.clone()), options.refine(refine.then_some(Objective::L2))).unwrap()
}

fn invert(inverter: &Inverter, observations: &DMatrix<f64>, first: usize) -> InvertedBatch {
    inverter.invert_from(observations, first as u64).unwrap()
}

/// A case, another order of its observations, a size of batches, and whether to refine.
fn inputs() -> impl Strategy<Value = (Case, Vec<usize>, usize, bool)> {
    cases(2..7).prop_flat_map(|case| {
        let order = Just((0..case.observations.ncols()).collect::<Vec<_>>()).prop_shuffle();
        (Just(case), order, 1..4usize, any::<bool>())
    })
}

#[test]
fn answers_depend_on_their_observation_alone() {
    check(80, inputs(), |(case, order, batch, refine)| {
        let count = case.observations.ncols();
        for (method, any_order) in methods(case.epsilon) {
            let alone = inverter(&case, &method, refine, 1);
            let whole = answers(&[invert(&alone, &case.observations, 0)]);
            // Two threads, in batches.
            let several = inverter(&case, &method, refine, 2);
            let part = |from: usize| {
                let observations = case.observations.columns(from, batch.min(count - from)).into_owned();
                invert(&several, &observations, from)
            };
            let parts: Vec<InvertedBatch> = (0..count).step_by(batch).map(part).collect();
            prop_assert_eq!(&answers(&parts), &whole, "{:?} in batches of {}", method, batch);
            // Half of the observations, the others replaced by spoilt ones.
            let kept: Vec<usize> = (0..count).filter(|i| i % 2 == 0).collect();
            let mut others = case.observations.clone();
            for index in (1..count).step_by(2) {
                others.column_mut(index).fill(if index % 4 == 1 { f64::INFINITY } else { f64::NAN });
            }
            let beside = answers(&[invert(&several, &others, 0)]);
            prop_assert_eq!(at(&beside, &kept), at(&whole, &kept), "{:?} beside spoilt ones", method);
            if any_order {
                let shuffled = case.observations.select_columns(&order);
                let shuffled = answers(&[invert(&several, &shuffled, 0)]);
                prop_assert_eq!(shuffled, at(&whole, &order), "{:?} in another order", method);
            }
        }
        Ok(())
    });
}

/// The comparison can fail: one entry of one observation is changed.
#[test]
fn another_observation_is_seen() {
    let seen = Cell::new(false);
    check(8, cases(1..2), |mut case| {
        let method = &methods(case.epsilon)[1].0;
        let inverter = inverter(&case, method, false, 1);
        let before = answers(&[invert(&inverter, &case.observations, 0)]);
        case.observations[(0, 0)] = 100.0 * case.epsilon;
        seen.set(seen.get() || answers(&[invert(&inverter, &case.observations, 0)]) != before);
        Ok(())
    });
    assert!(seen.get(), "the answers are the same for other observations");
}
