//! `unrelu bench lp`: the linear programs of one layer, the engine against Clarabel on the same
//! instances, in one run.
//!
//! [`instances`] creates the layers and their programs, [`measure`] solves and times them, and
//! [`table`] prints the results. [`export`] writes the same programs as arrays, for solvers not
//! written in Rust. One thread is timed by [`super::clock`].

pub mod export;
pub mod instances;
pub mod measure;
pub mod table;

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::lp::formulation::LayerwiseMethod;
use export::Export;
use instances::{Case, Instances};
use measure::{Measured, Measurement, Pools};

/// Options of the measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The layers.
    pub cases: Vec<Case>,
    /// The methods; each case runs those of them that it has.
    pub methods: Vec<LayerwiseMethod>,
    /// LPs per batch.
    pub batch: usize,
    /// Number of LPs that are solved one at a time.
    pub singles: usize,
    /// Seconds for which a measurement is repeated; the fastest pass counts.
    pub repeat_seconds: f64,
    /// Seconds after which Clarabel gets no further LP; it gets at least one.
    pub clarabel_seconds: f64,
    /// Exported LPs per group.
    pub exported: usize,
    /// Whether to measure the share of each stage of the engine in its time.
    pub profile: bool,
    /// The folder for the exported LPs.
    pub export: Option<PathBuf>,
    /// Whether an export may replace existing files.
    pub force: bool,
}

impl Options {
    /// All cases, batches of 1,000.
    pub fn full() -> Self {
        Options {
            cases: instances::CASES.to_vec(),
            methods: vec![LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed, LayerwiseMethod::Exact],
            batch: 1000,
            singles: 100,
            repeat_seconds: 1.0,
            clarabel_seconds: 3.0,
            exported: 20,
            profile: false,
            export: None,
            force: false,
        }
    }

    /// For a first look: the smaller layers, small batches, and Clarabel on a few LPs.
    pub fn quick() -> Self {
        Options {
            cases: instances::CASES.into_iter().filter(|case| case.rows * case.columns <= 50_000).collect(),
            batch: 25,
            singles: 5,
            repeat_seconds: 0.05,
            clarabel_seconds: 0.2,
            exported: 3,
            ..Self::full()
        }
    }

    /// The groups to measure, in order.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        let of_case = |&case: &Case| {
            let wanted = case.methods().iter().filter(|method| self.methods.contains(method));
            wanted.map(move |&method| Group { case, method })
        };
        self.cases.iter().flat_map(of_case)
    }

    fn validate(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::option("batch", "0", "at least 1"));
        }
        if self.groups().next().is_none() {
            let asked = self.methods.iter().map(LayerwiseMethod::to_string).collect::<Vec<_>>().join(",");
            return Err(Error::option(
                "methods",
                asked,
                "linf, l1 or relaxed (exact has layers of 500x100 and 784x60)",
            ));
        }
        Ok(())
    }
}

/// One case under one method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// The layer.
    pub case: Case,
    /// The method.
    pub method: LayerwiseMethod,
}

impl fmt::Display for Group {
    /// `500x100 random linf`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.case, self.method)
    }
}

/// Measures every group and passes its figures to `each` when they are ready: the cases in order,
/// and the methods within each case. An error of `each` ends the run.
///
/// # Errors
/// Invalid options, an export that cannot be written, a thread pool that the system refuses, and
/// the errors of `each`.
pub fn run(options: &Options, mut each: impl FnMut(Group, &Measured) -> Result<()>) -> Result<Vec<Measurement>> {
    options.validate()?;
    let mut export = options.export.as_deref().map(|folder| Export::begin(folder, options.force)).transpose()?;
    let pools = Pools::new()?;
    let mut all = Vec::new();
    let mut instances: Option<(Case, Instances)> = None;
    for group in options.groups() {
        // The methods of a case share its layer and targets.
        let instances = match &mut instances {
            Some((case, instances)) if *case == group.case => &*instances,
            other => &other.insert((group.case, Instances::new(group.case, options.batch)?)).1,
        };
        let problems = instances.problems(group.method);
        let measured = measure::measure(group, &instances.system, &problems, &pools, options);
        if let Some(export) = &mut export {
            let count = options.exported.min(problems.len());
            let objectives = &measured.objectives[..count];
            export.add(group, &instances.system, &problems[..count], objectives)?;
        }
        each(group, &measured)?;
        all.extend(measured.measurements);
    }
    if let Some(export) = export {
        export.finish()?;
    }
    Ok(all)
}
