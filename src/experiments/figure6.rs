//! The paper's figure 6: inpainting. A square in the middle of an image, its lower half, or many of
//! its pixels are hidden.

use super::gallery::Descent;
use super::sensing::{Recovery, Sensing};
use super::study::Study;
use crate::bench::recovery::case::Case;
use crate::error::Result;

/// The seeds begin with this number: 1 and the number of the figure.
const SEED: u64 = 16;

/// Runs the experiment: inpainting.
pub fn run(study: &Study) -> Result<String> {
    let measured = [
        (Case::Centre, "the centre"),
        (Case::Lower, "the lower half"),
        (Case::Hidden(0.5), "half of the pixels"),
        (Case::Hidden(0.9), "90 % of the pixels"),
    ];
    let sensing = Sensing {
        name: "figure6",
        title: "Inpainting: what is hidden",
        saying: "inpainting without noise.",
        measured: &measured.map(|(case, caption)| (case, caption.to_owned())),
        ways: &[
            Recovery::Layerwise,
            Recovery::ProjectedRefined,
            Recovery::Descent(Descent::Paper),
            Recovery::Descent(Descent::Adam),
            Recovery::Search,
        ],
        count: study.pick(25, 4),
        seed: SEED,
    };
    sensing.run(study)
}
