//! What a caller decides before the first batch.

use std::fmt;
use std::str::FromStr;

use crate::descent::DescentOptions;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::formats::npy::ElementType;
use crate::lp::formulation::Tolerances;
use crate::lp::formulation::target::Precision;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::BestOptions;
use crate::network::Network;
use crate::setters::setters;

/// More threads than any machine has processors; the system would take minutes to start them.
const MOST_THREADS: usize = 1024;

/// How observations are inverted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Layer by layer, by linear programs.
    Layerwise(LayerwiseOptions),
    /// All layers at once, by gradient descent.
    Descent(DescentOptions),
    /// The lowest loss that many starts lead to.
    Best(BestMethod),
}

/// How `best` works.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct BestMethod {
    /// The search.
    pub search: BestOptions,
    /// The layer-wise programs whose answer it starts from, on networks with a ReLU layer; always `linf`.
    pub tolerances: Tolerances,
}

setters!(BestMethod { search: BestOptions, tolerances: Tolerances });

/// What solves the linear programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SolverChoice {
    /// The engine made for these problems.
    #[default]
    InteriorPoint,
    /// Clarabel, a general interior point: the reference, some hundred times slower.
    Clarabel,
}

impl fmt::Display for SolverChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SolverChoice::InteriorPoint => "interior-point",
            SolverChoice::Clarabel => "clarabel",
        })
    }
}

impl FromStr for SolverChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "interior-point" => Ok(SolverChoice::InteriorPoint),
            "clarabel" => Ok(SolverChoice::Clarabel),
            _ => Err("expected interior-point or clarabel".to_owned()),
        }
    }
}

/// How an [`Inverter`](super::Inverter) works. The default is `linf` on whatever device there is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The method. Default `linf`.
    pub method: Method,
    /// Whether descent to a local minimum of the squared loss follows; kept only where that falls. Not with [`Method::Best`], which
    /// ends at one. Default no.
    pub refine: bool,
    /// An observation counts as reproduced when its residual is at most this in the maximum norm, and as
    /// explained when noise of this size may leave its residual
    /// (docs/INVERSION.md). Default 1e-6.
    pub reproduces_within: f64,
    /// What solves the LPs.
    pub solver: SolverChoice,
    /// Where batched work runs.
    pub device: DeviceChoice,
    /// A part of the name of the adapter to use.
    pub adapter: Option<String>,
    /// Threads of the LP pool; `None` takes the processors that the process may use.
    pub threads: Option<usize>,
    /// How exact the observations are.
    pub precision: Precision,
    /// What the codes will be stored as: residuals are those of the codes as written. Default f64.
    pub codes_as: ElementType,
}

setters!(Options {
    method: Method,
    refine: bool,
    reproduces_within: f64,
    solver: SolverChoice,
    device: DeviceChoice,
    adapter: Option<String>,
    threads: Option<usize>,
    precision: Precision,
    codes_as: ElementType,
});

impl Default for Options {
    fn default() -> Self {
        Options {
            method: Method::Layerwise(LayerwiseOptions::default()),
            refine: false,
            reproduces_within: Tolerances::default().epsilon,
            solver: SolverChoice::default(),
            device: DeviceChoice::default(),
            adapter: None,
            threads: None,
            precision: Precision::default(),
            codes_as: ElementType::F64,
        }
    }
}

impl Options {
    pub(crate) fn validate(&self, network: &Network) -> Result<()> {
        if let Some(threads) = self.threads
            && !(1..=MOST_THREADS).contains(&threads)
        {
            return Err(Error::option("threads", threads.to_string(), format!("1 to {MOST_THREADS}")));
        }
        if self.refine && matches!(self.method, Method::Best(_)) {
            let expected = "another method with it: best ends where there is nothing to refine";
            return Err(Error::option("refine", "given with option `method: best`", expected));
        }
        match &self.method {
            Method::Layerwise(options) => options.tolerances.validate(),
            Method::Descent(options) => options.validate(),
            Method::Best(options) => options.tolerances.validate().and_then(|()| options.search.validate(network)),
        }
    }
}
