//! The batches of `best`: its starts from the layers, its search, and the search by a measured
//! rule.

use std::time::Instant;

use nalgebra::DMatrix;

use super::calibration::{has_decided, measure};
use super::options::BestMethod;
use super::rows::best_row;
use super::search::search_on;
use super::{BatchTimes, Inverter, Method};
use crate::cancel::CancelToken;
use crate::device::Device;
use crate::error::Result;
use crate::lp::formulation::LayerwiseMethod;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::starts::Start;
use crate::multistart::{BestAnswer, BestOptions, MeasuredRule, Stored};
use crate::outcome::ObservationRow;
use crate::precision::Precision;

/// Codes that a search starts from, `k` × count, with their origin.
type Starts = Vec<(Start, DMatrix<f64>)>;

impl Inverter {
    #[doc(hidden)]
    /// Measures the stop rule, if one is wanted and not known yet. After `cancel` it stays unknown.
    pub fn measure_rule(&self, cancel: &CancelToken) {
        let Method::Best(best) = &self.options.method else { return };
        let Some(rate) = self.options.measured_rate(&self.network) else { return };
        if self.rule.get().is_none() {
            // Measured outside of the lock: the thread may wait for others of its own pool, and do
            // other work meanwhile, such as another batch. Two threads measure the same rule.
            let rule = self.runtime.run(|| measure(self.packed(), &self.options, best, rate, cancel));
            if !cancel.is_cancelled() {
                let _ = self.rule.set(rule);
            }
        }
    }

    #[doc(hidden)]
    /// Whether [`Self::measure_rule`] has something to do.
    pub fn has_to_measure(&self) -> bool {
        self.rule.get().is_none() && self.options.measured_rate(&self.network).is_some()
    }

    /// The stop rule that keeps the miss rate; `None` if none does, or none is wanted.
    pub(super) fn rule(&self) -> Option<&MeasuredRule> {
        self.measure_rule(&CancelToken::new());
        self.rule.get()?.as_ref()
    }

    pub(super) fn best(
        &self,
        options: &BestMethod,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(DMatrix<f64>, Vec<ObservationRow>)> {
        let (answers, saturated) = match self.rule() {
            Some(rule) => self.best_by_rule(rule, options, device, observations, first_index, times)?,
            None => self.best_by_many(options, device, observations, first_index, times)?,
        };
        let codes = answers.iter().flat_map(|answer| &answer.code).copied();
        let codes = DMatrix::from_iterator(self.network.code_length(), answers.len(), codes);
        let row = |(place, answer): (usize, &BestAnswer)| {
            best_row(
                first_index + place as u64,
                observations.column(place).as_slice(),
                saturated[place],
                answer,
                self.options.listed(),
            )
        };
        Ok((codes, answers.iter().enumerate().map(row).collect()))
    }

    /// The answers of the search by a measured rule; of the usual search where it has not decided.
    fn best_by_rule(
        &self,
        rule: &MeasuredRule,
        options: &BestMethod,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(Vec<BestAnswer>, Vec<usize>)> {
        let search = rule.options(&options.search);
        let mut answers = self.searched(&search, device, observations, first_index, Vec::new(), times)?;
        let is_open = |place: &usize| !has_decided(rule, &answers[*place], observations.column(*place).as_slice());
        let open: Vec<usize> = (0..answers.len()).filter(is_open).collect();
        let mut saturated = vec![0; answers.len()];
        if open.is_empty() {
            return Ok((answers, saturated));
        }
        // The others are left out as if nothing of them was observed: an answer depends on the
        // index of its observation, so these keep their places.
        let mut left = DMatrix::from_element(observations.nrows(), observations.ncols(), f64::NAN);
        for place in &open {
            left.set_column(*place, &observations.column(*place));
        }
        let (mut usual, entries) = self.best_by_many(options, device, &left, first_index, times)?;
        for place in open {
            std::mem::swap(&mut answers[place], &mut usual[place]);
            saturated[place] = entries[place];
        }
        Ok((answers, saturated))
    }

    /// The answers of the usual search, and the number of saturated entries of each observation.
    fn best_by_many(
        &self,
        options: &BestMethod,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(Vec<BestAnswer>, Vec<usize>)> {
        let (given, saturated) = match &self.least_squares {
            Some(least_squares) => {
                let codes = least_squares.codes(&self.network, observations, self.options.precision);
                (vec![(Start::LeastSquares, codes)], vec![0; observations.ncols()])
            }
            None if self.systems.is_none() => (Vec::new(), vec![0; observations.ncols()]),
            None => self.layerwise_starts(options, device, observations, first_index, times)?,
        };
        let answers = self.searched(&options.search, device, observations, first_index, given, times)?;
        Ok((answers, saturated))
    }

    /// The answers of one search, from these starts first. Its time is added to `times`.
    fn searched(
        &self,
        search: &BestOptions,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        given: Starts,
        times: &mut BatchTimes,
    ) -> Result<Vec<BestAnswer>> {
        let began = Instant::now();
        let given: Vec<_> = given.iter().map(|(start, codes)| (*start, codes)).collect();
        let stored = Stored { observations, stored_as: self.options.precision };
        let answers = search_on(device, self.packed(), stored, first_index, &given, search)?;
        times.search += began.elapsed();
        Ok(answers)
    }

    /// The starts of `best` from the layers: `exact` for observations that are rounded to f32 or
    /// f16, and `linf` for the others and where `exact` finds no code. Programs would fit the
    /// rounding of the numbers, which takes many times as long as least squares. Also the number of
    /// saturated entries per observation.
    fn layerwise_starts(
        &self,
        options: &BestMethod,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(Starts, Vec<usize>)> {
        let count = observations.ncols();
        let mut saturated = vec![0; count];
        let mut codes_by = |method, columns: &[usize]| -> Result<DMatrix<f64>> {
            let mut codes = DMatrix::from_element(self.network.code_length(), count, f64::NAN);
            if columns.is_empty() {
                return Ok(codes);
            }
            let programs = LayerwiseOptions { method, tolerances: options.tolerances, ..LayerwiseOptions::default() };
            let those = observations.select_columns(columns);
            let (found, rows, _) = self.layerwise(&programs, device, &those, first_index, None, times)?;
            for (place, (&column, row)) in columns.iter().zip(rows).enumerate() {
                codes.set_column(column, &found.column(place));
                saturated[column] = row.saturated;
            }
            Ok(codes)
        };
        let precision = |column: &usize| self.options.precision.of(observations.column(*column).as_slice());
        let is_rounded = |column: &usize| matches!(precision(column), Precision::F32 | Precision::F16);
        let rounded: Vec<usize> = (0..count).filter(is_rounded).collect();
        let exact = codes_by(LayerwiseMethod::Exact, &rounded)?;
        let left: Vec<usize> = (0..count).filter(|column| exact[(0, *column)].is_nan()).collect();
        let linf = codes_by(LayerwiseMethod::Linf, &left)?;
        Ok((vec![(Start::LeastSquares, exact), (Start::Linf, linf)], saturated))
    }
}
