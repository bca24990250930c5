//! What a projection starts from.

use nalgebra::DMatrix;

use super::Projection;
use crate::error::{Error, Result};
use crate::lp::bases::Bases;
use crate::network::Network;

/// What a call of [`Projector::project`](super::Projector::project) starts from: nothing (`None`),
/// codes, or the [`Projection`] of the last call, which has codes and bases.
///
/// - A code that leads to an answer alone spares the method: where it reproduces the observation,
///   or where answers are Euclidean and it stays in its linear region (docs/RECOVERY.md).
/// - The bases are where the linear programs of the layer-wise methods start. They change the
///   work, not the answers: the codes are those of a call without them, up to rounding, wherever
///   the optima are unique. A basis that does not serve costs its time and is left out.
///
/// ```
/// use unrelu::{Activation, Network, Options, Projector, WarmStart};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[5, 20, 60], Activation::Relu, 1)?;
/// let images = network.forward(&network.random_codes(4, 1))?;
/// let projector = Projector::new(network, Options::default())?;
/// let mut last = projector.project(&(&images * 0.9), None)?;
/// for step in 1..=3 {
///     last = projector.project(&(&images * (0.9 + 0.01 * f64::from(step))), &last)?;
/// }
/// // Codes of your own, with the bases of the last call.
/// let start = WarmStart::from(&last.codes).bases(&last.bases);
/// assert_eq!(projector.project(&images, start)?.codes.ncols(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct WarmStart<'a> {
    pub(super) codes: Option<&'a DMatrix<f64>>,
    bases: Option<&'a Bases>,
}

impl<'a> WarmStart<'a> {
    /// Adds the bases of the last call. Without observations in them, they are as none.
    #[must_use]
    pub fn bases(self, bases: &'a Bases) -> Self {
        WarmStart { bases: Some(bases), ..self }
    }

    /// Checks the shapes for `count` observations.
    pub(super) fn check(&self, network: &Network, count: usize) -> Result<()> {
        if let Some(codes) = self.codes {
            network.check_codes(codes)?;
            check_count(codes.ncols(), "codes", count)?;
        }
        if let Some(bases) = self.bases.filter(|bases| !bases.is_empty()) {
            check_count(bases.len(), "sets of bases", count)?;
            let layers: Vec<(usize, usize)> =
                network.layers().iter().map(|layer| (layer.units(), layer.inputs())).collect();
            if !bases.fits(&layers) {
                return Err(Error::input(
                    "the warm start given",
                    "bases of a network with other layers",
                    "those of a projection onto the range of this network",
                    "pass the last projection of this projector, or no warm start",
                ));
            }
        }
        Ok(())
    }

    /// The bases, one set for each of `count` observations.
    pub(super) fn bases_of(&self, count: usize) -> Bases {
        self.bases.filter(|bases| !bases.is_empty()).cloned().unwrap_or_else(|| Bases::none(count))
    }
}

fn check_count(found: usize, what: &str, count: usize) -> Result<()> {
    if found == count {
        return Ok(());
    }
    Err(Error::input(
        "the warm start given",
        format!("{found} {what}"),
        format!("{count}, one for each observation"),
        "pass what the last call returned, or no warm start",
    ))
}

impl<'a> From<Option<&'a DMatrix<f64>>> for WarmStart<'a> {
    fn from(codes: Option<&'a DMatrix<f64>>) -> Self {
        WarmStart { codes, bases: None }
    }
}

impl<'a> From<&'a DMatrix<f64>> for WarmStart<'a> {
    fn from(codes: &'a DMatrix<f64>) -> Self {
        Some(codes).into()
    }
}

impl<'a> From<&'a Projection> for WarmStart<'a> {
    fn from(last: &'a Projection) -> Self {
        WarmStart::from(&last.codes).bases(&last.bases)
    }
}
