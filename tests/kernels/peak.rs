//! The recurrence that measures a device's peak: every form of it against the closed form, so that
//! the timed operations are the counted ones.

use nalgebra::DMatrix;
use unrelu::internals::cpu::peak::{REGISTERS, Recurrence, peak, start, vectorised, vectorised_single};

use crate::compare::{Outcome, expect, matrices};

#[cfg(feature = "gpu")]
with_both_modules!(the_kernel_follows_the_closed_form_and_its_twin,);

/// `aʳ·x₀ + b·(1 − aʳ)/(1 − a)` after `r` steps, for the first `chains` chains.
fn closed_form(chains: usize, recurrence: &Recurrence) -> Vec<f64> {
    let Recurrence { factor, addend, .. } = *recurrence;
    let power = factor.powf(recurrence.steps() as f64);
    (0..chains).map(|chain| power * start(chain) + addend * (1.0 - power) / (1.0 - factor)).collect()
}

fn compared(name: &str, found: &[f64], recurrence: &Recurrence, allowed: f64) -> Outcome {
    let column = |numbers: &[f64]| DMatrix::from_column_slice(numbers.len(), 1, numbers);
    let expected = closed_form(found.len(), recurrence);
    matrices(name, &column(found), &column(&expected), &DMatrix::from_element(found.len(), 1, allowed))
}

/// 3 to 10 rounds: after these, the chains are still far apart.
fn recurrences() -> [Recurrence; 3] {
    let other = Recurrence { factor: 0.9921875, addend: 0.03125, rounds: 3 };
    [Recurrence::towards_one(4), Recurrence::towards_one(10), other]
}

#[test]
fn the_twin_follows_the_closed_form() {
    for recurrence in recurrences() {
        expect(compared("peak, twin", &peak(40, &recurrence), &recurrence, 1e-12));
    }
}

#[test]
fn registers_follow_the_closed_form() {
    for recurrence in recurrences() {
        let (ends, lanes) = vectorised(&recurrence);
        assert_eq!(ends.len(), REGISTERS);
        assert!([2, 4, 8].contains(&lanes), "{lanes} numbers a register");
        expect(compared("peak, registers", &ends, &recurrence, 1e-12));
        let (ends, of_single) = vectorised_single(&recurrence);
        assert_eq!(of_single, 2 * lanes);
        expect(compared("peak, registers in f32", &ends.map(f64::from), &recurrence, IN_SINGLE));
    }
}

#[test]
fn one_step_more_or_less_would_be_found() {
    let recurrence = Recurrence::towards_one(10);
    let mut ends = peak(128, &recurrence);
    // A chain that is still far from the common limit.
    ends[1000] = recurrence.factor * ends[1000] + recurrence.addend;
    assert!(compared("peak, a step more", &ends, &recurrence, IN_SINGLE).is_err());
    let fewer = Recurrence { rounds: 9, ..recurrence };
    assert!(compared("peak, a round less", &peak(4, &fewer), &recurrence, IN_SINGLE).is_err());
}

/// f32 rounds each step by at most 2⁻²³ (the chains stay below 4), and each further step multiplies
/// the remaining error by the factor. So 320 steps have an error of at most 320 · 2⁻²³.
const IN_SINGLE: f64 = 320.0 / 8_388_608.0;

#[cfg(feature = "gpu")]
fn the_kernel_follows_the_closed_form_and_its_twin() {
    let context = crate::fixtures::gpu::context(None);
    for workgroups in [1, 19] {
        let kernel = unrelu::internals::gpu::peak::PeakKernel::new(&context, Some(workgroups)).unwrap();
        for recurrence in recurrences() {
            kernel.run(&context, &recurrence).unwrap();
            let ends: Vec<f64> = kernel.ends(&context).unwrap().into_iter().map(f64::from).collect();
            assert_eq!(ends.len(), kernel.invocations() * unrelu::internals::cpu::peak::CHAINS);
            expect(compared("peak, kernel", &ends, &recurrence, IN_SINGLE));
            let twin = peak(kernel.invocations(), &recurrence);
            let column = |numbers: &[f64]| DMatrix::from_column_slice(numbers.len(), 1, numbers);
            let allowed = DMatrix::from_element(ends.len(), 1, IN_SINGLE);
            expect(matrices("peak, kernel and twin", &column(&ends), &column(&twin), &allowed));
        }
    }
}
