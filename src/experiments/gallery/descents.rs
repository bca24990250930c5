//! Gradient descent in the galleries, in two variants. One has the paper's settings, whose step
//! size was chosen for the paper's own generator. The other is Adam from many starts, with the
//! settings of `bench recovery`, so that the baseline is not weak.

use crate::descent::{DescentOptions, Optimizer};
use crate::experiments::contender::descent_on_trained;
use crate::experiments::study::Study;

/// A variant of gradient descent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// The paper's variant: a fixed step size, one start.
    Paper,
    /// Adam with ten starts.
    Adam,
}

impl Descent {
    /// Both variants.
    pub const ALL: [Descent; 2] = [Descent::Paper, Descent::Adam];

    /// The name in pictures and records.
    pub const fn label(self) -> &'static str {
        match self {
            Descent::Paper => "descent",
            Descent::Adam => "descent, Adam",
        }
    }

    /// Options for one image of the experiment whose seeds begin with `first`: each image has its
    /// own starts.
    pub fn options(self, study: &Study, first: u64, image: usize) -> DescentOptions {
        let seed = |of: u64| study.seed(&[first, of, image as u64]);
        match self {
            Descent::Paper => {
                let descent = descent_on_trained(seed(1));
                DescentOptions { iterations: study.pick(descent.iterations, 1000), ..descent }
            }
            Descent::Adam => DescentOptions {
                optimizer: Optimizer::Adam,
                iterations: 1000,
                restarts: 9,
                seed: seed(2),
                ..DescentOptions::default()
            },
        }
    }

    /// Describes both variants.
    pub fn in_words(study: &Study) -> String {
        let one = |descent: Descent| {
            let DescentOptions { step, iterations, restarts, .. } = descent.options(study, 0, 0);
            let by = step.unwrap_or(Optimizer::ADAM_STEP);
            let starts =
                if restarts == 0 { "one start".to_owned() } else { format!("the best of {} starts", restarts + 1) };
            format!("\"{}\" has steps of {by}, up to {iterations} iterations and {starts}", descent.label())
        };
        let [paper, adam] = Descent::ALL.map(one);
        format!("{paper} (the paper's step, chosen for its own generator); {adam}.")
    }
}
