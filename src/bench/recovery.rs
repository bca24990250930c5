//! `unrelu bench recovery`: codes from linear measurements, with every method on the same
//! measurements, against the best fit to the data.
//!
//! [`case`] defines the measurements. [`contest`] runs the methods and the *limit*: the local
//! minimum of `½‖A G(z) − y‖²` at which descent from the true code ends. [`table`] prints the
//! results. [`warm`] measures the time that a projector's warm starts save.

pub mod case;
pub mod contest;
pub mod table;
pub mod warm;

use super::subject::Subject;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use case::Case;
use contest::{Contest, Contestant, Row};

/// Options of the measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The measurements; each network uses those that its images allow.
    pub cases: Vec<Case>,
    /// Sizes of the Gaussian noise, as shares of the root mean square of an observation's
    /// measurements.
    pub noises: Vec<f64>,
    /// The recovery methods.
    pub ways: Vec<Contestant>,
    /// Observations per case.
    pub count: usize,
    /// Seconds after which a method gets no further observations of a case; it gets at least
    /// [`contest::CHUNK`] of them.
    pub seconds: f64,
    /// Threads of the pool; `None` uses all processors that the process may use.
    pub threads: Option<usize>,
}

impl Options {
    /// Every case and method, without noise and with 10 %, 200 observations.
    pub fn full() -> Self {
        Options {
            cases: Case::usual(),
            noises: vec![0.0, 0.1],
            ways: Contestant::ALL.to_vec(),
            count: 200,
            seconds: 20.0,
            threads: None,
        }
    }

    /// For a first look: two cases without noise, 10 observations.
    pub fn quick() -> Self {
        let cases = vec![Case::Hidden(0.5), Case::Gaussian(100)];
        Options { cases, noises: vec![0.0], count: 10, seconds: 0.5, ..Self::full() }
    }

    fn validate(&self) -> Result<()> {
        if self.count == 0 {
            return Err(Error::option("count", "0", "at least 1"));
        }
        if let Some(noise) = self.noises.iter().find(|noise| !(**noise >= 0.0 && noise.is_finite())) {
            return Err(Error::option("noises", noise.to_string(), "a share that is not negative"));
        }
        if !(self.seconds >= 0.0 && self.seconds.is_finite()) {
            return Err(Error::option("seconds", self.seconds.to_string(), "a number that is not negative"));
        }
        Ok(())
    }
}

/// Measures every case on every network, and passes the rows of each case and noise to `each` when
/// they are ready.
///
/// # Errors
/// Invalid options, the errors of the methods and of `each`, and [`Error::Cancelled`] if
/// `cancel` is cancelled.
pub fn run(
    options: &Options,
    subjects: &[Subject],
    cancel: &CancelToken,
    mut each: impl FnMut(&[Row]) -> Result<()>,
) -> Result<Vec<Row>> {
    options.validate()?;
    let mut all = Vec::new();
    for subject in subjects {
        for case in options.cases.iter().filter(|case| case.fits(subject)) {
            for &noise in &options.noises {
                let rows = Contest::new(subject, *case, noise, options)?.run(cancel)?;
                each(&rows)?;
                all.extend(rows);
            }
        }
    }
    Ok(all)
}
