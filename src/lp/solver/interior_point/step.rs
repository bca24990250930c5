//! The lengths of the step along a direction, and the step itself. Primal and dual steps have
//! separate lengths.

use super::iterate::{Iterate, Point, Shared};
use super::merged::Merged;
use crate::linalg::lanes::{numbers, numbers_mut, vectorised};

/// The longest steps, unbounded above, that keep everything nonnegative: primal and dual.
pub fn longest_steps(at: Iterate<'_>, step: &Point, merged: &Merged) -> (f64, f64) {
    let Iterate { shared, point, .. } = at;
    let columns = shared.columns();
    let mut primal = steepest_fall(&step.p, &merged.inverse_p);
    let mut dual = steepest_fall(&step.y, &merged.inverse_y);
    let violations = point.eta.len();
    primal = primal.max(steepest_ratio(&step.e[..violations], &point.e));
    dual = dual.max(steepest_ratio(&step.eta, &point.eta));
    if shared.nonnegative {
        primal = primal.max(steepest_ratio(&numbers(&step.z)[..columns], numbers(&point.z)));
        dual = dual.max(steepest_ratio(&numbers(&step.v)[..columns], numbers(&point.v)));
    }
    (1.0 / primal, 1.0 / dual)
}

/// `μ`, the mean of all products, after steps of these lengths.
pub fn mu_after(at: Iterate<'_>, step: &Point, primal: f64, dual: f64) -> f64 {
    let Iterate { shared, point, .. } = at;
    let columns = shared.columns();
    let mut total = product_after([&point.p, &step.p], [&point.y, &step.y], primal, dual);
    let violations = point.eta.len();
    total += product_after([&point.e[..violations], &step.e[..violations]], [&point.eta, &step.eta], primal, dual);
    let mut count = point.p.len() + violations;
    if shared.nonnegative {
        let of = |lanes| &numbers(lanes)[..columns];
        total += product_after([of(&point.z), of(&step.z)], [of(&point.v), of(&step.v)], primal, dual);
        count += columns;
    }
    total / count.max(1) as f64
}

/// Moves the point by steps of these lengths.
pub fn take(shared: Shared<'_>, point: &mut Point, step: &Point, primal: f64, dual: f64) {
    add(primal, numbers(&step.z), numbers_mut(&mut point.z));
    add(primal, &step.p, &mut point.p);
    add(primal, &step.e, &mut point.e);
    add(primal, &step.a, &mut point.a);
    add(dual, &step.y, &mut point.y);
    add(dual, &step.eta, &mut point.eta);
    if shared.nonnegative {
        add(dual, numbers(&step.v), numbers_mut(&mut point.v));
    }
}

vectorised! {
    fn add(factor: f64, step: &[f64], to: &mut [f64]) {
        for (to, step) in to.iter_mut().zip(step) {
            *to += factor * step;
        }
    }

    /// `max −step·inverse`, at least 1e-300.
    fn steepest_fall(step: &[f64], inverse: &[f64]) -> f64 {
        let mut most = [1e-300f64; 8];
        let mut steps = step.chunks_exact(8);
        let mut inverses = inverse.chunks_exact(8);
        for (step, inverse) in (&mut steps).zip(&mut inverses) {
            for i in 0..8 {
                let fall = -step[i] * inverse[i];
                most[i] = if fall > most[i] { fall } else { most[i] };
            }
        }
        for (i, (step, inverse)) in steps.remainder().iter().zip(inverses.remainder()).enumerate() {
            let fall = -step * inverse;
            most[i] = if fall > most[i] { fall } else { most[i] };
        }
        most.into_iter().fold(1e-300, |a, b| if b > a { b } else { a })
    }

    /// `max −step/value`, at least 1e-300.
    fn steepest_ratio(step: &[f64], value: &[f64]) -> f64 {
        let mut most = [1e-300f64; 8];
        let value = &value[..step.len()];
        let mut steps = step.chunks_exact(8);
        let mut values = value.chunks_exact(8);
        for (step, value) in (&mut steps).zip(&mut values) {
            for i in 0..8 {
                let fall = -step[i] / value[i];
                most[i] = if fall > most[i] { fall } else { most[i] };
            }
        }
        for (i, (step, value)) in steps.remainder().iter().zip(values.remainder()).enumerate() {
            let fall = -step / value;
            most[i] = if fall > most[i] { fall } else { most[i] };
        }
        most.into_iter().fold(1e-300, |a, b| if b > a { b } else { a })
    }

    /// `(a + α da)·(b + β db)`.
    fn product_after(left: [&[f64]; 2], right: [&[f64]; 2], alpha: f64, beta: f64) -> f64 {
        let n = left[0].len();
        let [a, da] = left.map(|x| &x[..n]);
        let [b, db] = right.map(|x| &x[..n]);
        let mut sums = [0.0f64; 8];
        for start in (0..n / 8 * 8).step_by(8) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = start + i;
                *sum += (a[at] + alpha * da[at]) * (b[at] + beta * db[at]);
            }
        }
        for at in n / 8 * 8..n {
            sums[at % 8] += (a[at] + alpha * da[at]) * (b[at] + beta * db[at]);
        }
        sums.into_iter().sum()
    }
}
