//! Shared code of figures 4 and 6: images recovered from some of their pixels, or from random
//! projections. The methods are the paper's (projected gradient descent with the layer-wise
//! inversion as the projection), gradient descent on the codes, and `recover`'s own search.

use std::sync::Arc;

use super::gallery::{Block, Descent, Gallery, Outcome, Shared, timed, within_reach};
use super::study::Study;
use crate::batch::{self, Method};
use crate::bench::recovery::case::Case;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::lp::formulation::LayerwiseMethod as Formulation;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::{BestOptions, Objective};
use crate::network::{Activation, Network};
use crate::recover::operators::{Operator, shown};
use crate::recover::{self, ProjectedOptions, Recoverer, Strategy};

/// A method to recover an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The layer-wise inversion, without the rows of unobserved pixels.
    Layerwise,
    /// Projected gradient descent on the images, with the paper's Algorithm 1 as the projection.
    ProjectedLinf,
    /// The same with Algorithm 2.
    ProjectedL1,
    /// The same with Algorithm 1 and refinement, so that the projection is a local minimum of the
    /// Euclidean distance.
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

    /// Maximum number of iterations of projected gradient descent; fewer on large networks, where a
    /// projection takes seconds. `None` for other methods.
    fn projections(self, study: &Study) -> Option<usize> {
        let small = match self {
            Recovery::ProjectedLinf | Recovery::ProjectedRefined => study.pick(300, 100),
            // If it converges, it does so within ten iterations, and each takes as long as many of
            // linf.
            Recovery::ProjectedL1 => study.pick(30, 10),
            Recovery::Layerwise | Recovery::Descent(_) | Recovery::Search => return None,
        };
        Some(within_reach(&study.trained().network, small))
    }

    /// Options of the method. `first`: the number with which the seeds begin.
    fn options(self, study: &Study, case: Case, first: u64, image: usize) -> recover::RecoverOptions {
        let layerwise = |method| Method::Layerwise(LayerwiseOptions { method, ..LayerwiseOptions::default() });
        let (method, refine) = match self {
            Recovery::Layerwise | Recovery::ProjectedLinf | Recovery::Search => (layerwise(Formulation::Linf), None),
            Recovery::ProjectedL1 => (layerwise(Formulation::L1), None),
            Recovery::ProjectedRefined => (layerwise(Formulation::Linf), Some(Objective::L2)),
            Recovery::Descent(descent) => (Method::Descent(descent.options(study, first, image)), None),
        };
        let strategy = match (self, self.projections(study)) {
            (Recovery::Search, _) => Strategy::Search(BestOptions::default()),
            (_, None) => Strategy::Direct,
            (_, Some(iterations)) => {
                // A step of 1 sets the observed pixels to their measured values.
                let step = if case.is_mask() { 1.0 } else { 0.5 };
                Strategy::Projected(ProjectedOptions { step, iterations, ..Default::default() })
            }
        };
        let threads = Some(1);
        let inversion = batch::Options { method, refine, device: DeviceChoice::Cpu, threads, ..Default::default() };
        recover::RecoverOptions { strategy, inversion }
    }

    /// Why the method does not support such measurements; `None` if it does.
    fn obstacle(self, case: Case, network: &Network) -> Option<&'static str> {
        let is_composed = |activation: Activation| activation == Activation::Identity || activation.has_kink();
        match self {
            _ if case.is_mask() => None,
            Recovery::Layerwise => Some("it needs pixels; other measurements determine no layer"),
            Recovery::Descent(_) if !network.layers().last().is_some_and(|layer| is_composed(layer.activation)) => {
                Some("descent does not support a linear map of sigmoid or tanh outputs")
            }
            _ => None,
        }
    }
}

/// A figure of images that were measured without noise.
pub struct Sensing<'a> {
    /// The name of the experiment.
    pub name: &'static str,
    /// The title of the picture.
    pub title: &'static str,
    /// The first sentence of the summary.
    pub saying: &'static str,
    /// The measurements and their captions; those that the generator's images do not allow are
    /// skipped.
    pub measured: &'a [(Case, String)],
    /// How the images are recovered.
    pub ways: &'a [Recovery],
    /// Number of images per measurement.
    pub count: usize,
    /// The seeds begin with this number, which differs between experiments.
    pub seed: u64,
}

impl Sensing<'_> {
    /// Recovers the images, draws the first of them, and summarises the results.
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

    /// Describes the settings of the methods.
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
