//! Options by name, as the functions of the package take them, for the library. Each method takes
//! the options that it uses; one that is left over has no effect, and is refused.

use std::str::FromStr;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use unrelu::{
    BestMethod, BestOptions, DescentOptions, ElementType, LayerwiseMethod, LayerwiseOptions, Method, MissRate,
    NamedNoise, NoiseLaw, Objective, Options, Precision, ProjectedOptions, RecoverOptions, Strategy, Tolerances,
};

use crate::errors::{input, wrong_type};

/// What a switch may be.
const TRUTH: &str = "True or False";

/// The options that were given, by name.
pub struct Given<'py>(Bound<'py, PyDict>);

impl<'py> Given<'py> {
    /// Takes from a copy, so that the caller keeps the options.
    pub fn new(options: &Bound<'py, PyDict>) -> PyResult<Self> {
        options.copy().map(Given)
    }

    /// The value of this option, if it was given.
    fn take<T>(&self, name: &str, expected: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        // A bool is an integer in Python, and never meant as one.
        let is_number = expected != TRUTH && value.is_instance_of::<PyBool>();
        match if is_number { None } else { value.extract().ok() } {
            Some(taken) => Ok(Some(taken)),
            None => {
                let found = format!("{} of type {}", value.repr()?, value.get_type().name()?);
                Err(wrong_type(&format!("option `{name}`"), &found, expected, "change this argument"))
            }
        }
    }

    fn number(&self, name: &str) -> PyResult<Option<f64>> {
        self.take(name, "a number")
    }

    fn count(&self, name: &str) -> PyResult<Option<usize>> {
        self.take(name, "an integer from 0 to 2**64 - 1")
    }

    fn switch(&self, name: &str) -> PyResult<Option<bool>> {
        self.take(name, TRUTH)
    }

    /// A value that is given by its name.
    fn named<T: FromStr<Err = String>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(text) = self.take::<String>(name, "a name")? else { return Ok(None) };
        text.parse().map(Some).map_err(|why: String| {
            // The library says what it found as well.
            let expected = why.rsplit("expected ").next().unwrap_or(&why);
            input(&format!("option `{name}`"), &format!("{text:?}"), expected, "change this argument")
        })
    }

    /// A share, or the word `none`.
    fn miss_rate(&self) -> PyResult<MissRate> {
        let is_word = self.0.get_item("miss_rate")?.is_some_and(|value| value.is_instance_of::<PyString>());
        if is_word {
            return Ok(self.named("miss_rate")?.unwrap_or_default());
        }
        Ok(self.number("miss_rate")?.map_or(MissRate::default(), MissRate::Share))
    }

    /// Refuses what nobody took. `by` names the method.
    fn finish(self, by: &str) -> PyResult<()> {
        match self.0.keys().iter().next() {
            None => Ok(()),
            Some(name) => Err(input(
                &format!("option `{name}`"),
                &format!("given with {by}, which does not use it"),
                "only options that have an effect",
                "leave it out, or choose another method",
            )),
        }
    }

    /// The options of an inversion.
    pub fn inversion(self) -> PyResult<Options> {
        let name = self.take::<String>("method", "the name of a method")?.unwrap_or_else(|| "best".to_owned());
        let options = self.common()?;
        let method = self.method("method", &name, options.0, "iterations", options.1.noise_law)?;
        let refine = match method {
            Method::Best(_) => None,
            _ => self.refinement(options.1.noise_law)?,
        };
        self.finish(&format!("method {name:?}"))?;
        Ok(options.1.method(method).refine(refine))
    }

    /// The options of a recovery.
    pub fn recovery(self) -> PyResult<RecoverOptions> {
        let direct = self.take::<String>("method", "the name of a method")?;
        let inner = self.take::<String>("inner", "the name of a method")?;
        let (tolerances, options) = self.common()?;
        let (by, strategy, options) = match (direct.as_deref(), inner) {
            (Some(_), Some(_)) => {
                return Err(input(
                    "option `inner`",
                    "given with option `method`",
                    "one of them: `inner` asks for projected gradient descent",
                    "leave one of them out",
                ));
            }
            (None | Some("best"), None) => {
                let search = self.search(options.noise_law)?;
                ("method \"best\"".to_owned(), Strategy::Search(search), options)
            }
            (Some(name), None) => {
                let method = self.method("method", name, tolerances, "iterations", options.noise_law)?;
                let refine = self.refinement(options.noise_law)?;
                (format!("method {name:?}"), Strategy::Direct, options.method(method).refine(refine))
            }
            (None, Some(name)) => {
                let default = ProjectedOptions::default();
                let projected = default
                    .clone()
                    .step(self.number("step")?.unwrap_or(default.step))
                    .momentum(self.number("momentum")?.unwrap_or(default.momentum))
                    .iterations(self.count("iterations")?.unwrap_or(default.iterations))
                    .restarts(self.count("restarts")?.unwrap_or(default.restarts))
                    .seed(self.peek_seed()?);
                let method = self.method("inner", &name, tolerances, "inner_iterations", None)?;
                // A layer-wise projection draws nothing; the loop around it does.
                self.seed()?;
                let refine = match method {
                    Method::Best(_) => None,
                    // A projection is the nearest image, whatever the noise of the measurements is.
                    _ => self.refinement(None)?,
                };
                // Projections get computed images, not observations.
                let options = options.method(method).refine(refine).precision(Precision::default());
                (format!("inner {name:?}"), Strategy::Projected(projected), options)
            }
        };
        self.finish(&by)?;
        Ok(RecoverOptions::default().strategy(strategy).inversion(options))
    }

    /// The options that every method uses.
    fn common(&self) -> PyResult<(Tolerances, Options)> {
        let epsilon = self.number("epsilon")?;
        let noise = self.noise()?;
        let single = self.switch("single")?.unwrap_or(false);
        let precision = match self.take::<String>("stored_as", "a type of numbers")?.as_deref() {
            Some("uint8") => Precision::U8,
            Some("float16") => Precision::F16,
            Some("float32") => Precision::F32,
            _ => Precision::F64,
        };
        let options = Options::default()
            .reproduces_within(epsilon)
            .noise(noise.size)
            .noise_law(noise.law)
            .prior(self.number("prior")?.unwrap_or(0.0))
            .uncertainty(self.switch("uncertainty")?.unwrap_or(false))
            .alternatives(self.count("alternatives")?.unwrap_or(0))
            .code_law(self.named("code_law")?.unwrap_or_default())
            .device(self.named("device")?.unwrap_or_default())
            .adapter(self.take("adapter", "a part of an adapter's name")?)
            .backend(self.named("backend")?)
            .threads(self.count("threads")?)
            .precision(precision)
            .codes_as(if single { ElementType::F32 } else { ElementType::F64 });
        let options = match self.named("solver")? {
            Some(solver) => options.solver(solver),
            None => options,
        };
        Ok((Tolerances::default().epsilon(epsilon.or(noise.tolerance())), options))
    }

    /// The noise: a number, or a law with or without a size.
    fn noise(&self) -> PyResult<NamedNoise> {
        let is_text = self.0.get_item("noise")?.is_some_and(|value| value.is_instance_of::<PyString>());
        if is_text {
            return Ok(self.named("noise")?.unwrap_or_default());
        }
        let expected = "a number, or the name of a law such as \"uniform:0.01\"";
        Ok(NamedNoise::default().size(self.take("noise", expected)?))
    }

    /// What refinement minimises: `True` stands for squares, or for the norm of the law of the
    /// noise.
    fn refinement(&self, law: Option<NoiseLaw>) -> PyResult<Option<Objective>> {
        let is_text = self.0.get_item("refine")?.is_some_and(|value| value.is_instance_of::<PyString>());
        if is_text {
            return self.named("refine");
        }
        let usual = || law.map_or(Objective::L2, |law| law.objective());
        Ok(self.switch("refine")?.unwrap_or(false).then(usual))
    }

    /// `law`: that of the noise, which chooses the objective of a search.
    fn method(
        &self,
        option: &str,
        name: &str,
        tolerances: Tolerances,
        iterations: &str,
        law: Option<NoiseLaw>,
    ) -> PyResult<Method> {
        let grown = |given: &Self| -> PyResult<Tolerances> {
            Ok(tolerances.growth(given.number("growth")?.unwrap_or(tolerances.growth)))
        };
        match name {
            "best" => Ok(Method::Best(
                BestMethod::default().search(self.search(law)?).tolerances(grown(self)?).miss_rate(self.miss_rate()?),
            )),
            "descent" => {
                let default = DescentOptions::default();
                let descent = default
                    .clone()
                    .optimizer(self.named("optimizer")?.unwrap_or(default.optimizer))
                    .step(self.number("step")?)
                    .iterations(self.count(iterations)?.unwrap_or(default.iterations))
                    .restarts(self.count("restarts")?.unwrap_or(0))
                    .seed(self.seed()?);
                Ok(Method::Descent(descent))
            }
            _ => {
                let method: LayerwiseMethod = name.parse().map_err(|_: String| {
                    let expected = "best, linf, l1, relaxed, exact or descent";
                    input(&format!("option `{option}`"), &format!("{name:?}"), expected, "change this argument")
                })?;
                let mut programs = LayerwiseOptions::default().method(method).tolerances(grown(self)?);
                if let Some(rows) = self.named("rows")? {
                    programs = programs.rows(rows);
                }
                if matches!(method, LayerwiseMethod::L1 | LayerwiseMethod::Relaxed)
                    && let Some(stop) = self.named("stop")?
                {
                    programs = programs.stop(stop);
                }
                if let Some(passes) = self.count("passes")? {
                    programs = programs.passes(passes);
                }
                if let Some(sign) = self.named("hidden_sign")? {
                    programs = programs.hidden_sign(sign);
                }
                if method != LayerwiseMethod::Exact {
                    programs = programs
                        .row_tolerances(self.named("row_tolerances")?.unwrap_or_default())
                        .hidden_epsilon(self.named("hidden_epsilon")?.unwrap_or_default());
                }
                if method == LayerwiseMethod::Relaxed {
                    programs = programs.relaxed_weights(self.named("relaxed_weights")?.unwrap_or_default());
                }
                Ok(Method::Layerwise(programs))
            }
        }
    }

    fn search(&self, law: Option<NoiseLaw>) -> PyResult<BestOptions> {
        let default = BestOptions::default();
        Ok(default
            .clone()
            .starts(self.count("starts")?.unwrap_or(default.starts))
            .objective(self.named("objective")?.or(law.map(NoiseLaw::objective)).unwrap_or(default.objective))
            .seed(self.seed()?))
    }

    /// The seed, which the method of a projection uses too.
    fn peek_seed(&self) -> PyResult<u64> {
        Given::new(&self.0)?.seed()
    }

    fn seed(&self) -> PyResult<u64> {
        Ok(self.take("seed", "an integer from 0 to 2**64 - 1")?.unwrap_or(0))
    }
}
