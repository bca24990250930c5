//! What a layer hands on to the layer before it where its optimal face leaves entries open.
//!
//! Entries that are left open can be handed on as unobserved. Then the layer before has fewer rows,
//! and the code often ends at 0. Or a point of the face is handed on: any choice explains the layer
//! equally well, and the layers before see all their entries. Each observation with such a layer is
//! inverted in three ways ([`HandOn`]), and the code with the lowest residual is kept. What is
//! determined is what the first way says, and no more: the point is a choice, not a finding.

use nalgebra::DMatrix;

use super::bases::Bases;
use super::chain::{HandOn, LayerChain, OpenLayer, Ran, Way, points, targets_below};
use super::comparison::is_better;
use super::inversion::Inversion;
use super::layer::StageTimes;
use crate::error::Result;
use crate::precision::Precision;

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
        let (inversions, _, times) = self.invert_from(observations, stored_as, None)?;
        Ok((inversions, times))
    }

    /// As [`Self::invert`], from where the programs of similar observations ended: one set of bases
    /// per column. Also returns where these ended. The bases change the work, not the answers.
    ///
    /// # Errors
    /// As [`Self::invert`].
    pub(crate) fn invert_from(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
        starts: Option<&Bases>,
    ) -> Result<(Vec<Inversion>, Bases, StageTimes)> {
        let mut times = StageTimes::default();
        let (mut inversions, Ran { open, bases }) = self.first_way(observations, stored_as, starts, &mut times)?;
        for layer in &open {
            self.try_points(observations, layer, &mut inversions, &mut times)?;
        }
        self.further_passes(observations, stored_as, &mut inversions, &mut times)?;
        Ok((inversions, bases, times))
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
        let (inversions, _) = self.first_way(observations, stored_as, None, &mut times)?;
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
            let handed_on = points.iter().zip(&open.answers).enumerate();
            let handed_on = handed_on.map(|(place, (point, answer))| (point, answer, open.targets.column(place)));
            let targets = targets_below(&context, handed_on.collect());
            let mut tried: Vec<Inversion> = first.iter().map(|first| up_to(first, open.index)).collect();
            let way = Way::handing_on(hand_on);
            self.run(open.index - 1, targets, ((0..tried.len()).collect(), &mut tried), way, times)?;
            for (place, tried) in tried.into_iter().enumerate() {
                let residual = residual(place, &tried);
                if is_better((&tried, residual), (&first[place], lowest[place])) {
                    lowest[place] = residual;
                    inversions[open.members[place]] = self.determined_as(tried, &first[place]);
                }
            }
        }
        Ok(())
    }
}

/// The inversion before it continues below the layer `index`.
fn up_to(inversion: &Inversion, index: usize) -> Inversion {
    let layers = inversion.layers.iter().filter(|layer| layer.layer > index).cloned().collect();
    Inversion { code: vec![f64::NAN; inversion.code.len()], failure: None, layers, saturated: inversion.saturated }
}
