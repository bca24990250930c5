//! The activations of a list of operations. Those with two kinks become two ReLUs, so that both
//! kinks are treated as such.

use super::assembly::Assembly;
use super::document::{GeluForm, Operation};
use crate::error::Result;
use crate::network::map::convolution::Axis;
use crate::network::map::{Convolution, ImageShape};
use crate::network::{Activation, Map};

/// The largest limit of a clamp. It is added and subtracted again, which costs digits.
const MOST_LIMIT: f64 = 4096.0;

/// A kernel of one entry.
const POINT: Axis = Axis { kernel: 1, stride: 1, padding: 0, dilation: 1 };

impl Assembly<'_> {
    pub(super) fn activation(&mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Relu {} => self.activate(Activation::Relu),
            Operation::LeakyRelu { negative_slope } => self.leaky(*negative_slope)?,
            Operation::Prelu { weight } => {
                let slopes = self.tensor(weight)?.numbers;
                match slopes[..] {
                    [slope] => self.leaky(slope)?,
                    _ => self.several_slopes(weight)?,
                }
            }
            Operation::Elu { alpha } => {
                self.positive("alpha", *alpha)?;
                self.activate(Activation::Elu(*alpha));
            }
            Operation::Selu {} => self.activate(Activation::Selu),
            Operation::Softplus { beta, threshold } => {
                self.positive("beta", *beta)?;
                self.positive("threshold", *threshold)?;
                self.activate(Activation::Softplus { beta: *beta, threshold: *threshold });
            }
            Operation::Silu {} => self.activate(Activation::Silu),
            Operation::Gelu { approximate: GeluForm::None } => self.activate(Activation::Gelu),
            Operation::Gelu { approximate: GeluForm::Tanh } => self.activate(Activation::GeluTanh),
            Operation::Hardtanh { min_val, max_val } => self.clamp(*min_val, *max_val)?,
            Operation::Relu6 {} => self.clamp(0.0, 6.0)?,
            Operation::PositivePart {} => self.activate(Activation::PositivePart),
            Operation::Sigmoid {} => self.activate(Activation::Sigmoid),
            Operation::Tanh {} => self.activate(Activation::Tanh),
            // It keeps what is before it apart from what is behind it.
            Operation::Identity {} => self.close(),
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
            self.two_halves(&[slope])?;
        }
        Ok(())
    }

    /// PReLU with a slope per channel.
    fn several_slopes(&mut self, weight: &str) -> Result<()> {
        let (channels, _) = self.channels();
        let slopes = self.vector(weight, channels, "one slope, or one per channel")?;
        if slopes.iter().all(|slope| *slope == slopes[0]) {
            return self.leaky(slopes[0]);
        }
        self.two_halves(&slopes)
    }

    /// `max(0, a) − c max(0, −a)` with the slope `c` of each channel, or one for all.
    fn two_halves(&mut self, slopes: &[f64]) -> Result<()> {
        if let Some(slope) = slopes.iter().find(|slope| !slope.is_finite()) {
            return Err(self.refused(format!("slope {slope}"), "finite slopes"));
        }
        let shape = self.shape.clone();
        let (channels, places) = self.channels();
        let slope = |channel: usize| if slopes.len() == 1 { slopes[0] } else { slopes[channel] };
        // An image keeps its rows and columns, so that the next layer reads it as it is written.
        let (rows, columns) = match shape[..] {
            [_, rows, columns] => (rows, columns),
            _ => (places, 1),
        };
        let images = [channels, 2 * channels].map(|channels| ImageShape { channels, rows, columns });
        let split = (0..channels).flat_map(|_| [1.0, -1.0]).collect();
        let join = (0..channels).flat_map(|channel| [1.0, -slope(channel)]).collect();
        let maps = [
            Convolution::new(split, images[0], 2 * channels, [POINT; 2], channels),
            Convolution::new(join, images[1], channels, [POINT; 2], channels),
        ];
        let [Some(split), Some(join)] = maps else {
            return Err(self.refused(format!("an input of shape {shape:?}"), "an input with channels"));
        };
        self.push(Map::Convolution(split), vec![0.0; images[1].length()], shape.clone());
        self.activate(Activation::PositivePart);
        self.push(Map::Convolution(join), vec![0.0; images[0].length()], shape);
        Ok(())
    }

    /// `min(max(a, low), high) = high − relu(high − low − relu(a − low))`.
    fn clamp(&mut self, low: f64, high: f64) -> Result<()> {
        if !(low < high && low.abs() <= MOST_LIMIT && high.abs() <= MOST_LIMIT) {
            let expected = format!("a lower and a higher number, up to {MOST_LIMIT} in absolute value");
            return Err(self.refused(format!("limits {low} and {high}"), expected));
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
