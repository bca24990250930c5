//! The ladders of `l1` and `relaxed` against plain loops over every step of ε, solved by Clarabel,
//! and the same ε and code from every solver.

use nalgebra::DVector;
use rayon::prelude::*;
use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::formulation::EpsilonSteps;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::internals::random::Noise;
use unrelu::{Activation, LayerwiseMethod, LayerwiseOptions, RowRule, Stop, Tolerances};

use crate::support::{
    Instance, SOLVERS, codes, forward, invert, layer_answer, method, network, random_instance, relative_error,
};

const LADDERS: [LayerwiseMethod; 2] = [LayerwiseMethod::L1, LayerwiseMethod::Relaxed];

/// `‖φ(z) − t‖₁` and the sum of the absolute terms, from the definition.
fn loss(instance: &Instance, z: &[f64]) -> (f64, f64) {
    let z = DVector::from_column_slice(z);
    let received = &instance.weight * &z + &instance.bias;
    let sizes = instance.weight.abs() * z.abs() + instance.bias.abs();
    let observed = (0..instance.target.len()).filter(|unit| !instance.target[*unit].is_nan());
    observed.fold((0.0, 0.0), |(loss, size), unit| {
        let t = instance.target[unit];
        (loss + (instance.activation.apply(received[unit]) - t).abs(), size + sizes[unit] + t.abs())
    })
}

/// The tolerances of given numbers.
fn steps_of(tolerances: Tolerances) -> EpsilonSteps {
    tolerances.steps(|| unreachable!("a number is given"))
}

/// A step, its loss, the sum of its terms, and its point.
type Step = (usize, f64, f64, Vec<f64>);

/// Every feasible step up to the largest target, by Clarabel. `None` if a step is not certified.
fn every_step(instance: &Instance, method: LayerwiseMethod, tolerances: Tolerances) -> Option<Vec<Step>> {
    let system = instance.system();
    let largest = instance.target.iter().filter(|t| !t.is_nan()).fold(0.0f64, |most, t| most.max(t.abs()));
    let mut steps = Vec::new();
    for step in 0..=steps_of(tolerances).first_reaching(largest).max(2) {
        let at_step = Instance { epsilon: steps_of(tolerances).at(step), ..instance.clone() };
        let problem = at_step.problem(&system, method, RowRule::Corrected);
        let solution = solve_certified(&system, &ClarabelReference, &[problem]).remove(0);
        if solution.verdict == Verdict::Infeasible {
            continue;
        }
        if !solution.is_certified() {
            return None;
        }
        let (loss, size) = loss(instance, &solution.z);
        steps.push((step, loss, size, solution.z));
    }
    Some(steps)
}

/// The lowest loss; a later step has to be lower by more than the certificate's tolerance.
fn lowest(steps: &[(usize, f64, f64, Vec<f64>)]) -> Option<usize> {
    let mut best: Option<(usize, f64, f64)> = None;
    for &(step, loss, size, _) in steps {
        if best.is_none_or(|(_, least, size)| loss < least - 1e-8 * least - 1e-12 * size) {
            best = Some((step, loss, size));
        }
    }
    best.map(|(step, ..)| step)
}

/// Algorithm 3 as it is printed, `t` from 1: returns the step whose code it returns.
fn algorithm_3(steps: &[(usize, f64, f64, Vec<f64>)]) -> Option<usize> {
    let at = |step: usize| steps.iter().find(|entry| entry.0 == step);
    for t in 1.. {
        let step = t - 1;
        let Some((_, loss, ..)) = at(step) else {
            if steps.iter().all(|entry| entry.0 < step) {
                // The loop of the paper has no end here.
                return None;
            }
            continue;
        };
        if t > 2
            && let Some((_, before, size, _)) = step.checked_sub(1).and_then(at)
            && *loss >= before - 1e-8 * before - 1e-12 * size
        {
            return Some(step - 1);
        }
    }
    None
}

fn instances() -> Vec<Instance> {
    let mut instances = Vec::new();
    for seed in 0..10 {
        for noise in [0.0, 0.01, 0.1] {
            for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
                instances.push(random_instance(20, 4, activation, seed % 2 == 0, noise, 900 + seed));
            }
        }
    }
    instances
}

/// Checks both ladders of all instances against the loop; returns how many comparisons were made.
fn compare(instances: &[Instance], stop: Stop, tolerances: Tolerances) -> usize {
    let checks: Vec<(&Instance, LayerwiseMethod)> =
        instances.iter().flat_map(|instance| LADDERS.map(|method| (instance, method))).collect();
    let check = |&(instance, method): &(&Instance, LayerwiseMethod)| {
        if (stop, method) == (Stop::First, LayerwiseMethod::L1) {
            return 0;
        }
        let Some(steps) = every_step(instance, method, tolerances) else { return 0 };
        let expected = if stop == Stop::First { algorithm_3(&steps) } else { lowest(&steps) };
        let Some(expected) = expected else { return 0 };
        let options = LayerwiseOptions::default().method(method).tolerances(tolerances).stop(stop);
        for solver in SOLVERS {
            let answer = layer_answer(instance, solver, &options);
            let what = format!("{}, {method} {stop} by {}", instance.name, solver.name());
            assert!(answer.certified && answer.failure.is_none(), "{what}");
            let losses: Vec<f64> = steps.iter().take(8).map(|entry| entry.1).collect();
            assert_eq!(answer.epsilon, steps_of(tolerances).at(expected), "{what}: losses {losses:?}");
        }
        SOLVERS.len()
    };
    checks.par_iter().map(check).sum()
}

#[test]
fn the_lowest_loss_is_that_of_the_plain_loop() {
    let compared = compare(&instances(), Stop::Lowest, Tolerances::default().epsilon(1e-2));
    assert!(compared >= 220, "{compared} comparisons");
}

#[test]
fn first_is_algorithm_3() {
    for epsilon in [1e-3, 1e-2, 0.1, 1.0] {
        let compared = compare(&instances(), Stop::First, Tolerances::default().epsilon(epsilon));
        assert!(compared >= 80, "ε₀ = {epsilon}: {compared} comparisons");
    }
}

/// Algorithm 3 has to see the loss rise once from its first step to the second, so that the
/// comparison from `t > 2` matters.
#[test]
fn the_second_step_of_algorithm_3_replaces_a_lower_loss() {
    let tolerances = Tolerances::default().epsilon(1e-2);
    let options = method(LayerwiseMethod::Relaxed).tolerances(tolerances).stop(Stop::First);
    let mut replaced = 0;
    for instance in instances() {
        let Some(steps) = every_step(&instance, LayerwiseMethod::Relaxed, tolerances) else { continue };
        if steps.len() > 2 && steps[0].0 == 0 && steps[1].1 > 1.01 * steps[0].1 {
            let answer = layer_answer(&instance, SOLVERS[0], &options);
            assert!(answer.epsilon >= steps_of(tolerances).at(1), "{}: ε {:e}", instance.name, answer.epsilon);
            replaced += 1;
        }
    }
    assert!(replaced >= 10, "{replaced}");
}

/// Steps of equal loss, decided by rounding before: each solver then chose another ε, and with the
/// paper's stop rule another code.
#[test]
fn equal_losses_do_not_depend_on_the_solver() {
    let network = network(&[8, 30, 60], Activation::Relu, 1);
    let mut observations = forward(&network, 0..2, &codes(8, 100, 1));
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x: Vec<f64> = column.iter().copied().collect();
        Noise::Uniform(0.01).apply(1, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    for chosen in LADDERS {
        for stop in [Stop::Lowest, Stop::First] {
            let options = method(chosen).tolerances(Tolerances::default().epsilon(0.01)).stop(stop);
            let [engine, clarabel] = SOLVERS.map(|solver| invert(&network, solver, &options, &observations));
            let (mut compared, mut equal) = (0, 0);
            for (index, (a, b)) in engine.iter().zip(&clarabel).enumerate() {
                let what = format!("{chosen} {stop}, observation {index}");
                // Where an optimum is not the only one, its loss depends on the solver.
                for (a, b) in a.layers.iter().zip(&b.layers).take_while(|(a, b)| a.determined && b.determined) {
                    assert_eq!(a.epsilon, b.epsilon, "{what}, layer {}", a.layer);
                    compared += 1;
                }
                let error = relative_error(&a.code, &b.code);
                if a.is_determined() && b.is_determined() {
                    assert!(error <= 1e-6, "{what}: codes differ by {error:e}");
                }
                // Where the optimum is the only one, though the target leaves the code open.
                if error <= 1e-6 {
                    for (a, b) in a.layers.iter().zip(&b.layers) {
                        assert_eq!(a.epsilon, b.epsilon, "{what}, layer {}", a.layer);
                    }
                    equal += 1;
                }
            }
            println!("{chosen} {stop}: {compared} layers compared, {equal} codes are equal");
            assert!(compared >= 20 && equal >= 90, "{chosen} {stop}: {compared} layers, {equal} codes");
        }
    }
}
