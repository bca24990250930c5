//! The options of an inversion.

use std::fmt;
use std::str::FromStr;

use super::code_law::CodeLaw;
use super::miss_rate::MissRate;
use super::noise_law::NoiseLaw;
use crate::adapter::Backend;
use crate::descent::DescentOptions;
use crate::device::{DeviceChoice, Request};
use crate::error::{Error, Result};
use crate::formats::npy::ElementType;
use crate::lp::formulation::Tolerances;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::{BestOptions, Objective};
use crate::network::Network;
use crate::precision::{Precision, default_epsilon_of};
use crate::setters::setters;

/// The largest accepted number of threads. The system would need minutes to start more.
const MOST_THREADS: usize = 1024;

/// How observations are inverted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Layer by layer, by linear programs.
    Layerwise(LayerwiseOptions),
    /// All layers at once, by gradient descent.
    Descent(DescentOptions),
    /// The lowest local minimum found from many starts.
    Best(BestMethod),
}

/// The options of the method `best`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct BestMethod {
    /// The options of the search.
    pub search: BestOptions,
    /// The tolerances of the layer-wise inversion that gives the first start, on networks with a
    /// ReLU layer. Its method is always `linf`.
    pub tolerances: Tolerances,
    /// The share of the lowest minima that may be missed. The number of runs per observation is
    /// then measured, once, on outputs of the network with noise of the named size: on many
    /// networks every start leads to the same minimum, and two runs suffice. Observations whose
    /// lowest loss few runs find, that are partly hidden, or whose loss is far above those of the
    /// outputs have the usual search. Default [`MissRate::WherePossible`].
    pub miss_rate: MissRate,
}

setters!(BestMethod { search: BestOptions, tolerances: Tolerances, miss_rate: MissRate });

/// The solver of the linear programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SolverChoice {
    /// The solver made for these problems.
    #[default]
    InteriorPoint,
    /// Clarabel, a general interior-point solver: the reference, about a hundred times slower.
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

/// The options of an [`Inverter`](super::Inverter). The default is `linf` on an available device.
///
/// ```
/// use unrelu::{BestMethod, DeviceChoice, LayerwiseMethod, LayerwiseOptions, Method, Options, Tolerances};
///
/// let noise = 0.01;
/// let tolerances = Tolerances::default().epsilon(noise);
/// let programs = LayerwiseOptions::default().method(LayerwiseMethod::L1).tolerances(tolerances);
/// let by_programs = Options::default().method(Method::Layerwise(programs)).reproduces_within(noise);
/// let search = BestMethod::default().tolerances(tolerances);
/// let by_search = Options::default().method(Method::Best(search)).device(DeviceChoice::Cpu);
/// assert_eq!((by_programs.refine, by_search.threads), (None, None));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The method. Default `linf`.
    pub method: Method,
    /// Whether refinement follows: descent to a local minimum of this objective. The refined code
    /// is kept only if its loss is lower. Not allowed with [`Method::Best`], which already ends at
    /// a local minimum. Default `None`.
    pub refine: Option<Objective>,
    /// The tolerance `ε₀` of a reproduced observation, in units of the observations: its residual
    /// is at most `ε₀` in the maximum norm. `None`, the default: 1e-6 of the largest absolute entry
    /// of each observation (1e-6 with a sigmoid or tanh output), and not less than the rounding of
    /// its numbers. [`ObservationRow::epsilon`] is the tolerance used.
    ///
    /// [`ObservationRow::epsilon`]: crate::ObservationRow::epsilon
    pub reproduces_within: Option<f64>,
    /// The size of the noise in each entry: its bound, its standard deviation, or its mean absolute
    /// value. Answers are judged by it ([`Fit`](crate::Fit)); it changes no code. `None`, the
    /// default: `reproduces_within`, if that is given, and otherwise no noise.
    pub noise: Option<f64>,
    /// The law of the noise. Answers are judged by it: with [`NoiseLaw::Gross`], three quarters of
    /// the entries have to be reproduced. It changes no code; [`NoiseLaw::objective`] is the
    /// objective that fits it. Default `None`.
    pub noise_law: Option<NoiseLaw>,
    /// `λ` of a prior N(0, τ² I) of the codes: `½λ‖z‖²` is added to the loss `½‖G(z) − x‖²` over
    /// the observed entries. For noise of standard deviation `σ`, `λ = σ²/τ²` gives the most
    /// probable code. For `best` with the objective `l2`, `descent` and `refine`. Default 0: no
    /// prior.
    pub prior: f64,
    /// Whether each code gets standard deviations and 90 % intervals of its entries
    /// ([`UncertaintyRow`](crate::UncertaintyRow)), for noise of the law `noise_law` (by default
    /// that of the norm that is minimised) and the size `noise` (by default estimated from the
    /// residual; `reproduces_within` is no size here). For [`Method::Best`] and with `refine`. It
    /// changes no code, except that `best` may find a lower minimum. Default `false`.
    pub uncertainty: bool,
    /// Number of distinct codes that [`Method::Best`] returns per observation, the answer first
    /// ([`AlternativesRow`](crate::AlternativesRow)). With this, or with `uncertainty`, the other
    /// minima within reach of the noise are counted, and runs that end high are finished: that
    /// takes longer, and may find a lower minimum. At most 64. Default 0: none.
    pub alternatives: usize,
    /// The law of the codes that the generator was trained with. Default: standard normal.
    pub code_law: CodeLaw,
    /// The solver of the linear programs. Default [`SolverChoice::InteriorPoint`].
    pub solver: SolverChoice,
    /// The device for batched work.
    pub device: DeviceChoice,
    /// A part of the name of the GPU adapter to use. Default `None`: no preference.
    pub adapter: Option<String>,
    /// The graphics API: Vulkan, Direct3D 12 or Metal. Default `None`: no preference.
    pub backend: Option<Backend>,
    /// The number of threads of the pool. `None`: all processors that the process may use.
    pub threads: Option<usize>,
    /// The precision in which the observations are stored. The numbers of an observation may show
    /// that its own is coarser ([`Precision`]). Default f64.
    pub precision: Precision,
    /// The type in which the codes will be stored. Residuals are computed from codes of this type.
    /// Default f64.
    pub codes_as: ElementType,
}

setters!(Options {
    method: Method,
    noise: Option<f64>,
    noise_law: Option<NoiseLaw>,
    prior: f64,
    uncertainty: bool,
    alternatives: usize,
    code_law: CodeLaw,
    solver: SolverChoice,
    device: DeviceChoice,
    adapter: Option<String>,
    backend: Option<Backend>,
    threads: Option<usize>,
    precision: Precision,
    codes_as: ElementType,
});

impl Default for Options {
    fn default() -> Self {
        Options {
            method: Method::Layerwise(LayerwiseOptions::default()),
            refine: None,
            reproduces_within: None,
            noise: None,
            noise_law: None,
            prior: 0.0,
            uncertainty: false,
            alternatives: 0,
            code_law: CodeLaw::default(),
            solver: SolverChoice::default(),
            device: DeviceChoice::default(),
            adapter: None,
            backend: None,
            threads: None,
            precision: Precision::default(),
            codes_as: ElementType::F64,
        }
    }
}

/// The refusal of a layer-wise method by a network that linear programs do not invert.
pub(super) fn not_layerwise(network: &Network) -> Error {
    let found = format!("layer-wise, for a network with {}", network.layerwise_obstacle().unwrap_or_default());
    let expected = "`best` or `descent`: the layer-wise methods need dense layers, or small convolutions, with relu or \
                    leaky_relu; the output may also be sigmoid or tanh";
    Error::option("method", found, expected)
}

impl Options {
    /// Sets the field `refine`: an objective, or `None`.
    #[must_use]
    pub fn refine(mut self, objective: impl Into<Option<Objective>>) -> Self {
        self.refine = objective.into();
        self
    }

    /// Sets the field `reproduces_within`: a number, or `None` for the default.
    #[must_use]
    pub fn reproduces_within(mut self, epsilon: impl Into<Option<f64>>) -> Self {
        self.reproduces_within = epsilon.into();
        self
    }

    /// What these options ask of a device. A layer-wise method only classifies there.
    pub(crate) fn device_request(&self) -> Request<'_> {
        Request {
            choice: self.device,
            adapter: self.adapter.as_deref(),
            backend: self.backend,
            stays_on_device: !matches!(self.method, Method::Layerwise(_)),
        }
    }

    /// The `ε₀` of the checks of this observation's residual.
    pub(crate) fn epsilon_of(&self, network: &Network, observation: &[f64]) -> f64 {
        let default = || default_epsilon_of(network, observation, self.precision.of(observation));
        self.reproduces_within.unwrap_or_else(default)
    }

    /// Checks all options but the method.
    pub(crate) fn validate_besides_method(&self) -> Result<()> {
        if let Some(threads) = self.threads
            && !(1..=MOST_THREADS).contains(&threads)
        {
            return Err(Error::option("threads", threads.to_string(), format!("1 to {MOST_THREADS}")));
        }
        if let Some(noise) = self.noise
            && !(noise > 0.0 && noise.is_finite())
        {
            return Err(Error::option("noise", noise.to_string(), "a positive number"));
        }
        if !(self.prior >= 0.0 && self.prior.is_finite()) {
            let expected = "0, or a positive number: the variance of the noise over that of the codes";
            return Err(Error::option("prior", self.prior.to_string(), expected));
        }
        let size = self.code_law.size();
        if !(size > 0.0 && size.is_finite()) {
            return Err(Error::option("code_law", self.code_law.to_string(), "a law of positive size"));
        }
        Ok(())
    }

    /// Refuses a prior with an objective that is no sum of squares: the code would not be the most
    /// probable one of any noise, and the linear programs have no quadratic term.
    /// `option`: where the objective was given.
    pub(crate) fn check_objective(&self, option: &'static str, objective: Objective) -> Result<()> {
        if self.prior == 0.0 || objective == Objective::L2 {
            return Ok(());
        }
        let (by, value) = self.chosen_by(option, objective);
        let found = format!("{} with option `{by}: {value}`", self.prior);
        Err(Error::option("prior", found, format!("option `{option}: l2`; or leave the prior out")))
    }

    /// The option by which an objective was chosen, and its value: the law of the noise if its norm
    /// is that objective, since callers let it choose.
    pub(crate) fn chosen_by(&self, option: &'static str, objective: Objective) -> (&'static str, String) {
        match self.noise_law.filter(|law| law.objective() == objective) {
            Some(law) => ("noise", law.to_string()),
            None => (option, objective.to_string()),
        }
    }

    /// Refuses an objective that does not suit the network. `option`: the one that names it.
    pub(crate) fn check_suits(&self, option: &'static str, objective: Objective, network: &Network) -> Result<()> {
        let Some((obstacle, expected)) = objective.obstacle(network) else { return Ok(()) };
        Err(match self.chosen_by(option, objective) {
            ("noise", law) => {
                let found = format!("{law}, which minimises {objective}, {obstacle}");
                Error::option("noise", found, format!("option `{option}: l2` beside it: {expected}"))
            }
            (by, value) => Error::option(by, format!("{value} {obstacle}"), expected),
        })
    }

    /// The objective of which the codes are minima of all layers together; `None` if they are not.
    pub(crate) fn minimised(&self) -> Option<Objective> {
        match &self.method {
            Method::Best(best) => Some(best.search.objective),
            _ => self.refine,
        }
    }

    /// The seed of what is drawn for an observation; 0 for methods that draw nothing.
    pub(crate) fn seed(&self) -> u64 {
        match &self.method {
            Method::Best(best) => best.search.seed,
            Method::Descent(descent) => descent.seed,
            Method::Layerwise(_) => 0,
        }
    }

    pub(crate) fn validate(&self, network: &Network) -> Result<()> {
        self.validate_besides_method()?;
        let by = if self.refine.is_some() { "refine" } else { "objective" };
        self.check_uncertainty(self.minimised(), by)?;
        self.check_alternatives(matches!(self.method, Method::Best(_)))?;
        if let Some(objective) = self.refine {
            if matches!(self.method, Method::Best(_)) {
                let expected = "another method, or no refinement: the codes of `best` are already refined";
                return Err(Error::option("refine", "given with option `method: best`", expected));
            }
            self.check_objective("refine", objective)?;
            self.check_suits("refine", objective, network)?;
        }
        match &self.method {
            Method::Layerwise(options) if self.prior > 0.0 && self.refine.is_none() => {
                let found = format!(
                    "{} with method `{}`, which has no sum of squares to add it to",
                    self.prior, options.method
                );
                let expected = "option `method: best` or `descent`, or option `refine`; or leave the prior out";
                return Err(Error::option("prior", found, expected));
            }
            Method::Best(best) => {
                self.check_objective("objective", best.search.objective)?;
                self.check_suits("objective", best.search.objective, network)?;
                self.check_miss_rate(best.miss_rate, network)?;
            }
            _ => {}
        }
        match &self.method {
            Method::Layerwise(_) if network.layerwise_obstacle().is_some() => Err(not_layerwise(network)),
            Method::Layerwise(options) => options.validate(),
            Method::Descent(options) => options.validate(),
            Method::Best(options) => options.tolerances.validate().and_then(|()| options.search.validate(network)),
        }
    }
}
