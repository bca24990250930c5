//! Gradient descent in the galleries: as the paper sets its baseline up, whose step was chosen for
//! the paper's own generator; and, so that the baseline is not a weak one, by Adam from many
//! starts, as `bench recovery` sets it up.

use crate::descent::{DescentOptions, Optimizer};
use crate::experiments::contender::descent_on_trained;
use crate::experiments::study::Study;

/// How gradient descent is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// The paper's: a fixed step, one start.
    Paper,
    /// Adam, ten starts.
    Adam,
}

impl Descent {
    /// Both.
    pub const ALL: [Descent; 2] = [Descent::Paper, Descent::Adam];

    /// What pictures and records call it.
    pub const fn label(self) -> &'static str {
        match self {
            Descent::Paper => "descent",
            Descent::Adam => "descent, Adam",
        }
    }

    /// For one image of the experiment whose seeds begin with `first`: each image has starts of its
    /// own.
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

    /// Both set-ups, in words.
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
