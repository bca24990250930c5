//! The paper's figure 6: inpainting. A square in the middle of an image, its lower half, or many of its pixels are hidden.

use super::sensing::{Recovery, Sensing};
use super::study::Study;
use crate::bench::recovery::case::Case;
use crate::error::Result;

/// Inpainting.
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
        saying: "inpainting without noise. An image that is not determined can look like the truth by chance only.",
        measured: &measured.map(|(case, caption)| (case, caption.to_owned())),
        ways: &[Recovery::Layerwise, Recovery::ProjectedRefined, Recovery::Descent, Recovery::Search],
        count: study.pick(25, 4),
        seed: 6,
    };
    sensing.run(study)
}
