//! The same for the kernels of Levenberg–Marquardt.

use bytemuck::cast_slice;
use nalgebra::DMatrix;
use unrelu::DenseLayer;
use unrelu::internals::cpu::gram::gram;
use unrelu::internals::gpu::limits::{LayerLimits, jacobian, residual};
use unrelu::internals::kernel_params::entry_points::{ADVANCE, GRAM, JUDGE, NORMAL, TANGENT};
use unrelu::internals::kernel_params::{
    Damping, GramParams, LANE_DIVERGED, LANE_RESTED, LANE_RUNNING, Lane, MarquardtParams, TangentParams,
};

use super::{
    COUNT, INPUTS, PLANTED, SLOPE, UNITS, all_nan, columns, columns_with, devices, lanes_before, lanes_of, layer,
    leaky, near, numbers, padded, planted, residual_in_f64,
};
use crate::fixtures::matrix;
use crate::single::run;

with_both_modules!(inputs_of_judge, inputs_of_tangent, inputs_of_normal, inputs_of_gram, inputs_of_advance,);

/// Outputs and targets of a batch with the planted numbers in row 6 of one of them, as bits.
fn outputs_and_targets(in_targets: bool) -> [Vec<u32>; 2] {
    let (outputs, targets) = (matrix(4, UNITS, COUNT), matrix(5, UNITS, COUNT));
    match in_targets {
        false => [columns_with(&outputs, 0.0, 6, 1), columns(&targets, f32::NAN)],
        true => [columns(&outputs, 0.0), columns_with(&targets, f32::NAN, 6, 1)],
    }
}

fn inputs_of_judge() {
    for context in devices() {
        for in_targets in [false, true] {
            let [outputs, targets] = outputs_and_targets(in_targets);
            let trials = columns(&matrix(6, INPUTS, COUNT), 0.0);
            let dampings: Vec<u32> = cast_slice(&[Damping::START; COUNT]).to_vec();
            let arrays = [lanes_before(Lane::START), dampings, outputs.clone(), targets.clone(), trials.clone()];
            let judged = run(&context, &JUDGE, marquardt_params(), &arrays, (0, COUNT));
            let (judged, dampings) = (lanes_of(&judged[0]), cast_slice::<u32, Damping>(&judged[1]).to_vec());

            // A trial after an accepted one, whose loss was larger.
            let later = Lane { anchor: 1e6, ..Lane::START };
            let before = Damping { lambda: 1.0, predicted: 1e3, scale: 1.0, ..Damping::START };
            let before = cast_slice(&[before; COUNT]).to_vec();
            let arrays = [lanes_before(later), before, outputs.clone(), targets.clone(), trials];
            let second = run(&context, &JUDGE, marquardt_params(), &arrays, (0, COUNT));
            let (second, after) = (lanes_of(&second[0]), cast_slice::<u32, Damping>(&second[1]).to_vec());

            let (outputs, targets) = (numbers(&outputs, UNITS), numbers(&targets, UNITS));
            for lane in 0..COUNT {
                let case = format!("{:08x} in {}", PLANTED[lane], if in_targets { "targets" } else { "outputs" });
                let Some(residual) = residual_in_f64(&outputs, &targets, lane) else {
                    assert_eq!(judged[lane].status, LANE_DIVERGED, "{case}");
                    assert_eq!((dampings[lane].is_fresh, after[lane].is_fresh), (0, 0), "{case}");
                    assert_eq!((second[lane].status, second[lane].anchor), (LANE_RUNNING, 1e6), "{case}");
                    assert_eq!((after[lane].lambda, after[lane].growth), (2.0, 4.0), "{case}");
                    continue;
                };
                let loss = 0.5 * residual.iter().map(|r| r * r).sum::<f64>();
                assert_eq!(judged[lane].status, LANE_RUNNING, "{case}");
                assert_eq!((dampings[lane].is_fresh, after[lane].is_fresh), (1, 1), "{case}");
                for lane in [judged[lane], second[lane]] {
                    near(lane.anchor.to_bits(), loss, &case);
                }
            }
        }
    }
}

fn marquardt_params() -> MarquardtParams {
    MarquardtParams {
        observation_length: UNITS as u32,
        code_length: INPUTS as u32,
        step_cap: 50,
        sufficient: 1e-4,
        slow: 1e-3,
        first_damping: 1e-3,
        least_damping: 1e-5,
        most_damping: 1e12,
        negligible_decrease: 1e-6,
        negligible_step: 1e-7,
        residual_limit: residual(UNITS),
        jacobian_limit: jacobian(UNITS),
        first_row: 0,
        prior: 0.0,
        code_limit: f32::MAX.to_bits(),
    }
}

/// A hidden layer with `UNITS` inputs and outputs, and codes of `INPUTS` entries.
fn inputs_of_tangent() {
    let layer = DenseLayer { weight: matrix(11, UNITS, UNITS), ..layer(leaky()) };
    let params = TangentParams {
        units: UNITS as u32,
        inputs: UNITS as u32,
        rows: (COUNT * INPUTS) as u32,
        activation: 0,
        slope: SLOPE as f32,
        code_length: INPUTS as u32,
        is_first: 0,
        limit: LayerLimits::of(&layer.clone().into(), None).tangent,
    };
    for context in devices() {
        for in_outputs in [false, true] {
            let (outputs, below) = (matrix(12, UNITS, COUNT), matrix(13, UNITS, COUNT * INPUTS));
            let (outputs, below) = match in_outputs {
                false => (columns(&outputs, 0.0), columns_with(&below, 0.0, 3, INPUTS)),
                true => (columns_with(&outputs, 0.0, 3, 1), columns(&below, 0.0)),
            };
            let arrays =
                [outputs.clone(), columns(&layer.weight, 0.0), below.clone(), vec![0; padded(UNITS) * COUNT * INPUTS]];
            let found = run(&context, &TANGENT, params, &arrays, (UNITS, COUNT * INPUTS)).pop().unwrap();
            let (outputs, below) = (numbers(&outputs, UNITS), numbers(&below, UNITS));
            for row in 0..COUNT * INPUTS {
                let lane = row / INPUTS;
                let case = format!("{:08x}, in outputs: {in_outputs}, tangent {}", PLANTED[lane], row % INPUTS);
                let found = &found[row * padded(UNITS)..][..UNITS];
                if !in_outputs && row % INPUTS == 0 && !planted(lane).is_finite() {
                    assert!(all_nan(found), "{case}: {found:x?}");
                    continue;
                }
                let sums = &layer.weight * below.column(row);
                for (unit, (found, sum)) in found.iter().zip(&sums).enumerate() {
                    near(*found, sum * leaky().derivative_from_output(outputs[(unit, lane)]), &case);
                }
            }
        }
    }
}

/// `JᵀJ` by rows of a lower triangle, and `Jᵀr`.
fn normal_in_f64(jacobian: &DMatrix<f64>, residual: &[f64]) -> Vec<f64> {
    let squares = jacobian.tr_mul(jacobian);
    let mut entries: Vec<f64> = (0..INPUTS).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| squares[at]).collect();
    entries.extend(jacobian.tr_mul(&DMatrix::from_column_slice(UNITS, 1, residual)).iter());
    entries
}

const NORMALS: usize = INPUTS * (INPUTS + 3) / 2;

fn inputs_of_normal() {
    let fresh: Vec<u32> = cast_slice(&[Damping { is_fresh: 1, ..Damping::START }; COUNT]).to_vec();
    for context in devices() {
        for place in ["outputs", "targets", "jacobian"] {
            let [outputs, targets] = match place {
                "jacobian" => [columns(&matrix(4, UNITS, COUNT), 0.0), columns(&matrix(5, UNITS, COUNT), f32::NAN)],
                _ => outputs_and_targets(place == "targets"),
            };
            let entries = matrix(14, UNITS, COUNT * INPUTS);
            let entries = match place {
                "jacobian" => columns_with(&entries, 0.0, 6, INPUTS),
                _ => columns(&entries, 0.0),
            };
            let arrays = [fresh.clone(), outputs.clone(), targets.clone(), entries.clone(), vec![0; NORMALS * COUNT]];
            let found = run(&context, &NORMAL, marquardt_params(), &arrays, (0, COUNT)).pop().unwrap();
            let (outputs, targets) = (numbers(&outputs, UNITS), numbers(&targets, UNITS));
            let entries = numbers(&entries, UNITS);
            for lane in 0..COUNT {
                let case = format!("{:08x} in {place}", PLANTED[lane]);
                let found = &found[lane * NORMALS..][..NORMALS];
                let mut jacobian = entries.columns(lane * INPUTS, INPUTS).into_owned();
                for unit in (0..UNITS).filter(|unit| targets[(*unit, lane)].is_nan()) {
                    jacobian.row_mut(unit).fill(0.0);
                }
                match residual_in_f64(&outputs, &targets, lane) {
                    Some(residual) if jacobian.iter().all(|entry| entry.is_finite()) => {
                        for (found, expected) in found.iter().zip(normal_in_f64(&jacobian, &residual)) {
                            near(*found, expected, &case);
                        }
                    }
                    _ => assert!(all_nan(found), "{case}: {found:x?}"),
                }
            }
        }
    }
}

fn inputs_of_gram() {
    let stale = 3;
    let mut fresh = [Damping { is_fresh: 1, ..Damping::START }; COUNT];
    fresh[stale].is_fresh = 0;
    let fresh: Vec<u32> = cast_slice(&fresh).to_vec();
    let params = GramParams { observation_length: UNITS as u32, code_length: INPUTS as u32, limit: jacobian(UNITS) };
    for context in devices() {
        for in_targets in [false, true] {
            let (entries, targets) = (matrix(14, UNITS, COUNT * INPUTS), matrix(5, UNITS, COUNT));
            let (entries, targets) = match in_targets {
                false => (columns_with(&entries, 0.0, 6, INPUTS), columns(&targets, f32::NAN)),
                true => (columns(&entries, 0.0), columns_with(&targets, f32::NAN, 6, 1)),
            };
            let arrays = [fresh.clone(), targets.clone(), entries.clone(), vec![1; NORMALS * COUNT]];
            let found = run(&context, &GRAM, params, &arrays, (INPUTS, COUNT)).pop().unwrap();
            let (entries, targets) = (numbers(&entries, UNITS), numbers(&targets, UNITS));
            for lane in 0..COUNT {
                let case = format!("{:08x}, in targets: {in_targets}", PLANTED[lane]);
                let (found, gradient) = found[lane * NORMALS..][..NORMALS].split_at(NORMALS - INPUTS);
                assert_eq!(gradient, [1; INPUTS], "{case}: not of this kernel");
                if lane == stale {
                    assert!(found.iter().all(|bits| *bits == 1), "{case}: computed in vain");
                    continue;
                }
                let is_lost = !in_targets && !planted(lane).is_finite();
                let jacobian =
                    entries.columns(lane * INPUTS, INPUTS).map(|entry| if entry.is_finite() { entry } else { 0.0 });
                let expected = gram(&jacobian, targets.column(lane).as_slice());
                // Row 0 has one entry.
                assert_eq!(all_nan(&found[..1]), is_lost, "{case}");
                for (found, expected) in found.iter().zip(expected).skip(usize::from(is_lost)) {
                    near(*found, expected, &case);
                }
            }
        }
    }
}

fn inputs_of_advance() {
    let running = Lane { anchor: 10.0, ..Lane::START };
    for context in devices() {
        for place in ["diagonal", "off the diagonal", "gradient", "trials", "codes"] {
            let jacobians = matrix(15, UNITS, COUNT * INPUTS);
            let residuals = matrix(16, UNITS, COUNT);
            let mut normals: Vec<u32> = (0..COUNT)
                .flat_map(|lane| {
                    let jacobian = jacobians.columns(lane * INPUTS, INPUTS).into_owned();
                    normal_in_f64(&jacobian, residuals.column(lane).as_slice())
                })
                .map(|entry| (entry as f32).to_bits())
                .collect();
            let at = match place {
                "diagonal" => Some(5),
                "off the diagonal" => Some(4),
                "gradient" => Some(NORMALS - 2),
                _ => None,
            };
            if let Some(at) = at {
                (0..COUNT).for_each(|lane| normals[lane * NORMALS + at] = PLANTED[lane]);
            }
            let (trials, codes) = (matrix(17, INPUTS, COUNT), matrix(18, INPUTS, COUNT));
            let damping = Damping { lambda: 1.0, is_fresh: u32::from(place != "codes"), ..Damping::START };
            let arrays = [
                lanes_before(running),
                cast_slice(&[damping; COUNT]).to_vec(),
                normals.clone(),
                if place == "trials" { columns_with(&trials, 0.0, 2, 1) } else { columns(&trials, 0.0) },
                if place == "codes" { columns_with(&codes, 0.0, 2, 1) } else { columns(&codes, 0.0) },
            ];
            let found = run(&context, &ADVANCE, marquardt_params(), &arrays, (0, COUNT));
            let (lanes, dampings) = (lanes_of(&found[0]), cast_slice::<u32, Damping>(&found[1]).to_vec());
            let start = if place == "codes" { &arrays[4] } else { &arrays[3] };
            let (start, trials) = (numbers(start, INPUTS), numbers(&found[3], INPUTS));
            for lane in 0..COUNT {
                let case = format!("{:08x} in {place}", PLANTED[lane]);
                if !planted(lane).is_finite() {
                    assert_eq!((lanes[lane].status, lanes[lane].iterations), (LANE_RESTED, 0), "{case}");
                    continue;
                }
                assert_eq!((lanes[lane].status, lanes[lane].iterations), (LANE_RUNNING, 1), "{case}");
                let entries: Vec<f64> =
                    normals[lane * NORMALS..][..NORMALS].iter().map(|bits| f64::from(f32::from_bits(*bits))).collect();
                let mut damped = DMatrix::zeros(INPUTS, INPUTS);
                for i in 0..INPUTS {
                    for j in 0..=i {
                        damped[(i, j)] = entries[i * (i + 1) / 2 + j] + if i == j { 1.0 } else { 0.0 };
                        damped[(j, i)] = damped[(i, j)];
                    }
                }
                let right = DMatrix::from_column_slice(INPUTS, 1, &entries[NORMALS - INPUTS..]);
                // A planted number on the diagonal may make it indefinite: then the trial is
                // rejected.
                let step = damped.cholesky().map(|factor| -factor.solve(&right));
                assert_eq!(dampings[lane].predicted > 1e38, step.is_none(), "{case}");
                let step = step.unwrap_or_else(|| DMatrix::zeros(INPUTS, 1));
                for row in 0..INPUTS {
                    let (found, expected) = (trials[(row, lane)], start[(row, lane)] + step[(row, 0)]);
                    assert!((found - expected).abs() <= 1e-3 * (1.0 + expected.abs()), "{case}: {found} {expected}");
                }
            }
        }
    }
}
