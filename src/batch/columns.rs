//! The columns of an inverter's report.

use super::{Inverter, Method};
use crate::formats::report::Columns;
use crate::multistart::Objective;

impl Inverter {
    /// The columns of a `.csv` report of this inverter's rows.
    pub(crate) fn report_columns(&self, code_error: bool) -> Columns {
        let refinement = self.options.refine.is_some_and(|objective| objective != Objective::L2);
        let uncertainty = self.options.uncertainty_columns(self.options.minimised(), self.network.code_length());
        let prior = self.options.prior > 0.0;
        let columns = Columns { code_error, prior, refinement, uncertainty, ..Columns::default() };
        match &self.options.method {
            Method::Layerwise(_) => Columns { layers: (1..=self.network.depth()).rev().collect(), ..columns },
            Method::Descent(_) => Columns { iterations: true, ..columns },
            Method::Best(_) => Columns { search: true, alternatives: self.options.listed(), ..columns },
        }
    }
}
