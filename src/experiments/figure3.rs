//! The paper's figure 3: images of the trained generator under Gaussian noise, denoised by the
//! paper's two main methods, by gradient descent, by `linf` refined in the norm that fits Gaussian
//! noise, and by `best`. The paper's "variance 0.3" is read as the variance and as the standard
//! deviation, since the authors' N(0, a) has standard deviation a; in addition there are smaller
//! noises.

use std::sync::Arc;

use super::contender::Contender;
use super::gallery::{Block, Descent, Gallery, Row, timed};
use super::study::Study;
use crate::batch::{Inverter, Options};
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::random::Noise;
use crate::statistics::median;

const NAME: &str = "figure3";
/// The seeds begin with this number: 1 and the number of the figure.
const SEED: u64 = 13;
/// Variances of the noise: the paper's, its number read as a standard deviation, and those of a
/// tenth and a hundredth of the first standard deviation.
const VARIANCES: [f64; 4] = [0.3, 0.09, 3e-3, 3e-5];

/// A method of the comparison.
#[derive(Clone, Copy)]
enum Denoiser {
    Of(Contender, &'static str),
    Descent(Descent),
}

const METHODS: [Denoiser; 6] = [
    Denoiser::Of(Contender::Linf, "linf"),
    Denoiser::Of(Contender::L1, "l1"),
    Denoiser::Descent(Descent::Paper),
    Denoiser::Descent(Descent::Adam),
    Denoiser::Of(Contender::LinfRefinedInL2, "linf, refined"),
    Denoiser::Of(Contender::Best, "best"),
];

impl Denoiser {
    /// Options for noise of this standard deviation.
    fn options(self, study: &Study, deviation: f64, image: usize) -> Options {
        let (contender, descent) = match self {
            Denoiser::Of(contender, _) => (contender, DescentOptions::default()),
            Denoiser::Descent(descent) => (Contender::Descent, descent.options(study, SEED, image)),
        };
        contender.options(deviation, descent, 1)
    }
}

/// Runs the experiment: denoising.
pub fn run(study: &Study) -> Result<String> {
    let labels = METHODS.map(|method| match method {
        Denoiser::Of(_, label) => label,
        Denoiser::Descent(descent) => descent.label(),
    });
    let mut gallery = Gallery::new(study, SEED, study.pick(100, 8), &labels)?;
    for variance in VARIANCES {
        let mut noisy = gallery.images().clone();
        let seed = study.seed(&[SEED, variance.to_bits()]);
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
        let options = METHODS[method].options(study, VARIANCES[block].sqrt(), image);
        let inverter = Inverter::new(Arc::clone(gallery.network()), options)?;
        timed(|| inverter.invert(observation))
    })?;
    study.draw_grid(NAME, &gallery.grid("Denoising: the trained generator, Gaussian noise", &rows))?;
    study.tell(NAME, text(study, &gallery, &rows))
}

fn text(study: &Study, gallery: &Gallery, rows: &[Row]) -> String {
    let own = (0..VARIANCES.len()).map(|block| format!("{:.1e}", gallery.observed_error(block))).collect::<Vec<_>>();
    let pixels = gallery.images();
    let size = (pixels.norm_squared() / pixels.len() as f64).sqrt();
    let norm = median(pixels.column_iter().map(|image| image.norm()).collect());
    format!(
        "figure3: denoising, of Gaussian noise: the paper's variance of 0.3, a standard deviation of 0.3 (the other reading of its \
         number), and a tenth and a hundredth of the first standard deviation, 0.55. The scale of the pixels is the generator's own: \
         the root mean square of those of these images is {size:.2}, the median norm of an image {norm:.1}. The noisy images \
         themselves have errors of {} (medians). {}{}",
        own.join(", "),
        Descent::in_words(study),
        gallery.summary(rows)
    )
}
