//! Inverters.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use unrelu::internals::batch::engine::Engine;
use unrelu::internals::batch::summary::Summary;
use unrelu::{CancelToken, Inverter, Options};

use crate::calls::Running;
use crate::errors::exception;
use crate::network::NetworkCore;
use crate::options::Given;
use crate::process::Process;
use crate::results::Results;
use crate::run::{Source, run};

/// A network prepared for inversion.
#[pyclass(frozen, module = "unrelu._unrelu")]
pub struct InverterCore {
    inverter: Arc<Inverter>,
    process: Process,
}

#[pymethods]
impl InverterCore {
    #[new]
    fn new(py: Python<'_>, network: &NetworkCore, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = Given::new(options)?.inversion()?;
        let network = Arc::clone(&network.network);
        let inverter = py.detach(|| Inverter::new(network, options)).map_err(exception)?;
        Ok(InverterCore { inverter: Arc::new(inverter), process: Process::this() })
    }

    /// Inverts `count` observations. `rows(start, stop)` returns some of them as an array of f64 or
    /// f32 in C order; `progress(done)` is called after each batch.
    #[pyo3(signature = (rows, count, batch, first_index, progress))]
    fn invert<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        count: usize,
        batch: usize,
        first_index: u64,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.process.check("the inverter")?;
        let source = Source { rows, count, batch, first_index };
        let told = self.inverter.options().clone();
        let (found, summary) = carry_out(py, &self.inverter, &source, CancelToken::new(), None, progress)?;
        tell(&found, &summary, &told, &*self.inverter)?;
        Ok(found)
    }
}

/// Runs an engine and collects its results; see [`run`] for `cancel` and `guard`.
pub fn carry_out<'py, E: Engine + Send + 'static>(
    py: Python<'py>,
    engine: &Arc<E>,
    source: &Source<'_, 'py>,
    cancel: CancelToken,
    guard: Option<Arc<Running>>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyDict>, Summary)> {
    let mut results = Results::new(py, source.count, engine.generator().code_length());
    let summary = run(py, Arc::clone(engine), source, cancel, guard, |batch| {
        results.add(batch)?;
        if let Some(progress) = progress {
            progress.call1((results.done(),))?;
        }
        Ok(())
    })?;
    let found = results.into_dict(py, engine.options())?;
    found.set_item("totals", summary.json().to_string())?;
    Ok((found, summary))
}

/// Adds the summary as text, the warnings and the notes of an engine.
pub fn tell(found: &Bound<'_, PyDict>, summary: &Summary, told: &Options, engine: &dyn Engine) -> PyResult<()> {
    let runtime = engine.runtime();
    let range = engine.data_warning().map(str::to_owned);
    found.set_item("summary", unrelu::internals::cli::text(summary, told))?;
    found.set_item("warnings", range.into_iter().chain(runtime.warning()).collect::<Vec<_>>())?;
    found.set_item("notes", engine.notes())
}
