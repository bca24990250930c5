//! The activations: values, derivatives, and what they are called.

use std::fmt;

/// `α` and the factor of SELU (Klambauer et al. 2017), as torch has them.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// The activation of a layer, applied to each entry of `W a + b`. Values and derivatives are those
/// of PyTorch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, a)`.
    Relu,
    /// `a` for `a > 0`, otherwise `c·a`, with the slope `c` in `(0, 1)`.
    LeakyRelu(f64),
    /// `a`.
    Identity,
    /// `1 / (1 + exp(−a))`.
    Sigmoid,
    /// `tanh a`.
    Tanh,
    /// `a` for `a > 0`, otherwise `α(exp(a) − 1)`, with `α > 0`.
    Elu(f64),
    /// ELU with `α = 1.6733`, times 1.0507 (Klambauer et al. 2017).
    Selu,
    /// `log(1 + exp(βa)) / β`, with `β > 0`; `a` itself where `βa` exceeds the threshold, as in
    /// PyTorch.
    Softplus {
        /// `β`.
        beta: f64,
        /// PyTorch's `threshold`.
        threshold: f64,
    },
    /// `a / (1 + exp(−a))`.
    Silu,
    /// `a Φ(a)`, with the normal distribution function `Φ`.
    Gelu,
    /// PyTorch's `approximate="tanh"`: `½a(1 + tanh(√(2/π)(a + 0.044715a³)))`.
    GeluTanh,
    /// `max(0, a)` as a half of a PReLU with several slopes, which is two of these per unit.
    /// Searches do not treat its kink as one: they take it for curved, and prove nothing about it.
    PositivePart,
}

impl Activation {
    /// PyTorch's default `threshold` of softplus: beyond it, softplus is `a`.
    pub const SOFTPLUS_THRESHOLD: f64 = 20.0;

    /// Applies the activation to one pre-activation `a`.
    // Always inlined: the loops over units call it with a known activation. A call for each unit,
    // as the compiler chose in some builds, made searches a twentieth slower.
    #[inline(always)]
    pub fn apply(self, a: f64) -> f64 {
        match self {
            // `f64::max` would turn a NaN into 0.
            Activation::Relu | Activation::PositivePart => {
                if a <= 0.0 {
                    0.0
                } else {
                    a
                }
            }
            Activation::LeakyRelu(slope) => {
                if a <= 0.0 {
                    slope * a
                } else {
                    a
                }
            }
            Activation::Identity => a,
            _ => self.curve(a),
        }
    }

    /// [`Self::apply`] for the curved activations; `a` for the others.
    fn curve(self, a: f64) -> f64 {
        match self {
            Activation::Relu | Activation::PositivePart | Activation::LeakyRelu(_) | Activation::Identity => a,
            Activation::Sigmoid => sigmoid(a),
            Activation::Tanh => a.tanh(),
            Activation::Elu(alpha) => elu(alpha, a),
            Activation::Selu => SELU_SCALE * elu(SELU_ALPHA, a),
            Activation::Softplus { beta, threshold } => {
                let scaled = beta * a;
                if scaled > threshold { a } else { scaled.exp().ln_1p() / beta }
            }
            Activation::Silu => a * sigmoid(a),
            Activation::Gelu => a * normal_distribution(a),
            Activation::GeluTanh => 0.5 * a * (1.0 + gelu_argument(a).tanh()),
        }
    }

    /// The derivative at the pre-activation `a`. At a kink, it is the derivative from the left.
    pub fn derivative(self, a: f64) -> f64 {
        match self {
            Activation::Relu | Activation::PositivePart => {
                if a <= 0.0 {
                    0.0
                } else {
                    1.0
                }
            }
            Activation::LeakyRelu(slope) => {
                if a <= 0.0 {
                    slope
                } else {
                    1.0
                }
            }
            Activation::Identity => 1.0,
            Activation::Sigmoid => {
                let s = self.apply(a);
                s * (1.0 - s)
            }
            Activation::Tanh => {
                let t = a.tanh();
                1.0 - t * t
            }
            Activation::Elu(alpha) => elu_derivative(alpha, a),
            Activation::Selu => SELU_SCALE * elu_derivative(SELU_ALPHA, a),
            Activation::Softplus { beta, threshold } => {
                let scaled = beta * a;
                if scaled > threshold { 1.0 } else { sigmoid(scaled) }
            }
            Activation::Silu => {
                let s = sigmoid(a);
                s * (1.0 + a * (1.0 - s))
            }
            Activation::Gelu => {
                let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
                normal_distribution(a) + a * density
            }
            Activation::GeluTanh => {
                let t = gelu_argument(a).tanh();
                let inner = gelu_factor() * (1.0 + 3.0 * GELU_CUBIC * a * a);
                0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * inner
            }
        }
    }

    /// The derivative, computed from the output `σ(a)` alone, so that a backward pass need not
    /// store the pre-activations. `NaN` where the output does not tell it
    /// ([`Self::is_told_by_output`]). At a kink, the value is that of [`Self::derivative`].
    pub fn derivative_from_output(self, output: f64) -> f64 {
        match self {
            Activation::Relu | Activation::LeakyRelu(_) | Activation::PositivePart => self.derivative(output),
            Activation::Identity => 1.0,
            Activation::Sigmoid => output * (1.0 - output),
            Activation::Tanh => 1.0 - output * output,
            Activation::Elu(_) | Activation::Selu if output > 0.0 => self.derivative(1.0),
            Activation::Elu(alpha) => output + alpha,
            Activation::Selu => output + SELU_SCALE * SELU_ALPHA,
            Activation::Softplus { .. } | Activation::Silu | Activation::Gelu | Activation::GeluTanh => f64::NAN,
        }
    }

    /// Whether the output tells the derivative. Softplus jumps at its threshold; others fall and
    /// rise.
    pub fn is_told_by_output(self) -> bool {
        !matches!(self, Activation::Softplus { .. } | Activation::Silu | Activation::Gelu | Activation::GeluTanh)
    }

    /// Whether it is ReLU or LeakyReLU, which bend at 0 and are linear elsewhere.
    pub fn has_kink(self) -> bool {
        matches!(self, Activation::Relu | Activation::LeakyRelu(_))
    }

    /// Whether it is linear on both sides of 0: ReLU, LeakyReLU, identity.
    pub fn is_piecewise_linear(self) -> bool {
        matches!(self, Activation::Relu | Activation::LeakyRelu(_) | Activation::Identity)
    }

    /// Whether `σ(c a) = c σ(a)` for `c > 0`.
    pub fn is_homogeneous(self) -> bool {
        self.is_piecewise_linear() || self == Activation::PositivePart
    }

    /// Whether it has a kink that searches do not treat as one ([`Self::has_kink`]).
    pub fn has_untreated_kink(self) -> bool {
        match self {
            Activation::PositivePart | Activation::Selu => true,
            Activation::Elu(alpha) => alpha != 1.0,
            _ => false,
        }
    }

    /// Whether its outputs lie between two numbers: sigmoid and tanh.
    pub fn is_bounded(self) -> bool {
        matches!(self, Activation::Sigmoid | Activation::Tanh)
    }

    /// The factor of `exp(a) − 1` below 0 and that of `a` above it, of ELU and SELU; `None` for
    /// others.
    pub(crate) fn exponential_factors(self) -> Option<(f64, f64)> {
        match self {
            Activation::Elu(alpha) => Some((alpha, 1.0)),
            Activation::Selu => Some((SELU_SCALE * SELU_ALPHA, SELU_SCALE)),
            _ => None,
        }
    }

    /// Whether its numbers leave no room in f32: a factor of ELU, or `β` of softplus.
    pub(crate) fn is_beyond_f32(self) -> bool {
        match self {
            Activation::Elu(alpha) => alpha > 1e18,
            Activation::Softplus { beta, .. } => !(1e-18..=1e18).contains(&beta),
            _ => false,
        }
    }

    /// A bound of `|σ'|`.
    pub(crate) fn largest_slope(self) -> f64 {
        match self {
            Activation::Selu => SELU_SCALE * SELU_ALPHA,
            Activation::Elu(alpha) => alpha.max(1.0),
            Activation::Silu | Activation::Gelu | Activation::GeluTanh => 1.13,
            _ => 1.0,
        }
    }
}

fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}

fn elu(alpha: f64, a: f64) -> f64 {
    if a > 0.0 { a } else { alpha * a.exp_m1() }
}

fn elu_derivative(alpha: f64, a: f64) -> f64 {
    if a > 0.0 { 1.0 } else { alpha * a.exp() }
}

/// `Φ(a)`. From the complementary error function, so that it is accurate for negative `a`, too.
fn normal_distribution(a: f64) -> f64 {
    0.5 * libm::erfc(-a * std::f64::consts::FRAC_1_SQRT_2)
}

const GELU_CUBIC: f64 = 0.044_715;

fn gelu_factor() -> f64 {
    (2.0 / std::f64::consts::PI).sqrt()
}

fn gelu_argument(a: f64) -> f64 {
    gelu_factor() * (a + GELU_CUBIC * a * a * a)
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::Relu => f.write_str("relu"),
            Activation::LeakyRelu(slope) => write!(f, "leaky_relu:{slope}"),
            Activation::Identity => f.write_str("identity"),
            Activation::Sigmoid => f.write_str("sigmoid"),
            Activation::Tanh => f.write_str("tanh"),
            Activation::Elu(alpha) => write!(f, "elu:{alpha}"),
            Activation::Selu => f.write_str("selu"),
            Activation::Softplus { beta, threshold } if *threshold == Self::SOFTPLUS_THRESHOLD => {
                write!(f, "softplus:{beta}")
            }
            Activation::Softplus { beta, threshold } => write!(f, "softplus:{beta},{threshold}"),
            Activation::Silu => f.write_str("silu"),
            Activation::Gelu => f.write_str("gelu"),
            Activation::GeluTanh => f.write_str("gelu_tanh"),
            Activation::PositivePart => f.write_str("positive_part"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 13] = [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::Identity,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Elu(0.7),
        Activation::Selu,
        softplus(1.5),
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Softplus { beta: 1.5, threshold: 4.0 },
        Activation::PositivePart,
    ];

    const fn softplus(beta: f64) -> Activation {
        Activation::Softplus { beta, threshold: Activation::SOFTPLUS_THRESHOLD }
    }

    #[test]
    fn values_are_those_of_torch() {
        // torch 2.12, float64, at −2.5, −0.3, 0.8.
        let wanted = [
            (Activation::Elu(0.7), [-0.642_540_500_963_270_9, -0.181_427_245_522_797_5, 0.8]),
            (Activation::Selu, [-1.613_785_758_873_242_5, -0.455_667_315_379_122_03, 0.840_560_789_884_384_4]),
            (softplus(1.5), [0.015_496_976_248_283_353, 0.328_832_630_664_969_9, 0.975_521_644_892_020_9]),
            (Activation::Silu, [-0.189_645_450_053_108_87, -0.127_667_244_956_502_3, 0.551_979_584_902_09]),
            (Activation::Gelu, [-0.015_524_163_314_440_398, -0.114_626_573_343_314_2, 0.630_515_681_133_282_7]),
            (Activation::GeluTanh, [-0.015_084_266_089_998_577, -0.114_629_076_457_240_74, 0.630_431_691_436_448_2]),
        ];
        for (activation, values) in wanted {
            for (a, value) in [-2.5, -0.3, 0.8].into_iter().zip(values) {
                let found = activation.apply(a);
                assert!((found - value).abs() <= 1e-12, "{activation} at {a}: {found} instead of {value}");
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_the_values() {
        for activation in ALL {
            for a in [-7.3, -2.0, -0.4, 0.3, 1.7, 6.1] {
                let step = 1e-6;
                let quotient = (activation.apply(a + step) - activation.apply(a - step)) / (2.0 * step);
                let found = activation.derivative(a);
                assert!((found - quotient).abs() < 1e-8, "{activation} at {a}: {found} instead of {quotient}");
                assert!(found.abs() <= activation.largest_slope(), "{activation} at {a}");
                let from_output = activation.derivative_from_output(activation.apply(a));
                let agrees = (from_output - found).abs() < 1e-12;
                assert_eq!(agrees, activation.is_told_by_output(), "{activation} at {a}: {from_output} and {found}");
            }
        }
    }

    #[test]
    fn softplus_follows_torch_beyond_its_threshold() {
        assert_eq!(softplus(2.0).apply(10.5), 10.5);
        assert_eq!(softplus(2.0).derivative(10.5), 1.0);
        assert!(softplus(2.0).apply(9.5) > 9.5);
    }

    #[test]
    fn a_nan_stays_one() {
        for activation in ALL {
            assert!(activation.apply(f64::NAN).is_nan(), "{activation}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for activation in ALL {
            assert_eq!(activation.to_string().parse::<Activation>(), Ok(activation));
        }
    }
}
