//! The point of least sum on an optimal face, against an independent simplex solver.

use nalgebra::DMatrix;
use unrelu::internals::lp::formulation::target::Targets;
use unrelu::internals::lp::layer::{LayerContext, StageTimes};
use unrelu::{Activation, LayerwiseMethod, RowRule, Tolerances};

use crate::oracle::{least_sum, violations};
use crate::support::{Instance, SOLVERS, method, random_instance, uniform, with_layer};

const METHODS: [LayerwiseMethod; 2] = [LayerwiseMethod::Linf, LayerwiseMethod::L1];

/// Layers over `z ≥ 0` with fewer observed rows than `z` has entries, without noise and with.
fn open_instances() -> Vec<Instance> {
    let mut instances = Vec::new();
    for seed in 0..12 {
        for noise in [0.0, 0.3] {
            for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
                let mut instance = random_instance(14, 6, activation, true, noise, 400 + seed);
                for (t, u) in instance.target.iter_mut().zip(uniform(seed, 14)) {
                    if u < 0.3 {
                        *t = f64::NAN;
                    }
                }
                instances.push(instance);
            }
        }
    }
    instances
}

/// The objective at `z`, from the definition.
fn objective(instance: &Instance, chosen: LayerwiseMethod, z: &[f64]) -> f64 {
    let all = violations(instance, RowRule::default(), z).into_iter().map(|(_, violation)| violation);
    if chosen == LayerwiseMethod::L1 { all.sum() } else { all.fold(0.0, f64::max) }
}

#[test]
fn no_point_that_is_as_good_has_a_lower_sum() {
    let (mut found, mut lower) = (0, 0);
    for instance in open_instances() {
        for chosen in METHODS {
            for solver in SOLVERS {
                let options = method(chosen).tolerances(Tolerances::default().epsilon(instance.epsilon));
                let what = format!("{}, {chosen} by {}", instance.name, solver.name());
                let point = |context: &LayerContext<'_>, targets: &Targets| {
                    let answers = context.invert(targets, &mut StageTimes::default()).unwrap();
                    let point = context.least_sums(targets, &answers).unwrap().remove(0);
                    (answers.into_iter().next().unwrap(), point)
                };
                let (answer, point) = with_layer(&instance, solver, &options, point);
                if !answer.is_open() {
                    assert_eq!(point, None, "{what}");
                    continue;
                }
                let point = point.unwrap_or_else(|| panic!("{what}: no point"));
                let instance = Instance { epsilon: answer.epsilon, ..instance.clone() };
                let (at_answer, at_point) =
                    (objective(&instance, chosen, &answer.z), objective(&instance, chosen, &point));
                let size = instance.scale();
                assert!(at_point <= at_answer + 1e-8 * at_answer + 1e-11 * size, "{what}: {at_point} from {at_answer}");
                assert!(point.iter().all(|z| *z >= 0.0), "{what}: {point:?}");
                for (i, determined) in answer.determined.iter().enumerate().filter(|(_, determined)| **determined) {
                    let apart = (point[i] - answer.z[i]).abs();
                    assert!(*determined && apart <= 1e-5 * size, "{what}, entry {i} is determined");
                }
                let of_units = violations(&instance, RowRule::default(), &answer.z);
                let kept = |unit: usize| match chosen {
                    LayerwiseMethod::L1 => of_units.iter().find(|(other, _)| *other == unit).unwrap().1,
                    _ => at_answer,
                };
                let least = least_sum(&instance, RowRule::default(), kept);
                let sum: f64 = point.iter().sum();
                assert!((sum - least).abs() <= 1e-6 * size.max(least), "{what}: {sum} instead of {least}");
                found += 1;
                lower += usize::from(sum < answer.z.iter().sum::<f64>() - 1e-3 * size);
            }
        }
    }
    println!("{found} points, {lower} below the answer");
    assert!(found >= 60 && lower >= 20, "{found} points, {lower} below the answer");
}

/// Another choice of units for the outputs changes no bit of the point.
#[test]
fn the_units_of_the_outputs_do_not_matter() {
    let mut compared = 0;
    for instance in open_instances() {
        for chosen in METHODS {
            let run = |units: f64| {
                let mut instance = instance.clone();
                instance.weight *= units;
                instance.bias *= units;
                instance.target.iter_mut().for_each(|t| *t *= units);
                with_layer(&instance, SOLVERS[0], &method(chosen), |context, targets| {
                    let answers = context.invert(targets, &mut StageTimes::default()).unwrap();
                    context.least_sums(targets, &answers).unwrap().remove(0)
                })
            };
            let own = run(1.0);
            for power in [-40, 13, 40] {
                assert_eq!(run(2f64.powi(power)), own, "{}, {chosen}, 2^{power}", instance.name);
            }
            compared += usize::from(own.is_some());
        }
    }
    assert!(compared >= 30, "{compared}");
}

/// Neighbours in the batch change no bit.
#[test]
fn a_point_does_not_depend_on_the_batch() {
    let instance = random_instance(14, 6, Activation::Relu, true, 0.3, 77);
    let columns: Vec<Vec<f64>> = (0..12)
        .map(|seed| {
            let hide = |(t, u): (&f64, f64)| if u < 0.6 { f64::NAN } else { *t };
            instance.target.iter().zip(uniform(seed, 14)).map(hide).collect()
        })
        .collect();
    let options = method(LayerwiseMethod::Linf);
    let points = |columns: &[Vec<f64>]| {
        with_layer(&instance, SOLVERS[0], &options, |context, _| {
            let targets = Targets::from_hidden(DMatrix::from_vec(14, columns.len(), columns.concat()));
            let answers = context.invert(&targets, &mut StageTimes::default()).unwrap();
            context.least_sums(&targets, &answers).unwrap()
        })
    };
    let together = points(&columns);
    assert!(together.iter().flatten().count() >= 4, "{together:?}");
    for (column, point) in columns.iter().zip(&together) {
        assert_eq!(points(std::slice::from_ref(column)), std::slice::from_ref(point));
    }
}
