//! Checks whether noise of a known size explains a residual.
//!
//! Each method is tested in the norm that its code minimises. Layer-wise `linf` and `relaxed`
//! minimise layer by layer, and are tested in least squares. Noise `e` with `|e_i| ≤ a` in each of
//! `n` observed entries has a root mean square, a mean and a largest entry of at most `a`. The
//! residual at the true code is `e`, and the minimal residual is no larger in its norm. So a method
//! that finds the minimum passes its test. The largest residual of a least-squares code is often a
//! little above `a`, even with such noise.
//!
//! `a` may also be the standard deviation of Gaussian noise, or the scale of Laplace noise. The
//! limits allow for that. Sums of squares may be as large as those of 99.9 % of Gaussian noise.
//! Sums of absolute values may be as large as `a (n + 4 √n)`.
//!
//! Gross errors are of any size, and so are all sums with them. There, three quarters of the
//! entries must have residuals of at most `a`.

use super::noise_law::NoiseLaw;
use super::{Method, Options};
use crate::lp::formulation::LayerwiseMethod as Layerwise;
use crate::multistart::Objective;
use crate::outcome::Residual;
use crate::statistics::largest_mean_square;

/// The norm of the residual that is compared with the size of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseTest {
    /// `Σr² ≤ a² χ²₀.₉₉₉(n)`: a root mean square of about `a`.
    Squares,
    /// `Σ|r| ≤ a (n + 4 √n)`: a mean absolute residual of about `a`.
    Absolute,
    /// `max|r| ≤ a`.
    Largest,
    /// `|r| ≤ a` in three quarters of the entries ([`are_mostly_within`]): with gross errors.
    MostEntries,
}

impl NoiseTest {
    /// The test for the norm that the method of `options` minimises.
    pub fn of(options: &Options) -> Self {
        let objective = match (&options.method, options.refine) {
            (_, Some(objective)) => objective,
            (Method::Layerwise(layers), None) if layers.method == Layerwise::L1 => Objective::L1,
            (Method::Best(best), None) => best.search.objective,
            (Method::Layerwise(_) | Method::Descent(_), None) => Objective::L2,
        };
        Self::by(objective, options)
    }

    /// The test for a code that minimises this objective.
    pub fn by(objective: Objective, options: &Options) -> Self {
        match objective {
            _ if options.noise_law == Some(NoiseLaw::Gross) => NoiseTest::MostEntries,
            Objective::L2 => NoiseTest::Squares,
            Objective::L1 => NoiseTest::Absolute,
            Objective::Linf => NoiseTest::Largest,
        }
    }

    /// Whether noise of size `noise` explains `residual`; false if there is no residual, and for
    /// [`Self::MostEntries`], which needs the entries.
    pub fn is_passed(self, residual: &Residual, noise: f64) -> bool {
        let entries = residual.observed as f64;
        match self {
            NoiseTest::Squares => residual.rms <= noise * largest_mean_square(entries).sqrt(),
            NoiseTest::Absolute => residual.l1 <= noise * (entries + 4.0 * entries.sqrt()),
            NoiseTest::Largest => residual.linf <= noise,
            NoiseTest::MostEntries => false,
        }
    }
}

/// Whether three quarters of the observed entries of `G(z) − x` are at most `size`; false if
/// nothing is observed.
pub(super) fn are_mostly_within(observation: &[f64], output: &[f64], size: f64) -> bool {
    let seen = || observation.iter().zip(output).filter(|(x, _)| !x.is_nan());
    let (within, all) = (seen().filter(|(x, g)| (*g - *x).abs() <= size).count(), seen().count());
    all > 0 && 4 * within >= 3 * all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::rows::residual;

    /// The results of the three tests for a residual of these entries and noise of size 1.
    fn passed(entries: &[f64]) -> [bool; 3] {
        let residual = residual(&vec![0.0; entries.len()], entries);
        [NoiseTest::Squares, NoiseTest::Absolute, NoiseTest::Largest].map(|test| test.is_passed(&residual, 1.0))
    }

    #[test]
    fn what_noise_can_be_passes_and_more_does_not() {
        // Bounded noise of size 1 has entries of at most 1.
        assert_eq!(passed(&[1.0; 100]), [true; 3]);
        assert_eq!(passed(&[-1.0; 3]), [true; 3]);
        assert_eq!(passed(&[1.5; 100]), [false; 3]);
        // A least-squares code can have one entry a little above the bound, but not far above it.
        let with_one = |entry: f64| [vec![0.6; 99], vec![entry]].concat();
        assert_eq!(passed(&with_one(1.2)), [true, true, false]);
        assert_eq!(passed(&with_one(20.0)), [false, true, false]);
    }

    #[test]
    fn gross_errors_in_a_quarter_of_the_entries_are_allowed() {
        let errors = |gross: usize| [vec![1e9; gross], vec![0.9; 100 - gross], vec![f64::NAN; 50]].concat();
        assert!(are_mostly_within(&errors(25), &[0.0; 150], 1.0) && !are_mostly_within(&errors(26), &[0.0; 150], 1.0));
        assert!(!are_mostly_within(&errors(0), &[0.0; 150], 0.5) && !are_mostly_within(&[f64::NAN], &[0.0], 1.0));
        assert!(!are_mostly_within(&[0.0], &[f64::NAN], 1.0));
    }

    #[test]
    fn where_nothing_is_known_nothing_passes() {
        let nothing = residual(&[f64::NAN; 4], &[0.0; 4]);
        let no_code = residual(&[0.0; 4], &[f64::NAN; 4]);
        for test in [NoiseTest::Squares, NoiseTest::Absolute, NoiseTest::Largest] {
            assert!(!test.is_passed(&nothing, 1.0) && !test.is_passed(&no_code, 1.0));
        }
    }
}
