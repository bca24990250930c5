//! Runs whose batches are solved several at a time write the bytes of other runs, and stop and
//! continue at the same places.

use nalgebra::DMatrix;

use super::support::{BATCH, COUNT, Small, inverter};
use crate::batch::engine::Engine;
use crate::batch::{InvertedBatch, Inverter, Options};
use crate::cancel::CancelToken;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::report::Columns;
use crate::network::Network;
use crate::observation::View;
use crate::run::request::{Begun, Journaling};
use crate::runtime::Runtime;

/// The shared inverter, for groups of this many observations.
#[derive(Debug)]
struct Together(usize);

impl Engine for Together {
    fn runtime(&self) -> &Runtime {
        inverter().runtime()
    }

    fn options(&self) -> &Options {
        inverter().options()
    }

    fn generator(&self) -> &Network {
        inverter().network()
    }

    fn data_warning(&self) -> Option<&str> {
        inverter().data_warning()
    }

    fn report_columns(&self, truth: bool) -> Columns {
        Inverter::report_columns(inverter(), truth)
    }

    fn options_that_matter(&self) -> Vec<(String, String)> {
        inverter().options_that_matter()
    }

    fn takes_single(&self) -> bool {
        inverter().takes_single()
    }

    fn solve(&self, device: &dyn Device, observations: View<'_>, first_index: u64) -> Result<InvertedBatch> {
        assert!(observations.ncols() <= self.0.max(BATCH));
        Inverter::solve(inverter(), device, observations, first_index)
    }

    fn observations_at_once(&self) -> usize {
        self.0
    }

    fn complete(&self, observations: &DMatrix<f64>, batch: &mut InvertedBatch) {
        assert!(observations.ncols() <= BATCH);
        Inverter::complete(inverter(), observations, batch);
    }
}

fn outputs(small: &Small) -> [Vec<u8>; 2] {
    ["z.npy", "r.csv"].map(|name| std::fs::read(small.path(name)).unwrap())
}

/// The outputs of a run without groups.
fn expected() -> [Vec<u8>; 2] {
    let small = Small::new();
    small.run(Journaling::Off).unwrap().run(inverter(), |_| {}, &CancelToken::new()).unwrap();
    outputs(&small)
}

#[test]
fn the_bytes_and_the_progress_are_those_of_single_batches() {
    for together in [1, 5, 6, 1000] {
        let small = Small::new();
        let mut told = Vec::new();
        let run = small.run(Journaling::Begin).unwrap();
        run.run(&Together(together), |done| told.push(done as usize), &CancelToken::new()).unwrap();
        assert_eq!(outputs(&small), expected(), "{together}");
        assert!(told.iter().copied().eq((1..=COUNT.div_ceil(BATCH)).map(|batch| (batch * BATCH).min(COUNT))));
    }
}

#[test]
fn a_run_stops_after_its_groups_and_continues_with_others() {
    let expected = expected();
    for (before, after) in [(6, 1), (1, 6), (6, 10)] {
        let small = Small::new();
        let cancel = CancelToken::new();
        let mut kept = 0;
        let first = |done| {
            kept = done;
            cancel.cancel();
        };
        let stopped = small.run(Journaling::Begin).unwrap().run(&Together(before), first, &cancel);
        assert!(matches!(stopped, Err(Error::Cancelled)), "{before}: {stopped:?}");
        assert!((kept as usize) < COUNT && (kept as usize).is_multiple_of(before.max(BATCH)), "{kept}");
        let (engine, run) = (Together(after), small.run(Journaling::Resume).unwrap());
        let started = run.start(&engine).unwrap();
        assert_eq!(started.begun(), Begun::Resumed { done: kept, lost: 0 });
        started.run(|_| {}, &CancelToken::new()).unwrap();
        assert_eq!(outputs(&small), expected, "{before} {after}");
    }
}
