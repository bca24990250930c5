//! The interface between the pipeline or a file run and the computation of codes. An [`Inverter`]
//! implements it, and so does a recovery from linear measurements.

use std::fmt;

use nalgebra::DMatrix;

use super::identity::options_that_matter;
use super::{InvertedBatch, Inverter, Method, Options};
use crate::cancel::CancelToken;
use crate::device::Device;
use crate::error::Result;
use crate::formats::report::Columns;
use crate::network::Network;
use crate::observation::View;
use crate::runtime::Runtime;

/// Computes codes from observations, one batch at a time. The work has two halves; while one batch
/// is in the first half, another can be in the second.
pub trait Engine: Sync + fmt::Debug {
    /// The device and the threads.
    fn runtime(&self) -> &Runtime;

    /// The options of the inversion.
    fn options(&self) -> &Options;

    /// The generator of the codes.
    fn generator(&self) -> &Network;

    /// The number of entries per observation.
    fn observation_length(&self) -> usize {
        self.generator().observation_length()
    }

    /// The origin of that number, for messages.
    fn length_comes_from(&self) -> &'static str {
        "one per output of the network"
    }

    /// Does what is done once before the first batch and takes long, if it has not been done.
    /// It is left undone after `cancel`.
    fn prepare(&self, _cancel: &CancelToken) {}

    /// What the engine chose: the device, and a stop rule that was measured.
    fn notes(&self) -> Vec<String> {
        self.runtime().notice().map(str::to_owned).into_iter().collect()
    }

    /// A warning about the first observation that does not fit the range of the output or the named
    /// noise, if there is one.
    fn data_warning(&self) -> Option<&str>;

    /// The columns of a `.csv` report. `truth`: whether the true codes are known.
    fn report_columns(&self, truth: bool) -> Columns;

    /// The options that change an answer, by the names of their fields: part of a run's identity.
    fn options_that_matter(&self) -> Vec<(String, String)>;

    /// The first half of a batch: runs the method, on `device` and the pool. `first_index`: the
    /// index of the first observation in the whole run.
    fn solve(&self, device: &dyn Device, observations: View<'_>, first_index: u64) -> Result<InvertedBatch>;

    /// The number of observations that fill the device: [`Self::solve`] is given several batches
    /// together up to this number. 1 if batches are best solved one by one.
    fn observations_at_once(&self) -> usize;

    /// Whether the first half reads f32 observations as they are. Otherwise they are widened
    /// before.
    fn takes_single(&self) -> bool;

    /// The second half: refinement, and the residuals of the codes in their stored precision.
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

    fn prepare(&self, cancel: &CancelToken) {
        self.measure_rule(cancel);
    }

    fn notes(&self) -> Vec<String> {
        let chosen = Inverter::runtime(self).notice().map(str::to_owned);
        chosen.into_iter().chain(self.search_rule()).collect()
    }

    fn data_warning(&self) -> Option<&str> {
        Inverter::data_warning(self)
    }

    fn report_columns(&self, truth: bool) -> Columns {
        Inverter::report_columns(self, truth)
    }

    fn options_that_matter(&self) -> Vec<(String, String)> {
        let options = Inverter::options(self);
        options_that_matter(options, options.measured_rate(self.network()), Inverter::runtime(self))
    }

    fn solve(&self, device: &dyn Device, observations: View<'_>, first_index: u64) -> Result<InvertedBatch> {
        Inverter::solve(self, device, observations, first_index)
    }

    /// In a descent the device does nearly all of the work. The search of `best` gives most of it
    /// to the pool, which would make every step of a stop or a resumption longer.
    fn observations_at_once(&self) -> usize {
        match &Inverter::options(self).method {
            Method::Descent(options) => Inverter::runtime(self).device().observations_at_once(options),
            Method::Best(_) | Method::Layerwise(_) => 1,
        }
    }

    /// A device of its own descends in f32. All other work is in f64.
    fn takes_single(&self) -> bool {
        let is_descent = matches!(Inverter::options(self).method, Method::Descent(_));
        is_descent && Inverter::runtime(self).device().is_asynchronous()
    }

    fn complete(&self, observations: &DMatrix<f64>, batch: &mut InvertedBatch) {
        Inverter::complete(self, observations, batch);
    }
}
