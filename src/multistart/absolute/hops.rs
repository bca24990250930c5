//! Hops from region to region: they look for the start of a descent.
//!
//! While the code is far from its minimum, the borders of its region make the steps of a descent
//! short. The program without them has the minimiser of the whole affine map of the region; the
//! next program is that of the region where this code lies. Such hops may cycle or raise `F`, so
//! that they prove nothing.

use super::super::majorant::Majorant;
use super::AbsoluteSearch;

impl AbsoluteSearch<'_> {
    /// Hops from `code` to the minimiser of its region's affine map, from there to that of the
    /// region where the minimiser lies, and so on: at most `most` programs, until a region comes
    /// again or a program fails. Returns the lowest of [`Self::misfits_of`] on the way, and its
    /// code. `observation`: `n` entries, `NaN` where unobserved.
    pub fn hop(&mut self, observation: &[f64], code: &[f64], most: usize) -> ((f64, f64), Vec<f64>) {
        self.current.code.copy_from_slice(code);
        self.current.run(self.network, observation);
        let mut lowest = (self.misfit_at(&self.current, observation), code.to_vec());
        let mut seen = Vec::new();
        for _ in 0..most {
            self.region.take(self.network, &self.current);
            // A curved output changes the program within a region, too.
            if self.network.is_piecewise_linear() && seen.contains(&self.region) {
                break;
            }
            seen.push(self.region.clone());
            self.gradients.take(self.network, &self.region);
            let around = (&self.current, &self.region, &self.gradients);
            let majorant = Majorant::new(self.network, around, observation, self.objective, 0.0, &[]);
            if majorant.problem.rows.is_empty() {
                break;
            }
            let Some((solution, _)) = self.solve(&majorant, None) else { break };
            self.current.code.iter_mut().zip(&solution.z).for_each(|(z, p)| *z += p);
            self.current.run(self.network, observation);
            let here = self.misfit_at(&self.current, observation);
            if !here.0.is_finite() {
                break;
            }
            if here < lowest.0 {
                lowest = (here, self.current.code.clone());
            }
        }
        lowest
    }
}
