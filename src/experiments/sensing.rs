//! What figures 4 and 6 share: images recovered from some of their pixels, or from random
//! projections, by the paper's way — projected gradient descent with the layer-wise inversion as
//! the projection —, by gradient descent on the codes, and by `recover`'s own search.

use std::sync::Arc;

use super::gallery::{Block, Descent, Gallery, Outcome, Shared, timed, within_reach};
use super::study::Study;
use crate::batch::{self, Method};
use crate::bench::recovery::case::Case;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::lp::formulation::LayerwiseMethod as Formulation;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::BestOptions;
use crate::network::{Activation, Network};
use crate::recover::operators::{Operator, shown};
use crate::recover::{self, ProjectedOptions, Recoverer, Strategy};

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
    /// Gradient descent on the codes.
    Descent(Descent),
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
            Recovery::Descent(descent) => descent.label(),
            Recovery::Search => "search",
        }
    }

    /// Most iterations of projected gradient descent, for those that are such: fewer on large
    /// networks, where a projection takes seconds.
    fn projections(self, study: &Study) -> Option<usize> {
        let small = match self {
            Recovery::ProjectedLinf | Recovery::ProjectedRefined => study.pick(300, 100),
            // Where it arrives it does so in ten iterations, and each takes as long as many of
            // linf.
            Recovery::ProjectedL1 => study.pick(30, 10),
            Recovery::Layerwise | Recovery::Descent(_) | Recovery::Search => return None,
        };
        Some(within_reach(&study.trained().network, small))
    }

    /// `first`: what the seeds begin with.
    fn options(self, study: &Study, case: Case, first: u64, image: usize) -> recover::RecoverOptions {
        let layerwise = |method| Method::Layerwise(LayerwiseOptions { method, ..LayerwiseOptions::default() });
        let (method, refine) = match self {
            Recovery::Layerwise | Recovery::ProjectedLinf | Recovery::Search => (layerwise(Formulation::Linf), false),
            Recovery::ProjectedL1 => (layerwise(Formulation::L1), false),
            Recovery::ProjectedRefined => (layerwise(Formulation::Linf), true),
            Recovery::Descent(descent) => (Method::Descent(descent.options(study, first, image)), false),
        };
        let strategy = match (self, self.projections(study)) {
            (Recovery::Search, _) => Strategy::Search(BestOptions::default()),
            (_, None) => Strategy::Direct,
            (_, Some(iterations)) => {
                // A step of 1 puts the seen pixels in their places.
                let step = if case.is_mask() { 1.0 } else { 0.5 };
                Strategy::Projected(ProjectedOptions { step, iterations, ..Default::default() })
            }
        };
        let threads = Some(1);
        let inversion = batch::Options { method, refine, device: DeviceChoice::Cpu, threads, ..Default::default() };
        recover::RecoverOptions { strategy, inversion }
    }

    /// Why it cannot recover from such measurements; nothing where it can.
    fn obstacle(self, case: Case, network: &Network) -> Option<&'static str> {
        let is_composed =
            |activation: Activation| activation == Activation::Identity || activation.allowed_in_hidden_layers();
        match self {
            _ if case.is_mask() => None,
            Recovery::Layerwise => Some("it works on pixels alone; what is not pixels determines no layer"),
            Recovery::Descent(_) if !network.layers().last().is_some_and(|layer| is_composed(layer.activation)) => {
                Some("descent does not go through a linear map of sigmoid or tanh outputs")
            }
            _ => None,
        }
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
    /// What was measured, and what stands above its images; those that the generator's images do
    /// not allow are passed over.
    pub measured: &'a [(Case, String)],
    /// How the images are recovered.
    pub ways: &'a [Recovery],
    /// Images, for each measurement.
    pub count: usize,
    /// What its seeds begin with; other experiments' begin with another.
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
        let network = Arc::clone(gallery.network());
        let mut measured: Vec<(Case, Arc<dyn Operator>)> = Vec::new();
        for (case, caption) in self.measured.iter().filter(|(case, _)| case.fits(study.trained())) {
            let operator: Arc<dyn Operator> = Arc::from(case.operator(network.observation_length())?);
            let mut observations = operator.apply(gallery.images());
            case.hide(&mut observations);
            gallery.observe(Block {
                name: case.to_string(),
                caption: caption.clone(),
                shown: shown(&*operator, observations.clone()),
                observations,
                matrix: operator.matrix(),
            });
            measured.push((*case, operator));
        }
        let rows = gallery.recover(study, self.name, |block, observation, image, way| {
            let ((case, operator), way) = (&measured[block], self.ways[way]);
            if let Some(reason) = way.obstacle(*case, &network) {
                return Ok(Outcome::NotTried(reason));
            }
            let operator = Box::new(Shared(Arc::clone(operator)));
            let recoverer =
                Recoverer::new(Arc::clone(&network), operator, way.options(study, *case, self.seed, image))?;
            timed(|| recoverer.recover(observation))
        })?;
        study.draw_grid(self.name, &gallery.grid(self.title, &rows))?;
        let text = format!("{}: {} {}{}", self.name, self.saying, self.methods_in_words(study), gallery.summary(&rows));
        study.tell(self.name, text)
    }

    /// How the ways are set up.
    fn methods_in_words(&self, study: &Study) -> String {
        let projections = |way: &Recovery| Some(format!("\"{}\" up to {}", way.label(), way.projections(study)?));
        let projections: Vec<String> = self.ways.iter().filter_map(projections).collect();
        format!(
            "PGD is projected gradient descent with the layer-wise inversion as the projection; its iterations: {}. {}",
            projections.join(", "),
            Descent::in_words(study)
        )
    }
}

#[cfg(test)]
mod tests;
