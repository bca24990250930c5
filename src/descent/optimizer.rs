//! The rules that turn gradients into steps of gradient descent: plain, momentum, Adam. The
//! device's twin is `update` in `shaders/descend.wgsl`.

use crate::named::unknown;

/// The first and second moment of an entry's gradients; each optimizer uses those that it needs.
pub type Moments = [f64; 2];

/// The step rule of gradient descent; `s` is the step size, `g` the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum Optimizer {
    /// `z ← z − s g`.
    #[default]
    Plain,
    /// The heavy-ball method (Polyak 1964, "Some methods of speeding up the convergence of
    /// iteration methods"), not Nesterov's look-ahead: `v ← μ v + g`, `z ← z − s v` with `μ` =
    /// [`Self::MOMENTUM`], as in `torch.optim.SGD`. Along a constant direction it moves `1/(1 − μ)`
    /// times as fast as plain descent with the same step size.
    Momentum,
    /// Adam (Kingma and Ba 2015, Algorithm 1) with bias correction: `m ← β₁ m + (1 − β₁) g`,
    /// `v ← β₂ v + (1 − β₂) g²`, `z ← z − s (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)` at step `t`,
    /// from 1. The step size is a length in code space: about the largest move of an entry,
    /// whatever the scale of the loss.
    Adam,
}

impl Optimizer {
    /// `μ` of momentum.
    pub const MOMENTUM: f64 = 0.9;
    /// `β₁` of Adam.
    pub const FIRST_DECAY: f64 = 0.9;
    /// `β₂` of Adam.
    pub const SECOND_DECAY: f64 = 0.999;
    /// `ε` of Adam, in units of `loss_unit`.
    pub const EPSILON: f64 = 1e-8;
    /// Adam's default step size. Kingma and Ba's 0.001 is too small to cross a code of N(0, 1) in
    /// the default 1,000 iterations, and so is 0.01 on a trained generator. Of 128 observations of
    /// random 20→60→784 networks, 0, 54 and 128 end within 1 % of their code with 0.001, 0.01 and
    /// 0.1. On a trained 20→200→500→784 network at noise 0.01, 10 are reproduced with 0.01 and 71
    /// with 0.1.
    pub const ADAM_STEP: f64 = 0.1;

    #[doc(hidden)]
    /// The default step size. Plain descent uses `inverse_curvature`, with which it cannot
    /// overshoot. Momentum uses the same: on a quadratic it is stable up to `2(1 + μ)` times that
    /// (Polyak 1964). Adam uses [`Self::ADAM_STEP`].
    pub fn default_step(self, inverse_curvature: impl FnOnce() -> f64) -> f64 {
        match self {
            Optimizer::Plain | Optimizer::Momentum => inverse_curvature(),
            Optimizer::Adam => Self::ADAM_STEP,
        }
    }

    #[doc(hidden)]
    /// Number of moments for a code of `code_length` entries.
    pub fn moments(self, code_length: usize) -> usize {
        if self == Optimizer::Plain { 0 } else { code_length }
    }

    /// Makes one step of size `step` after `taken` others; `moments` includes all of these (zero
    /// before the first). `unit`: the unit of gradients.
    pub(crate) fn advance(
        self,
        (step, unit): (f64, f64),
        taken: u32,
        gradient: &[f64],
        code: &mut [f64],
        moments: &mut [Moments],
    ) {
        match self {
            Optimizer::Plain => {
                for (z, g) in code.iter_mut().zip(gradient) {
                    *z -= step * g;
                }
            }
            Optimizer::Momentum => {
                for ((z, g), [v, _]) in code.iter_mut().zip(gradient).zip(moments) {
                    *v = Self::MOMENTUM * *v + g;
                    *z -= step * *v;
                }
            }
            Optimizer::Adam => {
                let t = f64::from(taken) + 1.0;
                let (first_weight, second_weight) = (1.0 - Self::FIRST_DECAY.powf(t), 1.0 - Self::SECOND_DECAY.powf(t));
                for ((z, g), [m, v]) in code.iter_mut().zip(gradient).zip(moments) {
                    *m = Self::FIRST_DECAY * *m + (1.0 - Self::FIRST_DECAY) * g;
                    *v = Self::SECOND_DECAY * *v + (1.0 - Self::SECOND_DECAY) * g * g;
                    *z -= step * (*m / first_weight) / ((*v / second_weight).sqrt() + Self::EPSILON * unit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formulas of `torch.optim.SGD(lr=0.1, momentum=0.9)` and `torch.optim.Adam(lr=0.1)`, computed
    /// by hand for the gradients 2, then −1.
    #[test]
    fn two_steps_by_hand() {
        let walk = |optimizer: Optimizer| {
            let (mut code, mut moments) = ([1.0], vec![[0.0; 2]; optimizer.moments(1)]);
            for (taken, g) in [(0, 2.0), (1, -1.0)] {
                optimizer.advance((0.1, 1.0), taken, &[g], &mut code, &mut moments);
            }
            code[0]
        };
        assert!((walk(Optimizer::Plain) - (1.0 - 0.2 + 0.1)).abs() < 1e-15);
        // v: 2, then 0.9·2 − 1 = 0.8.
        assert!((walk(Optimizer::Momentum) - (1.0 - 0.2 - 0.08)).abs() < 1e-15);
        // The first step is 0.1 times the sign. Then m = 0.9·0.2 − 0.1 = 0.08 over 0.19, v =
        // 0.999·0.004 + 0.001 = 0.004996 over 0.001999.
        let second = 0.1 * (0.08 / 0.19) / ((0.004996_f64 / 0.001999).sqrt() + 1e-8);
        assert!((walk(Optimizer::Adam) - (1.0 - 0.1 / (1.0 + 0.5e-8) - second)).abs() < 1e-12);
    }

    #[test]
    fn names_are_read_back() {
        for optimizer in [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam] {
            assert_eq!(optimizer.to_string().parse(), Ok(optimizer));
        }
        assert!("sgd".parse::<Optimizer>().unwrap_err().contains("plain, momentum or adam"));
    }
}
