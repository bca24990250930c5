//! Options by name, as the functions of the package take them, for the library. Each method takes
//! the options that it uses; one that is left over has no effect, and is refused.

use std::str::FromStr;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use unrelu::{
    BestMethod, BestOptions, DescentOptions, ElementType, LayerwiseMethod, LayerwiseOptions, Method, Options,
    Precision, ProjectedOptions, RecoverOptions, Strategy, Tolerances,
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
        let method = self.method("method", &name, options.0, "iterations")?;
        let refine = match method {
            Method::Best(_) => false,
            _ => self.switch("refine")?.unwrap_or(false),
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
            (None | Some("best"), None) => ("method \"best\"".to_owned(), Strategy::Search(self.search()?), options),
            (Some(name), None) => {
                let method = self.method("method", name, tolerances, "iterations")?;
                let refine = self.switch("refine")?.unwrap_or(false);
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
                let method = self.method("inner", &name, tolerances, "inner_iterations")?;
                // A layer-wise projection draws nothing; the loop around it does.
                self.seed()?;
                let refine = match method {
                    Method::Best(_) => false,
                    _ => self.switch("refine")?.unwrap_or(false),
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
        let single = self.switch("single")?.unwrap_or(false);
        let precision = match self.take::<String>("stored_as", "a type of numbers")?.as_deref() {
            Some("uint8") => Precision::U8,
            Some("float16") => Precision::F16,
            Some("float32") => Precision::F32,
            _ => Precision::F64,
        };
        let options = Options::default()
            .reproduces_within(epsilon)
            .noise(self.number("noise")?)
            .prior(self.number("prior")?.unwrap_or(0.0))
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
        Ok((Tolerances::default().epsilon(epsilon), options))
    }

    fn method(&self, option: &str, name: &str, tolerances: Tolerances, iterations: &str) -> PyResult<Method> {
        let grown = |given: &Self| -> PyResult<Tolerances> {
            Ok(tolerances.growth(given.number("growth")?.unwrap_or(tolerances.growth)))
        };
        match name {
            "best" => Ok(Method::Best(BestMethod::default().search(self.search()?).tolerances(grown(self)?))),
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
                Ok(Method::Layerwise(programs))
            }
        }
    }

    fn search(&self) -> PyResult<BestOptions> {
        let default = BestOptions::default();
        Ok(default
            .clone()
            .starts(self.count("starts")?.unwrap_or(default.starts))
            .objective(self.named("objective")?.unwrap_or(default.objective))
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
