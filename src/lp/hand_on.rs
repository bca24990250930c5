//! What a layer hands on to the layer before it where its optimal face leaves entries open.
//!
//! Entries that are left open can be handed on as unobserved. Then the layer before has fewer rows,
//! and the code often ends at 0. Or a point of the face is handed on: any choice explains the layer
//! equally well, and the layers before see all their entries. Each observation with such a layer is
//! inverted in three ways ([`HandOn`]), and the code with the lowest residual is kept. What is
//! determined is what the first way says, and no more: the point is a choice, not a finding.

use nalgebra::DMatrix;

use super::chain::{HandOn, LayerChain, OpenLayer, points, targets_below};
use super::formulation::LayerwiseMethod;
use super::inversion::Inversion;
use super::layer::StageTimes;
use crate::error::Result;
use crate::precision::Precision;

/// A code is kept instead of an earlier one if its residual is below this share of the earlier one.
const LOWER: f64 = 1.0 - 1e-6;

impl LayerChain<'_> {
    /// Inverts a batch of observations layer by layer. One answer per column, in order.
    ///
    /// `observations`: `n` × count, `NaN` where unobserved. Columns with `±∞` or nothing observed
    /// fail; the others are not affected. `stored_as`: the precision of their array; the numbers of
    /// an observation may show that its own is coarser.
    ///
    /// # Errors
    /// Those of the device. Failures of single observations are in the answers.
    pub fn invert(&self, observations: &DMatrix<f64>, stored_as: Precision) -> Result<(Vec<Inversion>, StageTimes)> {
        let mut times = StageTimes::default();
        let (mut inversions, open) = self.first_way(observations, stored_as, &mut times)?;
        for layer in &open {
            self.try_points(observations, layer, &mut inversions, &mut times)?;
        }
        Ok((inversions, times))
    }

    /// As [`Self::invert`], but open entries are always handed on as unobserved. This is enough for
    /// the start of a search.
    ///
    /// # Errors
    /// As [`Self::invert`].
    pub fn invert_in_one_way(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
    ) -> Result<(Vec<Inversion>, StageTimes)> {
        let mut times = StageTimes::default();
        let (inversions, _) = self.first_way(observations, stored_as, &mut times)?;
        Ok((inversions, times))
    }

    /// Continues the observations that a layer left open from points of its face, and keeps the
    /// codes with the lowest residuals.
    fn try_points(
        &self,
        observations: &DMatrix<f64>,
        open: &OpenLayer,
        inversions: &mut [Inversion],
        times: &mut StageTimes,
    ) -> Result<()> {
        let context = self.layer(open.index);
        let first: Vec<Inversion> = open.members.iter().map(|&member| inversions[member].clone()).collect();
        let residual =
            |place: usize, inversion: &Inversion| self.residual(observations, open.members[place], inversion);
        let mut lowest: Vec<f64> = first.iter().enumerate().map(|(place, first)| residual(place, first)).collect();
        for hand_on in [HandOn::Found, HandOn::LeastSum] {
            let points = points(&context, &open.targets, &open.answers, hand_on)?;
            let handed_on = points.iter().zip(&open.answers).zip(&open.targets.accuracy);
            let handed_on = handed_on.map(|((point, answer), accuracy)| (point, answer, *accuracy));
            let targets = targets_below(self.options.method, context.system.columns(), handed_on.collect());
            let mut tried: Vec<Inversion> = first.iter().map(|first| up_to(first, open.index)).collect();
            self.run(open.index - 1, targets, ((0..tried.len()).collect(), &mut tried), hand_on, times)?;
            for (place, tried) in tried.into_iter().enumerate() {
                let residual = residual(place, &tried);
                // Nothing certified is given up for a lower residual.
                if residual < LOWER * lowest[place] && (tried.is_certified() || !first[place].is_certified()) {
                    lowest[place] = residual;
                    inversions[open.members[place]] = self.determined_as(tried, &first[place]);
                }
            }
        }
        Ok(())
    }

    /// The residual of the code in the norm of the method; infinite without a code.
    fn residual(&self, observations: &DMatrix<f64>, member: usize, inversion: &Inversion) -> f64 {
        if inversion.failure.is_some() {
            return f64::INFINITY;
        }
        let layers = self.network.layers().iter().zip(&self.systems.systems);
        let output = layers.fold(inversion.code.clone(), |a, (layer, system)| {
            let received = |unit| system.product(unit, &a) + system.bias[unit];
            (0..system.units()).map(|unit| layer.activation.apply(received(unit))).collect()
        });
        let observation = observations.column(member);
        let errors = output.iter().zip(observation.iter()).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).abs());
        let residual = match self.options.method {
            LayerwiseMethod::Linf | LayerwiseMethod::Exact => errors.fold(0.0, f64::max),
            LayerwiseMethod::L1 | LayerwiseMethod::Relaxed => errors.sum(),
        };
        if residual.is_nan() { f64::INFINITY } else { residual }
    }

    /// The inversion, with no more called determined than the layers of the first way do.
    fn determined_as(&self, mut inversion: Inversion, first: &Inversion) -> Inversion {
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

/// The inversion before it continues below the layer `index`.
fn up_to(inversion: &Inversion, index: usize) -> Inversion {
    let layers = inversion.layers.iter().filter(|layer| layer.layer > index).cloned().collect();
    Inversion { code: vec![f64::NAN; inversion.code.len()], failure: None, layers, saturated: inversion.saturated }
}
