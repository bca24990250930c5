//! Further passes over the layers, with the inputs that the last code turns off fixed at 0.
//!
//! A layer's program has as many unknowns as the layer has inputs, of which a code turns about half
//! off (ReLU). The first pass does not know which: it has to estimate all of them from noisy
//! targets, and hands on a small positive number where 0 is right. Once there is a code, it says
//! which are off; the same program over the others is better determined, and its answer has a
//! smaller error. If the code was so wrong that it turned the wrong inputs off, the residual shows
//! that, and the earlier code is kept.
//!
//! The certificate is for the program with those inputs at 0. An entry is called determined only if
//! the first pass determined it.

use nalgebra::DMatrix;

use super::chain::{HandOn, LayerChain, Way};
use super::comparison::is_better;
use super::formulation::target::Targets;
use super::inversion::Inversion;
use super::layer::StageTimes;
use crate::error::Result;
use crate::precision::Precision;

impl LayerChain<'_> {
    /// Makes the passes after the first, and keeps the codes with lower residuals.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) fn further_passes(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
        inversions: &mut [Inversion],
        times: &mut StageTimes,
    ) -> Result<()> {
        let has_relu = (1..self.network.depth()).any(|index| self.network.input_is_nonnegative(index));
        if self.options.passes < 2 || !has_relu {
            return Ok(());
        }
        let mut members: Vec<usize> = (0..inversions.len()).filter(|&i| inversions[i].failure.is_none()).collect();
        let mut tried: Vec<Vec<Off>> = vec![Vec::new(); inversions.len()];
        for _ in 1..self.options.passes {
            members.retain(|&member| {
                let off = self.off(&inversions[member].code);
                let is_new = off.iter().flatten().any(|is_off| *is_off) && !tried[member].contains(&off);
                if is_new {
                    tried[member].push(off);
                }
                is_new
            });
            if members.is_empty() {
                break;
            }
            let off: Vec<Off> = members.iter().filter_map(|&member| tried[member].last().cloned()).collect();
            let again = self.pass(&observations.select_columns(&members), stored_as, &off, times)?;
            members = members
                .into_iter()
                .zip(again)
                .filter_map(|(member, again)| {
                    let residual = |inversion: &Inversion| self.residual(observations, member, inversion);
                    let first = &inversions[member];
                    let better = is_better((&again, residual(&again)), (first, residual(first)));
                    if better {
                        inversions[member] = self.determined_as(again, first);
                    }
                    better.then_some(member)
                })
                .collect();
        }
        Ok(())
    }

    /// One pass with the given inputs fixed at 0, for each observation those of its own.
    fn pass(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
        off: &[Off],
        times: &mut StageTimes,
    ) -> Result<Vec<Inversion>> {
        let last = self.network.depth() - 1;
        let targets = Targets::from_observations(observations, self.network.layers()[last].activation, stored_as);
        let blank = |&saturated: &usize| Inversion {
            code: vec![f64::NAN; self.network.code_length()],
            failure: None,
            layers: Vec::with_capacity(self.network.depth()),
            saturated,
        };
        let mut inversions: Vec<Inversion> = targets.saturated.iter().map(blank).collect();
        let members = (0..inversions.len()).collect();
        let way = Way { off: Some(off), ..Way::handing_on(HandOn::Found) };
        self.run(last, targets, (members, &mut inversions), way, times)?;
        Ok(inversions)
    }

    /// The inputs of each layer that this code turns off. A layer keeps all its inputs where they
    /// come from no ReLU, or would all be off.
    fn off(&self, code: &[f64]) -> Off {
        let outputs = self.outputs(code);
        let of_layer = |(index, system): (usize, &super::problem::LayerSystem)| {
            let none = vec![false; system.columns()];
            if !self.network.input_is_nonnegative(index) {
                return none;
            }
            let off: Vec<bool> = outputs[index - 1].iter().map(|output| *output <= 0.0).collect();
            if off.iter().all(|is_off| *is_off) { none } else { off }
        };
        self.systems.systems.iter().enumerate().map(of_layer).collect()
    }
}

/// For each layer, which of its inputs are fixed at 0.
type Off = Vec<Vec<bool>>;
