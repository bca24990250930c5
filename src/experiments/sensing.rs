//! What figures 4 and 6 share: images recovered from some of their pixels, or from random projections, by the paper's way — projected
//! gradient descent with the layer-wise inversion as the projection —, by gradient descent on the codes, and by `recover`'s own search.

use std::sync::Arc;

use super::contender::descent_on_trained;
use super::gallery::{Block, Gallery, timed, within_reach};
use super::study::Study;
use crate::batch::{self, Method};
use crate::bench::recovery::case::Case;
use crate::best::BestOptions;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::lp::formulation::Method as Formulation;
use crate::lp::layer::LayerOptions;
use crate::recover::operators::shown;
use crate::recover::{self, ProjectedOptions, Recoverer, Way};

/// A way to recover an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The layer-wise inversion, the rows of the pixels that were not seen left out.
    Layerwise,
    /// Projected gradient descent on the images, the paper's Algorithm 1 as the projection.
    ProjectedLinf,
    /// The same with Algorithm 2.
    ProjectedL1,
    /// With Algorithm 1 and refinement: the nearest image that it leads to, by Euclid's distance.
    ProjectedRefined,
    /// Gradient descent on the codes, as the paper sets its baseline up.
    Descent,
    /// `min ½‖A G(z) − y‖²` from many starts.
    Search,
}

impl Recovery {
    fn label(self) -> &'static str {
        match self {
            Recovery::Layerwise => "linf, seen pixels",
            Recovery::ProjectedLinf => "PGD, linf",
            Recovery::ProjectedL1 => "PGD, l1",
            Recovery::ProjectedRefined => "PGD, linf refined",
            Recovery::Descent => "descent",
            Recovery::Search => "search",
        }
    }

    fn options(self, study: &Study, case: Case, image: usize) -> recover::Options {
        let layerwise = |method| Method::Layerwise(LayerOptions { method, ..LayerOptions::default() });
        // A step of 1 puts the seen pixels in their places.
        let step = if case.is_mask() { 1.0 } else { 0.5 };
        // A projection takes seconds on the largest networks.
        let projected = |iterations| {
            let iterations = within_reach(&study.trained().network, iterations);
            Way::Projected(ProjectedOptions { step, iterations, ..Default::default() })
        };
        let iterations = study.pick(300, 100);
        let (way, method, refine) = match self {
            Recovery::Layerwise => (Way::Direct, layerwise(Formulation::Linf), false),
            Recovery::ProjectedLinf => (projected(iterations), layerwise(Formulation::Linf), false),
            // Where it arrives it does so in ten iterations, and each takes as long as many of linf.
            Recovery::ProjectedL1 => (projected(study.pick(30, 10)), layerwise(Formulation::L1), false),
            Recovery::ProjectedRefined => (projected(iterations), layerwise(Formulation::Linf), true),
            Recovery::Descent => {
                let mut descent = descent_on_trained(study.seed(&[4, 1, image as u64]));
                descent.iterations = study.pick(descent.iterations, 1000);
                (Way::Direct, Method::Descent(descent), false)
            }
            Recovery::Search => (Way::Search(BestOptions::default()), layerwise(Formulation::Linf), false),
        };
        let threads = Some(1);
        let inversion = batch::Options { method, refine, device: DeviceChoice::Cpu, threads, ..Default::default() };
        recover::Options { way, inversion }
    }

    /// Layers are not determined by what is not pixels.
    fn takes_part(self, case: Case) -> bool {
        self != Recovery::Layerwise || case.is_mask()
    }
}

/// A figure of images that were measured without noise.
pub struct Sensing<'a> {
    /// Its name.
    pub name: &'static str,
    /// Stands above it.
    pub title: &'static str,
    /// What is to be seen, before the figures.
    pub saying: &'static str,
    /// What was measured, and what stands above its images; those that the generator's images do not allow are passed over.
    pub measured: &'a [(Case, String)],
    /// How the images are recovered.
    pub ways: &'a [Recovery],
    /// Images, for each measurement.
    pub count: usize,
    /// Tells its images from those of other figures.
    pub seed: u64,
}

impl Sensing<'_> {
    /// Recovers the images, draws the first of them, and says what came of all.
    ///
    /// # Errors
    /// Those of [`Recoverer`] and [`Study::runs`].
    pub fn run(&self, study: &Study) -> Result<String> {
        let labels: Vec<&str> = self.ways.iter().map(|way| way.label()).collect();
        let mut gallery = Gallery::new(study, self.seed, self.count, &labels)?;
        let measured: Vec<_> = self.measured.iter().filter(|(case, _)| case.fits(study.trained())).collect();
        for (case, caption) in &measured {
            let operator = case.operator(gallery.network().observation_length())?;
            let mut observations = operator.apply(gallery.images());
            case.hide(&mut observations);
            gallery.observe(Block {
                name: case.to_string(),
                caption: caption.clone(),
                shown: shown(&*operator, observations.clone()),
                observations,
                matrix: operator.matrix(),
            });
        }
        let rows = gallery.recover(study, self.name, |block, observation, image, way| {
            let (case, way) = (measured[block].0, self.ways[way]);
            if !way.takes_part(case) {
                return Ok(None);
            }
            let network = Arc::clone(gallery.network());
            let operator = case.operator(network.observation_length())?;
            let recoverer = Recoverer::new(network, operator, way.options(study, case, image))?;
            timed(|| recoverer.recover(observation))
        })?;
        study.draw_grid(self.name, &gallery.grid(self.title, &rows))?;
        study.tell(self.name, format!("{}: {}{}", self.name, self.saying, gallery.summary(&rows)))
    }
}
