//! The activations of a list of operations. Those with two kinks become two ReLUs, so that both
//! kinks are treated as such.

use super::assembly::Assembly;
use super::document::{GeluForm, Operation};
use crate::error::Result;
use crate::network::Activation;

impl Assembly<'_> {
    pub(super) fn activation(&mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Relu {} => self.activate(Activation::Relu),
            Operation::LeakyRelu { negative_slope } => self.leaky(*negative_slope)?,
            Operation::Prelu { weight } => {
                let slopes = self.tensor(weight)?.numbers;
                let Some(slope) = slopes.first().copied().filter(|first| slopes.iter().all(|slope| slope == first))
                else {
                    return Err(self.refused(
                        format!("{} different slopes in `{weight}`", slopes.len()),
                        "one slope, or equal ones: a layer of unrelu has one activation",
                    ));
                };
                self.leaky(slope)?;
            }
            Operation::Elu { alpha } => {
                self.positive("alpha", *alpha)?;
                self.activate(Activation::Elu(*alpha));
            }
            Operation::Selu {} => self.activate(Activation::Selu),
            Operation::Softplus { beta, threshold } => {
                self.positive("beta", *beta)?;
                if *threshold != Activation::SOFTPLUS_THRESHOLD {
                    return Err(self.refused(format!("threshold {threshold}"), Activation::SOFTPLUS_THRESHOLD));
                }
                self.activate(Activation::Softplus(*beta));
            }
            Operation::Silu {} => self.activate(Activation::Silu),
            Operation::Gelu { approximate: GeluForm::None } => self.activate(Activation::Gelu),
            Operation::Gelu { approximate: GeluForm::Tanh } => self.activate(Activation::GeluTanh),
            Operation::Hardtanh { min_val, max_val } => self.clamp(*min_val, *max_val)?,
            Operation::Relu6 {} => self.clamp(0.0, 6.0)?,
            Operation::Sigmoid {} => self.activate(Activation::Sigmoid),
            Operation::Tanh {} => self.activate(Activation::Tanh),
            // The maps were handled before.
            _ => {}
        }
        Ok(())
    }

    /// `a` for `a > 0`, otherwise `c a`. For `c > 1` it is `−c` times the LeakyReLU of slope `1/c`
    /// at `−a`.
    fn leaky(&mut self, slope: f64) -> Result<()> {
        if slope == 0.0 {
            self.activate(Activation::Relu);
        } else if slope > 0.0 && slope < 1.0 {
            self.activate(Activation::LeakyRelu(slope));
        } else if slope > 1.0 && slope.is_finite() {
            self.scale_all(-1.0, 0.0);
            self.activate(Activation::LeakyRelu(1.0 / slope));
            self.scale_all(-slope, 0.0);
        } else if slope != 1.0 {
            return Err(self.refused(format!("slope {slope}"), "a slope of 0 or more"));
        }
        Ok(())
    }

    /// `min(max(a, low), high) = high − relu(high − low − relu(a − low))`.
    fn clamp(&mut self, low: f64, high: f64) -> Result<()> {
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(self.refused(format!("limits {low} and {high}"), "a lower and a higher number"));
        }
        self.scale_all(1.0, -low);
        self.activate(Activation::Relu);
        self.scale_all(-1.0, high - low);
        self.activate(Activation::Relu);
        self.scale_all(-1.0, high);
        Ok(())
    }

    fn scale_all(&mut self, factor: f64, shift: f64) {
        let entries = self.entries();
        self.scale(&vec![factor; entries], &vec![shift; entries]);
    }

    fn positive(&self, what: &str, number: f64) -> Result<()> {
        if number > 0.0 && number.is_finite() {
            return Ok(());
        }
        Err(self.refused(format!("{what} {number}"), "a positive number"))
    }
}
