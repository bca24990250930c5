//! `unrelu reproduce`: the experiments of *Inverting Deep Generative Models, One Layer at a Time*
//! (Lei, Jalal, Dhillon, Dimakis, NeurIPS 2019), at the paper's size, with `best` in addition to
//! the paper's methods. Measurements of its theorems are included.
//!
//! One file per experiment, each a function of a [`Study`]. It makes runs that are recorded one by
//! one and can be resumed (`Study::runs`), draws them, and summarises the results. Nothing here
//! inverts by itself: everything uses the library's public calls.

mod bounds;
mod columns;
mod conditioning;
mod contender;
mod determined;
mod expansion;
mod figure2;
mod figure3;
mod figure4;
mod figure6;
mod folder;
mod gallery;
mod hardness;
mod instance;
mod noise;
mod printed;
pub mod record;
mod sensing;
mod steps;
mod study;
mod table1;

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::named::unknown;
use crate::network::Network;
pub use study::Study;

/// The experiments that can be reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
pub enum Experiment {
    /// Error against noise: the linear programs and descent.
    Figure1,
    /// Success rate against code length.
    Figure2,
    /// Denoising.
    Figure3,
    /// Sensing: from some pixels, or from random projections.
    Figure4,
    /// Error against noise: the linear programs among themselves.
    Figure5,
    /// Inpainting.
    Figure6,
    /// Time against code length.
    Table1,
    /// Measurements of Theorems 4 and 5 and Corollary 1.
    Bounds,
    /// Success against expansion, with Theorem 3's 2.1.
    Expansion,
    /// The networks of Theorems 1 and 2, made from formulas, and Example 1.
    Hardness,
    /// The linear programs as printed, as the authors' program has them, and here.
    Printed,
    /// Gradient descent by its step.
    Steps,
}

impl Experiment {
    /// All experiments, in the order in which `all` runs them.
    pub const ALL: [Experiment; 12] = [
        Experiment::Figure1,
        Experiment::Figure2,
        Experiment::Figure3,
        Experiment::Figure4,
        Experiment::Figure5,
        Experiment::Figure6,
        Experiment::Table1,
        Experiment::Bounds,
        Experiment::Expansion,
        Experiment::Hardness,
        Experiment::Printed,
        Experiment::Steps,
    ];

    /// Runs the experiment and writes its files; runs that were recorded earlier are not repeated.
    /// Returns the summary.
    ///
    /// # Errors
    /// Those of the library and of writing, and [`crate::Error::Cancelled`] if the study's watch
    /// requests it: all earlier runs are recorded.
    pub fn run(self, study: &Study) -> Result<String> {
        match self {
            Experiment::Figure1 => noise::figure1(study),
            Experiment::Figure2 => figure2::run(study),
            Experiment::Figure3 => figure3::run(study),
            Experiment::Figure4 => figure4::run(study),
            Experiment::Figure5 => noise::figure5(study),
            Experiment::Figure6 => figure6::run(study),
            Experiment::Table1 => table1::run(study),
            Experiment::Bounds => bounds::run(study),
            Experiment::Expansion => expansion::run(study),
            Experiment::Hardness => hardness::run(study),
            Experiment::Printed => printed::run(study),
            Experiment::Steps => steps::run(study),
        }
    }
}

/// Options of the reproduction.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for all output; created if it does not exist.
    pub out: PathBuf,
    /// Small sizes and few runs: for a first look, or to test everything.
    pub quick: bool,
    /// Seed of networks, codes, noise and starts.
    pub seed: u64,
    /// The trained generator with its name; `None` for the bundled one.
    pub network: Option<(String, Arc<Network>)>,
    /// Number of threads; `None` for as many as the system provides.
    pub threads: Option<usize>,
}

/// An observer of the runs.
pub trait Watch: Sync {
    /// The runs of `what` start, or resume at `done` of `total`.
    fn begin(&self, what: &str, done: usize, total: usize);
    /// Reports the number of finished runs.
    fn done(&self, done: usize);
    /// Whether to stop.
    fn cancelled(&self) -> bool;
}

/// An observer that does nothing.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[cfg(test)]
impl Watch for Nobody {
    fn begin(&self, _: &str, _: usize, _: usize) {}
    fn done(&self, _: usize) {}
    fn cancelled(&self) -> bool {
        false
    }
}
