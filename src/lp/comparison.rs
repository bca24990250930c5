//! Which of two codes for one observation is kept: the one with the lower residual in the method's
//! norm.

use nalgebra::DMatrix;

use super::chain::LayerChain;
use super::formulation::LayerwiseMethod;
use super::inversion::Inversion;

/// A code is kept instead of an earlier one if its residual is below this share of the earlier one.
const LOWER: f64 = 1.0 - 1e-6;

/// Whether `later`, with its residual, is kept instead of `earlier`. Nothing certified is given up
/// for a lower residual.
pub(super) fn is_better((later, after): (&Inversion, f64), (earlier, before): (&Inversion, f64)) -> bool {
    after < LOWER * before && (later.is_certified() || !earlier.is_certified())
}

impl LayerChain<'_> {
    /// The outputs of all layers for this code, the first layer's first.
    pub(super) fn outputs(&self, code: &[f64]) -> Vec<Vec<f64>> {
        let mut outputs: Vec<Vec<f64>> = Vec::with_capacity(self.network.depth());
        for (layer, system) in self.network.layers().iter().zip(&self.systems.systems) {
            let input = outputs.last().map_or(code, Vec::as_slice);
            let received = |unit| system.product(unit, input) + system.bias[unit];
            outputs.push((0..system.units()).map(|unit| layer.activation.apply(received(unit))).collect());
        }
        outputs
    }

    /// The residual of the code in the norm of the method; infinite without a code.
    pub(super) fn residual(&self, observations: &DMatrix<f64>, member: usize, inversion: &Inversion) -> f64 {
        if inversion.failure.is_some() {
            return f64::INFINITY;
        }
        let output = self.outputs(&inversion.code).pop().unwrap_or_default();
        let observation = observations.column(member);
        let errors = output.iter().zip(observation.iter()).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).abs());
        let residual = match self.options.method {
            LayerwiseMethod::Linf | LayerwiseMethod::Exact => errors.fold(0.0, f64::max),
            LayerwiseMethod::L1 | LayerwiseMethod::Relaxed => errors.sum(),
        };
        if residual.is_nan() { f64::INFINITY } else { residual }
    }

    /// The inversion, with no more called determined than the layers of the first way do.
    pub(super) fn determined_as(&self, mut inversion: Inversion, first: &Inversion) -> Inversion {
        for layer in &mut inversion.layers {
            let of_first = first.layers.iter().find(|other| other.layer == layer.layer);
            // Where the first way did not come to this layer, nothing is known of its input.
            let all = || self.systems.systems[layer.layer - 1].columns();
            let undetermined = of_first.map_or_else(all, |first| first.undetermined_entries);
            layer.undetermined_entries = layer.undetermined_entries.max(undetermined);
            layer.determined = layer.undetermined_entries == 0;
        }
        inversion
    }
}
