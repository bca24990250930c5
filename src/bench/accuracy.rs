//! `unrelu bench accuracy`: the error of each method against the best fit to the data, and its
//! time.
//!
//! Codes are N(0, I), their outputs carry noise, and each method inverts the same observations. The
//! best fit to the data is the *limit*: the local minimum of the squared error at which descent
//! from the true code ends. `limit linf` and `limit l1` are the same for the largest error and the
//! sum of errors: the norm that fits the noise has the lowest limit. No method knows the true code.
//! [`contest`] runs the methods, [`row`] holds their results, [`table`] prints them.

pub mod contest;
pub mod row;
pub mod table;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::random::Noise;

use super::subject::Subject;
use contest::{Contest, Contestant};
use row::Row;

/// Options of the measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The kinds and sizes of the noise.
    pub noises: Vec<Noise>,
    /// The methods.
    pub methods: Vec<Contestant>,
    /// Observations per noise.
    pub count: usize,
    /// The share of the entries that is observed; each observation has its own random entries.
    pub observed: f64,
    /// Seconds after which a method gets no further observations of a noise; it gets at least
    /// [`contest::CHUNK`] of them.
    pub seconds: f64,
    /// Threads of the pool; `None` uses all processors that the process may use.
    pub threads: Option<usize>,
}

impl Options {
    /// Uniform and Gaussian noise from 1e-4 to 1e-1, Laplace noise and gross errors, every method,
    /// 200 observations.
    pub fn full() -> Self {
        let sizes = [1e-4, 1e-3, 1e-2, 1e-1];
        let uniform = sizes.map(Noise::Uniform);
        let gaussian = sizes.map(Noise::Gaussian);
        let heavy = [Noise::Laplace(1e-2), Noise::Laplace(1e-1), Noise::Gross(0.05)];
        Options {
            noises: uniform.into_iter().chain(gaussian).chain(heavy).collect(),
            methods: Contestant::ALL.to_vec(),
            count: 200,
            observed: 1.0,
            seconds: 60.0,
            threads: None,
        }
    }

    /// For a first look: two noises, 20 observations.
    pub fn quick() -> Self {
        Options { noises: vec![Noise::Uniform(1e-2), Noise::Gaussian(1e-1)], count: 20, seconds: 1.0, ..Self::full() }
    }

    fn validate(&self) -> Result<()> {
        if self.count == 0 {
            return Err(Error::option("count", "0", "at least 1"));
        }
        if !(self.observed > 0.0 && self.observed <= 1.0) {
            return Err(Error::option("observed", self.observed.to_string(), "more than 0 and at most 1"));
        }
        if !(self.seconds >= 0.0 && self.seconds.is_finite()) {
            return Err(Error::option("seconds", self.seconds.to_string(), "a number that is not negative"));
        }
        Ok(())
    }
}

/// Measures every noise on every network, and passes each noise's rows to `each` when they are
/// ready. An error of `each` ends the run.
///
/// # Errors
/// Invalid options, the errors of the methods and of `each`, and [`Error::Cancelled`] if
/// `cancel` is cancelled.
pub fn run(
    options: &Options,
    subjects: &[Subject],
    cancel: &CancelToken,
    mut each: impl FnMut(&Subject, Noise, &[Row]) -> Result<()>,
) -> Result<Vec<Row>> {
    options.validate()?;
    let mut all = Vec::new();
    for subject in subjects {
        for &noise in &options.noises {
            let rows = Contest::new(subject, noise, options).run(cancel)?;
            each(subject, noise, &rows)?;
            all.extend(rows);
        }
    }
    Ok(all)
}
