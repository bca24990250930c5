//! The paper's figure 3: images of the trained generator under Gaussian noise, denoised by the paper's two main methods, by gradient descent
//! and by `best`; beside its noise, of variance 0.3, milder ones.

use std::sync::Arc;

use super::contender::{Contender, descent_on_trained};
use super::gallery::{Block, Gallery, Row, timed};
use super::study::Study;
use crate::batch::Inverter;
use crate::error::Result;
use crate::random::Noise;

const NAME: &str = "figure3";
const METHODS: [Contender; 4] = [Contender::Linf, Contender::L1, Contender::Descent, Contender::Best];
/// Variances of the noise: the paper's, and a tenth and a hundredth of its size.
const VARIANCES: [f64; 3] = [0.3, 3e-3, 3e-5];

/// Denoising.
pub fn run(study: &Study) -> Result<String> {
    let methods = ["linf", "l1", "descent", "best"];
    let mut gallery = Gallery::new(study, 3, study.pick(100, 8), &methods)?;
    for variance in VARIANCES {
        let mut noisy = gallery.images().clone();
        let seed = study.seed(&[3, variance.to_bits()]);
        for (index, mut image) in (0..).zip(noisy.column_iter_mut()) {
            Noise::Gaussian(variance.sqrt()).apply(seed, index, image.as_mut_slice());
        }
        gallery.observe(Block {
            name: format!("variance:{variance}"),
            caption: format!("noise of variance {variance}"),
            shown: noisy.clone(),
            observations: noisy,
            matrix: None,
        });
    }
    let rows = gallery.recover(study, NAME, |block, observation, image, method| {
        let mut descent = descent_on_trained(study.seed(&[3, 1, image as u64]));
        descent.iterations = study.pick(descent.iterations, 1000);
        let options = METHODS[method].options(VARIANCES[block].sqrt(), descent, 1);
        let inverter = Inverter::new(Arc::clone(gallery.network()), options)?;
        timed(|| inverter.invert(observation))
    })?;
    study.draw_grid(NAME, &gallery.grid("Denoising: the trained generator, Gaussian noise", &rows))?;
    study.tell(NAME, text(&gallery, &rows))
}

fn text(gallery: &Gallery, rows: &[Row]) -> String {
    let own = (0..VARIANCES.len()).map(|block| format!("{:.1e}", gallery.observed_error(block))).collect::<Vec<_>>();
    format!(
        "figure3: denoising, of Gaussian noise: the paper's variance of 0.3, and a tenth and a hundredth of its standard deviation. The \
         scale of the pixels is the generator's own: in the bundled one's images blank paper is 0 and ink around 1, so that a deviation \
         of 0.55 in every pixel is louder than the image. The noisy images themselves have errors of {} (medians).{}",
        own.join(", "),
        gallery.summary(rows)
    )
}
