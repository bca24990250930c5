//! A small layer and a target, built from bytes: what `linf`, `l1`, `relaxed` and `exact` say of it
//! is judged in exact arithmetic.

#[allow(dead_code, reason = "the tests of the linear programs use the rest")]
#[path = "../lp/exact/judge.rs"]
mod judge;
#[path = "../lp/exact/preimage.rs"]
mod preimage;
#[allow(dead_code, reason = "the tests of the linear programs use the rest")]
#[path = "../lp/exact/program.rs"]
mod program;
#[allow(dead_code, reason = "the tests of the linear programs use the rest")]
#[path = "../lp/exact/simplex.rs"]
mod simplex;

use nalgebra::{DMatrix, DVector};
use unrelu::Activation;

use crate::support::Instance;

/// Whether any answer is certified.
pub fn check(bytes: &[u8]) -> bool {
    let instance = instance(bytes);
    let count = judge::judge(&instance);
    let wrong = [count.wrong, preimage::judge(&instance)].concat();
    assert!(wrong.is_empty(), "{instance:?}\n{}", wrong.join("\n"));
    count.certified > 0
}

/// The bytes as a stream of choices; zeros after the end.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, count: u8) -> usize {
        (self.byte() % count).into()
    }

    fn signed(&mut self) -> f64 {
        f64::from(self.byte() as i8)
    }

    /// A number of the given kind: small integers, sixteenths, or of any scale within 2^±26.
    fn number(&mut self, kind: usize) -> f64 {
        match kind {
            0 => self.signed() % 5.0,
            1 => self.signed() / 16.0,
            _ => self.signed() * 2.0f64.powi(self.byte() as i8 as i32 % 27),
        }
    }
}

/// Bytes in order: units, columns, activation, signs, the kind of numbers, ε, relations, where the
/// target comes from, then weights, biases and the target or a code.
fn instance(bytes: &[u8]) -> Instance {
    let mut choose = Choices(bytes.iter());
    let (units, columns) = (1 + choose.below(6), 1 + choose.below(3));
    let activation = [Activation::Relu, Activation::LeakyRelu(0.25), Activation::Identity][choose.below(3)];
    let nonnegative = choose.below(2) == 1;
    let kind = choose.below(3);
    let epsilon = 2.0f64.powi(-(choose.below(20) as i32));
    let (relation, power) = (choose.below(4), choose.below(40) as i32);
    let (source, without_bias) = (choose.below(3), choose.below(2) == 1);
    let mut weight = DMatrix::from_fn(units, columns, |_, _| choose.number(kind));
    let bias = DVector::from_fn(units, |_, _| if without_bias { 0.0 } else { choose.number(kind) });
    match relation {
        // The last column almost, or exactly, a multiple of the first.
        1 if columns > 1 => {
            let near = weight.column(0) + weight.column(columns - 1) * 2.0f64.powi(-power);
            weight.set_column(columns - 1, &near);
        }
        2 if columns > 2 => {
            let near = weight.column(0) + weight.column(2) * 2.0f64.powi(-power);
            weight.set_column(1, &near);
        }
        3 if units > 1 => {
            let row = weight.row(0).into_owned();
            weight.set_row(units - 1, &row);
        }
        _ => {}
    }
    let target = if source == 0 {
        (0..units).map(|_| choose.number(kind)).collect()
    } else {
        let code = DVector::from_fn(columns, |_, _| choose.number(kind.min(1)));
        let code = if nonnegative { code.abs() } else { code };
        let noise = if source == 1 { 0.0 } else { epsilon / 8.0 };
        let outputs = (&weight * code + &bias).map(|a| activation.apply(a));
        outputs.iter().map(|x| if noise == 0.0 { *x } else { x + noise * (choose.signed() / 16.0) }).collect()
    };
    // Entries that were not observed.
    let hidden = choose.byte();
    let observed = |unit: usize| hidden >> unit & 1 == 0;
    let target: Vec<f64> = target;
    let target = target.into_iter().enumerate().map(|(unit, t)| if observed(unit) { t } else { f64::NAN }).collect();
    let name = "a layer of bytes".to_owned();
    Instance { name, weight, bias, nonnegative, activation, target, epsilon }
}
