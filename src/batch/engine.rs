//! What the pipeline, and a run from file to file, ask of whatever turns observations into codes: an [`Inverter`], or a recovery
//! from linear measurements on top of one.

use std::fmt;

use nalgebra::DMatrix;

use super::identity::options_that_matter;
use super::{InvertedBatch, Inverter, Options};
use crate::device::Device;
use crate::error::Result;
use crate::formats::report::Columns;
use crate::network::Network;
use crate::runtime::Runtime;

/// Codes from observations, a batch at a time, in two halves that different batches can be in at the same time.
pub trait Engine: Sync + fmt::Debug {
    /// The device and the threads.
    fn runtime(&self) -> &Runtime;

    /// The options of the inversion.
    fn options(&self) -> &Options;

    /// The generator of the codes.
    fn generator(&self) -> &Network;

    /// Entries an observation.
    fn observation_length(&self) -> usize {
        self.generator().observation_length()
    }

    /// Where that number comes from, for messages.
    fn length_comes_from(&self) -> &'static str {
        "as the network has outputs"
    }

    /// Which columns a `.csv` report has, `truth` if the true codes are known.
    fn report_columns(&self, truth: bool) -> Columns;

    /// Options that change an answer, as the command line names them: part of what identifies a run.
    fn options_that_matter(&self) -> Vec<(String, String)>;

    /// The first half of a batch: codes from the method, on `device` and the pool. `first_index`: of the first observation in
    /// the whole run.
    fn solve(&self, device: &dyn Device, observations: &DMatrix<f64>, first_index: u64) -> Result<InvertedBatch>;

    /// The second half: refinement, and the residuals of the codes as they will be written.
    fn complete(&self, observations: &DMatrix<f64>, batch: &mut InvertedBatch);
}

impl Engine for Inverter {
    fn runtime(&self) -> &Runtime {
        Inverter::runtime(self)
    }

    fn options(&self) -> &Options {
        Inverter::options(self)
    }

    fn generator(&self) -> &Network {
        self.network()
    }

    fn report_columns(&self, truth: bool) -> Columns {
        Inverter::report_columns(self, truth)
    }

    fn options_that_matter(&self) -> Vec<(String, String)> {
        options_that_matter(Inverter::options(self), Inverter::runtime(self))
    }

    fn solve(&self, device: &dyn Device, observations: &DMatrix<f64>, first_index: u64) -> Result<InvertedBatch> {
        Inverter::solve(self, device, observations, first_index)
    }

    fn complete(&self, observations: &DMatrix<f64>, batch: &mut InvertedBatch) {
        Inverter::complete(self, observations, batch);
    }
}
