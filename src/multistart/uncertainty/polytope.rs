//! The codes of one linear region that leave no residual above the bound of the noise.
//!
//! Within the region of the hidden layers, what an output receives is affine in the step `p` from
//! the code: `a_j + ∇a_j·p`. For an output `σ` that never falls, `|σ(a) − x| ≤ s` holds on an
//! interval of `a`, whichever side of its kink the output is on. The hidden units stay on their
//! sides. Together these are rows `l ≤ a + ∇a·p ≤ u`. An output that can fall (SiLU, GELU) is
//! replaced by its tangent.

use super::super::gradients::Gradients;
use super::super::kink::bend;
use super::super::packed_network::PackedNetwork;
use super::super::point::Point;
use super::super::region::Region;
use crate::network::Activation;

/// Slopes below this are 0: the squares of smaller ones underflow.
const LEAST_SLOPE: f64 = 1e-100;

/// What a row limits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// What an output receives. The number is the observation.
    Output(f64),
    /// The tangent of an output. The number is the observation.
    Tangent(f64),
    /// A hidden unit that is on: at least 0.
    On,
    /// A hidden unit that is off: at most 0.
    Off,
    /// A coordinate that the data leave open: from −1 to 1.
    Open,
}

/// The rows that limit the step from a code.
#[derive(Debug, Clone)]
pub struct Rows {
    activation: Activation,
    kinds: Vec<Kind>,
    /// The values at the code.
    pub values: Vec<f64>,
    /// Their gradients, row after row, `k` entries each.
    pub gradients: Vec<f64>,
    /// The largest residual of an output that no step changes, and the sum of these residuals.
    fixed: (f64, f64),
}

/// The lower and upper limits of rows; infinite where there is none.
pub type Limits = (Vec<f64>, Vec<f64>);

impl Rows {
    /// The rows around `point`, with the sides of `region` and the gradients there.
    pub fn around(
        network: &PackedNetwork,
        (point, region, gradients): (&Point, &Region, &Gradients),
        observation: &[f64],
    ) -> Self {
        let mut rows = Rows::of_outputs(network, (point, gradients), observation);
        let last = network.layers().len() - 1;
        for (index, layer) in network.layers()[..last].iter().enumerate() {
            if bend(layer.activation).is_none() {
                continue;
            }
            for (unit, (&on, &a)) in region.layer(index).iter().zip(point.received(index)).enumerate() {
                rows.push(if on { Kind::On } else { Kind::Off }, a, gradients.of(index, unit), 1.0);
            }
        }
        rows
    }

    /// The rows of the outputs alone, as if the hidden units kept their sides everywhere.
    pub fn of_outputs(network: &PackedNetwork, (point, gradients): (&Point, &Gradients), observation: &[f64]) -> Self {
        let last = network.layers().len() - 1;
        let activation = network.layers()[last].activation;
        let mut rows =
            Rows { activation, kinds: Vec::new(), values: Vec::new(), gradients: Vec::new(), fixed: (0.0, 0.0) };
        let outputs = point.received(last).iter().zip(observation).enumerate().filter(|(_, (_, x))| !x.is_nan());
        for (unit, (&a, &x)) in outputs {
            let gradient = gradients.of(last, unit);
            if never_falls(activation) {
                rows.push(Kind::Output(x), a, gradient, 1.0);
            } else {
                rows.push(Kind::Tangent(x), activation.apply(a), gradient, activation.derivative(a));
            }
        }
        rows
    }

    fn push(&mut self, kind: Kind, value: f64, gradient: &[f64], slope: f64) {
        // A slope that underflows in products is none.
        if slope.abs() < LEAST_SLOPE || gradient.iter().all(|g| *g == 0.0) {
            let residual = self.residual(kind, value);
            self.fixed = (self.fixed.0.max(residual), self.fixed.1 + residual);
            return;
        }
        self.kinds.push(kind);
        self.values.push(value);
        self.gradients.extend(gradient.iter().map(|g| slope * g));
    }

    /// Adds a row that keeps a coordinate of the step, `direction·p`, from −1 to 1.
    pub fn limit_open(&mut self, direction: impl Iterator<Item = f64>) {
        self.kinds.push(Kind::Open);
        self.values.push(0.0);
        self.gradients.extend(direction);
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.kinds.len()
    }

    /// The limits for noise of at most `size`; `None` if an output cannot be so near to its
    /// observation.
    pub fn limits(&self, size: f64) -> Option<Limits> {
        let limits = self.kinds.iter().map(|kind| self.limits_of(*kind, size));
        limits.collect::<Option<Limits>>().filter(|_| self.fixed.0 <= size)
    }

    fn limits_of(&self, kind: Kind, size: f64) -> Option<(f64, f64)> {
        match kind {
            Kind::Output(x) => reached(self.activation, x - size, x + size),
            Kind::Tangent(x) => Some((x - size, x + size)),
            Kind::On => Some((0.0, f64::INFINITY)),
            Kind::Off => Some((f64::NEG_INFINITY, 0.0)),
            Kind::Open => Some((-1.0, 1.0)),
        }
    }

    /// The largest residual where the rows have these values.
    pub fn largest(&self, values: &[f64]) -> f64 {
        self.residuals(values.iter().copied()).fold(self.fixed.0, f64::max)
    }

    /// The sum of the residuals where the rows have these values.
    pub fn sum(&self, values: impl Iterator<Item = f64>) -> f64 {
        self.fixed.1 + self.residuals(values).sum::<f64>()
    }

    fn residuals(&self, values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
        self.kinds.iter().zip(values).map(|(kind, value)| self.residual(*kind, value))
    }

    fn residual(&self, kind: Kind, value: f64) -> f64 {
        match kind {
            Kind::Output(x) => (self.activation.apply(value) - x).abs(),
            Kind::Tangent(x) => (value - x).abs(),
            Kind::On | Kind::Off | Kind::Open => 0.0,
        }
    }
}

fn never_falls(activation: Activation) -> bool {
    !matches!(activation, Activation::Silu | Activation::Gelu | Activation::GeluTanh)
}

/// The received values `a` with `low ≤ σ(a) ≤ high`; `None` if there are none. `σ` never falls.
fn reached(activation: Activation, low: f64, high: f64) -> Option<(f64, f64)> {
    let (least, most) = range(activation);
    if high < least || low > most {
        return None;
    }
    let from = if low <= least { f64::NEG_INFINITY } else { inverse(activation, low) };
    let to = if high >= most { f64::INFINITY } else { inverse(activation, high) };
    Some((from, to))
}

/// The least and the largest output, or what it comes near to.
fn range(activation: Activation) -> (f64, f64) {
    match activation {
        Activation::Relu | Activation::PositivePart => (0.0, f64::INFINITY),
        Activation::Sigmoid => (0.0, 1.0),
        Activation::Tanh => (-1.0, 1.0),
        Activation::Softplus { .. } => (0.0, f64::INFINITY),
        _ => match activation.exponential_factors() {
            Some((below, _)) => (-below, f64::INFINITY),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        },
    }
}

/// `σ⁻¹(y)` for a `y` within the range; of an output that is constant below 0, the largest.
fn inverse(activation: Activation, y: f64) -> f64 {
    match activation {
        Activation::LeakyRelu(slope) if y < 0.0 => y / slope,
        Activation::Sigmoid => (y / (1.0 - y)).ln(),
        Activation::Tanh => y.atanh(),
        // log(e^{βy} − 1)/β, without the large exponential.
        Activation::Softplus { beta, threshold } if beta * y <= threshold => y + (-(-beta * y).exp_m1()).ln() / beta,
        _ => match activation.exponential_factors() {
            Some((below, _)) if y <= 0.0 => (y / below).ln_1p(),
            Some((_, above)) => y / above,
            None => y,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_output() {
        let softplus = Activation::Softplus { beta: 1.5, threshold: 4.0 };
        let activations = [
            Activation::Identity,
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Elu(0.7),
            Activation::Selu,
            softplus,
            Activation::PositivePart,
        ];
        for activation in activations {
            assert!(never_falls(activation));
            for x in [-2.5, -0.8, -0.05, 0.0, 0.05, 0.4, 0.95, 3.0] {
                let size = 0.1;
                let interval = reached(activation, x - size, x + size);
                for step in -4000..4000 {
                    let a = f64::from(step) / 500.0 + 1e-7;
                    let is_within = (activation.apply(a) - x).abs() <= size;
                    let is_reached = interval.is_some_and(|(from, to)| (from..=to).contains(&a));
                    assert_eq!(is_within, is_reached, "{activation} at {a}, {x}: {interval:?}");
                }
            }
        }
    }
}
