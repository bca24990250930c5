//! `unrelu reproduce`: the experiments of *Inverting Deep Generative Models, One Layer at a Time*
//! (Lei, Jalal, Dhillon, Dimakis, NeurIPS 2019), at the paper's size, with `best` beside the
//! paper's methods; and what its theorems say, measured.
//!
//! One file an experiment, each a function of a [`Study`]: it carries out runs that are recorded
//! one by one and can be gone on with (`Study::runs`), draws them, and says what to see. Nothing
//! here inverts anything by itself: everything goes through the library's public calls.

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
mod record;
mod sensing;
mod study;
mod table1;

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::named::unknown;
use crate::network::Network;
pub use study::Study;

/// What can be reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
pub enum Experiment {
    /// Error against noise, random networks.
    Figure1,
    /// Success rate against the code length.
    Figure2,
    /// Denoising.
    Figure3,
    /// Sensing: some pixels, or random projections.
    Figure4,
    /// Error against noise, the trained generator.
    Figure5,
    /// Inpainting.
    Figure6,
    /// Time by the code length.
    Table1,
    /// Theorems 4 and 5 and Corollary 1, measured.
    Bounds,
    /// Success against the expansion, with Theorem 3's 2.1.
    Expansion,
    /// The networks of Theorems 1 and 2, made from formulas, and Example 1.
    Hardness,
}

impl Experiment {
    /// All, in the order in which `all` runs them.
    pub const ALL: [Experiment; 10] = [
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
    ];

    /// Carries it out and writes its files; what was recorded by an earlier run is not run again.
    /// Returns what is to be seen.
    ///
    /// # Errors
    /// Those of the library, of writing, and [`crate::Error::Cancelled`] where the study's watch
    /// says so: what was done until then is recorded.
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
        }
    }
}

/// What a caller decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of everything that is written; made where it is not there.
    pub out: PathBuf,
    /// Small sizes and few runs: for a look, and for a test of everything.
    pub quick: bool,
    /// Of networks, codes, noise and starts.
    pub seed: u64,
    /// The trained generator, with a name for it; `None` for the bundled one.
    pub network: Option<(String, Arc<Network>)>,
    /// Threads; `None` for as many as the system lends.
    pub threads: Option<usize>,
}

/// Who looks on.
pub trait Watch: Sync {
    /// The runs of `what` begin, or go on at `done` of `total`.
    fn begin(&self, what: &str, done: usize, total: usize);
    /// So many are done.
    fn done(&self, done: usize);
    /// Whether to stop.
    fn cancelled(&self) -> bool;
}

/// Looks on and says nothing.
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
