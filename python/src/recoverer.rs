//! Recoverers.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use unrelu::{BestMethod, CancelToken, DescentOptions, Method, Options, RecoverOptions, Recoverer, Strategy};

use crate::calls::{Calls, Running};
use crate::errors::exception;
use crate::inverter::{carry_out, tell};
use crate::network::NetworkCore;
use crate::operator::operator;
use crate::options::Given;
use crate::process::Process;
use crate::run::Source;
use crate::waiting::on_a_thread;

/// A network and an operator, prepared for recovery.
#[pyclass(frozen, module = "unrelu._unrelu")]
pub struct RecovererCore {
    recoverer: Arc<Recoverer>,
    /// The options for the summary: those of the final codes, not those of projections.
    told: Options,
    /// The calls of an operator in Python.
    calls: Option<Arc<Calls>>,
    process: Process,
}

#[pymethods]
impl RecovererCore {
    /// `operator`: `None` for pixels, an f64 array (m, n), or `(apply, adjoint, m)`.
    #[new]
    fn new(
        py: Python<'_>,
        network: &NetworkCore,
        operator: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let options = Given::new(options)?.recovery()?;
        let told = told_as(&options);
        let network = Arc::clone(&network.network);
        let (operator, calls) = self::operator(operator, network.observation_length())?;
        let running = begun(py, calls.as_ref(), &CancelToken::new())?;
        let guard = running.clone();
        let made = on_a_thread(py, move || {
            let _guard = guard;
            Recoverer::new(network, operator, options)
        });
        if let Some(error) = running.and_then(|running| running.leave()) {
            return Err(error);
        }
        Ok(RecovererCore { recoverer: Arc::new(made?.map_err(exception)?), told, calls, process: Process::this() })
    }

    /// Recovers `count` codes; the arguments are those of an inversion.
    #[pyo3(signature = (rows, count, batch, first_index, progress))]
    fn recover<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        count: usize,
        batch: usize,
        first_index: u64,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.process.check("the recoverer")?;
        let source = Source { rows, count, batch, first_index };
        let cancel = CancelToken::new();
        let running = begun(py, self.calls.as_ref(), &cancel)?;
        let outcome = carry_out(py, &self.recoverer, &source, cancel, running.clone(), progress);
        if let Some(error) = running.and_then(|running| running.leave()) {
            return Err(error);
        }
        let (found, summary) = outcome?;
        tell(&found, &summary, &self.told, &*self.recoverer)?;
        Ok(found)
    }
}

/// Begins a run of an operator in Python, if it is one.
fn begun(py: Python<'_>, calls: Option<&Arc<Calls>>, cancel: &CancelToken) -> PyResult<Option<Arc<Running>>> {
    calls.map(|calls| calls.begin(py, cancel)).transpose()
}

fn told_as(options: &RecoverOptions) -> Options {
    let told = options.inversion.clone();
    match options.strategy {
        Strategy::Search(ref search) => told.method(Method::Best(BestMethod::default().search(search.clone()))),
        Strategy::Projected(_) => told.method(Method::Descent(DescentOptions::default())).refine(None),
        _ => told,
    }
}
