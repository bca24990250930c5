//! `unrelu bench accuracy`: how near each method's codes come to what the data tell, and in what
//! time.
//!
//! Codes are N(0, I), their outputs carry noise, and each method inverts the same observations.
//! What the data tell is the *limit*: the local minimum of the squared error that descent from the
//! true code ends at, which no method knows. [`contest`] runs the methods, [`row`] holds what came
//! of them, [`table`] is what a person reads.

pub mod contest;
pub mod row;
pub mod table;

use crate::error::{Error, Result};
use crate::random::Noise;

use super::subject::Subject;
use contest::{Contest, Contestant};
use row::Row;

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The noises.
    pub noises: Vec<Noise>,
    /// The methods.
    pub methods: Vec<Contestant>,
    /// Observations a noise.
    pub count: usize,
    /// The share of the entries that is observed, of each observation others.
    pub observed: f64,
    /// Seconds after which a method gets no further observations of a noise; it gets
    /// [`contest::CHUNK`] at least.
    pub seconds: f64,
    /// Threads of the pool; `None` takes the processors that the process may use.
    pub threads: Option<usize>,
}

impl Options {
    /// Uniform and Gaussian noise from 1e-4 to 1e-1, every method, 200 observations.
    pub fn full() -> Self {
        let sizes = [1e-4, 1e-3, 1e-2, 1e-1];
        let uniform = sizes.map(Noise::Uniform);
        let gaussian = sizes.map(Noise::Gaussian);
        Options {
            noises: uniform.into_iter().chain(gaussian).collect(),
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

/// Measures every noise on every network, and hands each noise's rows to `each` as soon as they are
/// there. An error of `each` ends the run.
///
/// # Errors
/// Bad options, those of the methods, [`Error::Cancelled`] where `cancelled` says so, and what
/// `each` returns.
pub fn run(
    options: &Options,
    subjects: &[Subject],
    cancelled: &dyn Fn() -> bool,
    mut each: impl FnMut(&Subject, Noise, &[Row]) -> Result<()>,
) -> Result<Vec<Row>> {
    options.validate()?;
    let mut all = Vec::new();
    for subject in subjects {
        for &noise in &options.noises {
            let rows = Contest::new(subject, noise, options).run(cancelled)?;
            each(subject, noise, &rows)?;
            all.extend(rows);
        }
    }
    Ok(all)
}
