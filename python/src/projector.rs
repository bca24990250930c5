//! Projectors.

use std::sync::Arc;

use numpy::PyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use unrelu::{Bases, CancelToken, Projection, Projector, Residual, Status, WarmStart};

use crate::arrays::{matrix, write_rows};
use crate::errors::exception;
use crate::network::NetworkCore;
use crate::options::Given;
use crate::process::Process;
use crate::results::{put_residuals, put_statuses};
use crate::run::Cancel;
use crate::waiting::on_a_thread;

/// The optimal bases of a projection's linear programs. Python only passes them on.
#[pyclass(frozen, module = "unrelu._unrelu")]
pub struct BasesCore(Bases);

/// A network prepared for projections.
#[pyclass(frozen, module = "unrelu._unrelu")]
pub struct ProjectorCore {
    projector: Arc<Projector>,
    process: Process,
}

#[pymethods]
impl ProjectorCore {
    #[new]
    fn new(py: Python<'_>, network: &NetworkCore, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = Given::new(options)?.inversion()?;
        let network = Arc::clone(&network.network);
        let projector = py.detach(|| Projector::new(network, options)).map_err(exception)?;
        Ok(ProjectorCore { projector: Arc::new(projector), process: Process::this() })
    }

    /// Projects `count` observations, which `rows(start, stop)` returns as f64 arrays in C order.
    /// `warm_start`: codes (count, k), an f64 array in C order, or `None`. `bases`: those of the
    /// last call, of as many observations.
    #[pyo3(signature = (rows, count, batch, warm_start, bases))]
    fn project<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        count: usize,
        batch: usize,
        warm_start: Option<&Bound<'py, PyArray2<f64>>>,
        bases: Option<&BasesCore>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.process.check("the projector")?;
        if self.projector.inverter().has_to_measure() {
            let (projector, cancel) = (Arc::clone(&self.projector), Cancel(CancelToken::new()));
            let token = cancel.0.clone();
            on_a_thread(py, move || projector.inverter().measure_rule(&token))?;
        }
        let network = self.projector.inverter().network();
        let codes = PyArray2::zeros(py, [count, network.code_length()], false);
        let images = PyArray2::zeros(py, [count, network.observation_length()], false);
        let mut found = Vec::with_capacity(count);
        let mut ended = Bases::default();
        let starts = bases.map(|bases| &bases.0).filter(|bases| bases.len() == count);
        let mut first = 0;
        while first < count {
            let end = count.min(first.saturating_add(batch));
            let observations = matrix(&rows.call1((first, end))?, "a batch of observations")?;
            let warm = match warm_start {
                Some(codes) => {
                    let range = pyo3::types::PySlice::new(py, first as isize, end as isize, 1);
                    Some(matrix(&codes.get_item(range)?, "the warm start")?)
                }
                None => None,
            };
            let starts = starts.map(|starts| starts.select(&(first..end).collect::<Vec<usize>>())).unwrap_or_default();
            let projector = Arc::clone(&self.projector);
            let first_index = first as u64;
            let work = move || {
                let warm_start = WarmStart::from(warm.as_ref()).bases(&starts);
                projector.project_from(&observations, warm_start, first_index)
            };
            // One projection is short, and starting a thread would take as long.
            let projected = if count == 1 { py.detach(work) } else { on_a_thread(py, work)? };
            let mut projected = projected.map_err(exception)?;
            ended.append(std::mem::take(&mut projected.bases));
            write_rows(&codes, first, &projected.codes)?;
            write_rows(&images, first, &projected.images)?;
            found.push(projected);
            first = end;
        }
        let results = PyDict::new(py);
        results.set_item("codes", codes)?;
        results.set_item("images", images)?;
        let statuses: Vec<&Status> = found.iter().flat_map(|batch: &Projection| &batch.status).collect();
        put_statuses(&results, statuses.into_iter())?;
        let residuals: Vec<&Residual> = found.iter().flat_map(|batch| &batch.residuals).collect();
        put_residuals(&results, residuals.into_iter())?;
        let warm = found.iter().flat_map(|batch| batch.from_warm_start.iter().copied());
        results.set_item("from_warm_start", numpy::PyArray1::from_iter(py, warm))?;
        results.set_item("bases", Bound::new(py, BasesCore(ended))?)?;
        Ok(results)
    }
}
