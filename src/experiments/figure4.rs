//! The paper's figure 4: sensing. Some pixels of an image of the trained generator are measured,
//! without noise; random projections are measured too.

use super::gallery::Descent;
use super::sensing::{Recovery, Sensing};
use super::study::Study;
use crate::bench::recovery::case::Case;
use crate::error::Result;
use crate::network::{Activation, Layer};

/// The seeds begin with this number: 1 and the number of the figure.
const SEED: u64 = 14;

/// Runs the experiment: sensing.
pub fn run(study: &Study) -> Result<String> {
    let network = &study.trained().network;
    let is_leaky = |layer: &Layer| matches!(layer.activation, Activation::LeakyRelu(_));
    // The shares of the authors' script.
    let hidden = if network.layers().iter().any(is_leaky) { 0.5 } else { 0.1 };
    // Enough for projected gradient descent to be able to succeed, but fewer than the pixels.
    let pixels = network.observation_length();
    let projections = (pixels / 4).max(2 * network.code_length()).min(pixels);
    let plural = if projections == 1 { "" } else { "s" };
    let measured = [
        (Case::Hidden(hidden), format!("{:.0} % of the pixels hidden", 100.0 * hidden)),
        (Case::Gaussian(projections), format!("{projections} random projection{plural}")),
    ];
    let ways = [
        Recovery::Layerwise,
        Recovery::ProjectedLinf,
        Recovery::ProjectedL1,
        Recovery::ProjectedRefined,
        Recovery::Descent(Descent::Paper),
        Recovery::Descent(Descent::Adam),
        Recovery::Search,
    ];
    let sensing = Sensing {
        name: "figure4",
        title: "Sensing without noise",
        saying: "sensing without noise.",
        measured: &measured,
        ways: &ways,
        count: study.pick(30, 6),
        seed: SEED,
    };
    sensing.run(study)
}
