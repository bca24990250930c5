//! The rows of a report as one array per column.

use numpy::{PyArray1, PyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use unrelu::{InvertedBatch, ObservationRow, Options, Residual, Status, UncertaintyRow};

use crate::arrays::write_rows;

/// The codes and the report rows of a run.
pub struct Results<'py> {
    codes: Bound<'py, PyArray2<f64>>,
    rows: Vec<ObservationRow>,
}

impl<'py> Results<'py> {
    /// Room for `count` codes of length `k`.
    pub fn new(py: Python<'py>, count: usize, k: usize) -> Self {
        Results { codes: PyArray2::zeros(py, [count, k], false), rows: Vec::with_capacity(count) }
    }

    /// Number of observations so far.
    pub fn done(&self) -> usize {
        self.rows.len()
    }

    /// Adds a batch.
    pub fn add(&mut self, batch: InvertedBatch) -> PyResult<()> {
        write_rows(&self.codes, self.rows.len(), &batch.codes)?;
        self.rows.extend(batch.rows);
        Ok(())
    }

    /// A dictionary of arrays with one entry per observation; `layers` has one more dictionary per
    /// layer, from the last to the first. `options`: those of the run.
    pub fn into_dict(self, py: Python<'py>, options: &Options) -> PyResult<Bound<'py, PyDict>> {
        let rows = &self.rows;
        let found = PyDict::new(py);
        found.set_item("codes", &self.codes)?;
        put_statuses(&found, rows.iter().map(|row| &row.status))?;
        let fits = rows.iter().map(|row| row.fit.map(|fit| fit.to_string()).unwrap_or_default());
        found.set_item("fit", PyList::new(py, fits)?)?;
        let columns = Columns { py, dict: &found };
        columns.put("determined", rows, |row| row.determined)?;
        columns.put("reproduces", rows, |row| row.reproduces)?;
        put_residuals(&found, rows.iter().map(|row| &row.residual))?;
        columns.put("epsilon", rows, |row| row.epsilon)?;
        columns.put("tolerance", rows, |row| row.tolerance)?;
        columns.put("out_of_range", rows, |row| row.out_of_range as u64)?;
        columns.put("far_code", rows, |row| row.far_code)?;
        columns.put("saturated", rows, |row| row.saturated as u64)?;
        columns.put("refined", rows, |row| row.refined)?;
        if rows.iter().any(|row| row.iterations.is_some()) {
            columns.put("iterations", rows, |row| u64::from(row.iterations.unwrap_or(0)))?;
        }
        if rows.iter().any(|row| row.loss.is_some()) {
            columns.put("loss_data", rows, |row| row.loss.map_or(f64::NAN, |loss| loss.data))?;
            columns.put("loss_prior", rows, |row| row.loss.map_or(f64::NAN, |loss| loss.prior))?;
        }
        // Also where no observation has one.
        if options.uncertainty {
            put_uncertainty(&columns, rows, self.codes.shape()[1])?;
        }
        if options.alternatives > 0 || rows.iter().any(|row| row.alternatives.is_some()) {
            put_alternatives(&columns, rows, self.codes.shape()[1], options.alternatives)?;
        }
        if rows.iter().any(|row| row.refinement.is_some()) {
            put_refinement(&columns, rows)?;
        }
        if rows.iter().any(|row| row.search.is_some()) {
            put_search(&columns, rows)?;
        }
        found.set_item("layers", layers(py, rows)?)?;
        Ok(found)
    }
}

/// Puts columns into a dictionary.
struct Columns<'a, 'py> {
    py: Python<'py>,
    dict: &'a Bound<'py, PyDict>,
}

impl Columns<'_, '_> {
    fn put<R, T: numpy::Element>(&self, name: &str, rows: &[R], value: impl Fn(&R) -> T) -> PyResult<()> {
        self.dict.set_item(name, PyArray1::from_iter(self.py, rows.iter().map(value)))
    }
}

impl Columns<'_, '_> {
    /// Puts a matrix, row by row; `width` is that of each row.
    fn put_matrix(&self, name: &str, rows: &[Vec<f64>], width: usize) -> PyResult<()> {
        let matrix = match rows.is_empty() {
            true => PyArray2::zeros(self.py, [0, width], false),
            false => PyArray2::from_vec2(self.py, rows)?,
        };
        self.dict.set_item(name, matrix)
    }
}

/// The columns of refinement in the norm `l1` or `linf`.
fn put_refinement(columns: &Columns<'_, '_>, rows: &[ObservationRow]) -> PyResult<()> {
    let of = |value: fn(&unrelu::RefinementRow) -> f64| {
        move |row: &ObservationRow| row.refinement.as_ref().map_or(f64::NAN, value)
    };
    columns.put("refinement_before", rows, of(|refinement| refinement.before))?;
    columns.put("refinement_after", rows, of(|refinement| refinement.after))?;
    columns
        .put("refinement_proven", rows, |row| row.refinement.as_ref().is_some_and(|refinement| refinement.proven))?;
    let regions = rows.iter().map(|row| row.refinement.as_ref().map_or("", |refinement| &refinement.region));
    columns.dict.set_item("refinement_region", PyList::new(columns.py, regions)?)
}

/// The columns of the uncertainty: matrices with one row per observation.
fn put_uncertainty(columns: &Columns<'_, '_>, rows: &[ObservationRow], k: usize) -> PyResult<()> {
    let words = rows.iter().map(|row| row.uncertainty.as_ref().map_or(String::new(), |row| row.intervals.to_string()));
    columns.dict.set_item("intervals", PyList::new(columns.py, words)?)?;
    columns.put("noise_size", rows, |row| row.uncertainty.as_ref().map_or(f64::NAN, |row| row.noise_size))?;
    let put = |name: &str, is_optional: bool, vector: fn(&UncertaintyRow) -> Option<&Vec<f64>>| {
        if is_optional && !rows.iter().filter_map(|row| row.uncertainty.as_ref()).any(|row| vector(row).is_some()) {
            return Ok(());
        }
        let nothing = vec![f64::NAN; k];
        let row = |row| vector(row).unwrap_or(&nothing).clone();
        let vectors: Vec<Vec<f64>> =
            rows.iter().map(|found| found.uncertainty.as_ref().map_or_else(|| nothing.clone(), row)).collect();
        columns.put_matrix(name, &vectors, k)
    };
    put("sd", false, |row| Some(&row.sd))?;
    put("lower", false, |row| Some(&row.lower))?;
    put("upper", false, |row| Some(&row.upper))?;
    put("bound_lower", true, |row| row.bound_lower.as_ref())?;
    put("bound_upper", true, |row| row.bound_upper.as_ref())
}

/// The number of other minima, and the listed codes with their losses: one after another in each
/// row.
fn put_alternatives(columns: &Columns<'_, '_>, rows: &[ObservationRow], k: usize, listed: usize) -> PyResult<()> {
    columns.put("alternatives", rows, |row| row.alternatives.as_ref().map_or(0, |found| found.others as u64))?;
    let found = || rows.iter().map(|row| row.alternatives.as_ref());
    if listed == 0 {
        return Ok(());
    }
    let padded = |numbers: Option<&Vec<f64>>, length: usize| {
        numbers.filter(|numbers| numbers.len() == length).cloned().unwrap_or_else(|| vec![f64::NAN; length])
    };
    let losses: Vec<_> = found().map(|row| padded(row.map(|row| &row.losses), listed)).collect();
    let codes: Vec<_> = found().map(|row| padded(row.map(|row| &row.codes), listed * k)).collect();
    columns.put_matrix("alternative_losses", &losses, listed)?;
    columns.put_matrix("alternative_codes", &codes, listed * k)
}

fn put_search(columns: &Columns<'_, '_>, rows: &[ObservationRow]) -> PyResult<()> {
    let starts = rows.iter().map(|row| row.search.as_ref().map_or("", |search| search.start));
    columns.dict.set_item("start", PyList::new(columns.py, starts)?)?;
    let of = |value: fn(&unrelu::SearchRow) -> usize| {
        move |row: &ObservationRow| row.search.as_ref().map_or(0, value) as u64
    };
    columns.put("first_found", rows, of(|search| search.first_found))?;
    columns.put("found", rows, of(|search| search.found))?;
    columns.put("runs", rows, of(|search| search.runs))?;
    columns.put("stationary", rows, |row| row.search.as_ref().is_some_and(|search| search.stationary))
}

/// The columns of each layer. A failed observation may lack layers: its entries are `NaN`, 0 and
/// `False`.
fn layers<'py>(py: Python<'py>, rows: &[ObservationRow]) -> PyResult<Bound<'py, PyList>> {
    let depth = rows.iter().map(|row| row.layers.len()).max().unwrap_or(0);
    let all = PyList::empty(py);
    for place in 0..depth {
        let found: Vec<_> = rows.iter().map(|row| row.layers.get(place)).collect();
        let dict = PyDict::new(py);
        let columns = Columns { py, dict: &dict };
        dict.set_item("layer", found.iter().flatten().map(|layer| layer.layer).max())?;
        columns.put("epsilon", &found, |layer| layer.map_or(f64::NAN, |layer| layer.epsilon))?;
        columns.put("objective", &found, |layer| layer.map_or(f64::NAN, |layer| layer.objective))?;
        columns.put("active_rows", &found, |layer| layer.map_or(0, |layer| layer.active_rows as u64))?;
        columns.put("determined", &found, |layer| layer.is_some_and(|layer| layer.determined))?;
        columns
            .put("undetermined_entries", &found, |layer| layer.map_or(0, |layer| layer.undetermined_entries as u64))?;
        columns.put("solves", &found, |layer| layer.map_or(0, |layer| layer.solves as u64))?;
        columns.put("certified", &found, |layer| layer.is_some_and(|layer| layer.certified))?;
        all.append(dict)?;
    }
    Ok(all)
}

/// The status of each observation as a word, and why there is no code.
pub fn put_statuses<'a>(
    dict: &Bound<'_, PyDict>,
    statuses: impl ExactSizeIterator<Item = &'a Status> + Clone,
) -> PyResult<()> {
    let word = |status: &Status| if status.failure().is_some() { "failed".to_owned() } else { status.to_string() };
    let reason = |status: &Status| status.failure().map(ToString::to_string).unwrap_or_default();
    dict.set_item("status", PyList::new(dict.py(), statuses.clone().map(word))?)?;
    dict.set_item("failure", PyList::new(dict.py(), statuses.map(reason))?)
}

/// The norms of each residual, and the number of its entries.
pub fn put_residuals<'a>(
    dict: &Bound<'_, PyDict>,
    residuals: impl ExactSizeIterator<Item = &'a Residual>,
) -> PyResult<()> {
    let residuals: Vec<&Residual> = residuals.collect();
    let columns = Columns { py: dict.py(), dict };
    columns.put("residual_linf", &residuals, |residual| residual.linf)?;
    columns.put("residual_l1", &residuals, |residual| residual.l1)?;
    columns.put("residual_l2_relative", &residuals, |residual| residual.l2_relative)?;
    columns.put("residual_rms", &residuals, |residual| residual.rms)?;
    columns.put("observed", &residuals, |residual| residual.observed as u64)
}
