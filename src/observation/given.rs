//! Observations in the precision in which they were given. A device that computes in f32 takes f32
//! data as they are; everything else reads f64. The numbers are the same in both, so no result
//! depends on the precision.

use std::borrow::Cow;

use nalgebra::DMatrix;

use super::{Usability, unusable};
use crate::outcome::Failure;

/// Observations, one per column, `NaN` where unobserved.
///
/// Matrices of f64 and of f32 can be turned into them, and both give the same results.
/// [`Inverter::pipeline`](crate::Inverter::pipeline) takes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Observations {
    /// In f64, `n` × count.
    Double(DMatrix<f64>),
    /// In f32, `n` × count.
    Single(DMatrix<f32>),
}

impl From<DMatrix<f64>> for Observations {
    fn from(observations: DMatrix<f64>) -> Self {
        Observations::Double(observations)
    }
}

impl From<DMatrix<f32>> for Observations {
    fn from(observations: DMatrix<f32>) -> Self {
        Observations::Single(observations)
    }
}

impl Observations {
    /// The same observations, to read.
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Observations::Double(all) => View::Double(all),
            Observations::Single(all) => View::Single(all),
        }
    }

    /// In f64.
    pub(crate) fn into_double(self) -> DMatrix<f64> {
        match self {
            Observations::Double(all) => all,
            Observations::Single(all) => widened(&all),
        }
    }

    /// Number of bytes of an entry.
    pub(crate) fn entry_bytes(&self) -> usize {
        match self {
            Observations::Double(_) => size_of::<f64>(),
            Observations::Single(_) => size_of::<f32>(),
        }
    }

    /// Whether `more` has the same length and precision, so that it can be appended.
    pub(crate) fn fits(&self, more: &Self) -> bool {
        let is_same = self.entry_bytes() == more.entry_bytes();
        is_same && self.view().nrows() == more.view().nrows()
    }

    /// Appends the columns of `more`, which must fit.
    pub(crate) fn append(&mut self, more: &Self) {
        match (self, more) {
            (Observations::Double(all), Observations::Double(more)) => append(all, more),
            (Observations::Single(all), Observations::Single(more)) => append(all, more),
            // `fits` excludes it.
            (_, _) => {}
        }
    }

    /// A copy of `count` columns from `first` on.
    pub(crate) fn columns(&self, first: usize, count: usize) -> Self {
        match self {
            Observations::Double(all) => all.columns(first, count).into_owned().into(),
            Observations::Single(all) => all.columns(first, count).into_owned().into(),
        }
    }
}

fn append<T: nalgebra::Scalar>(all: &mut DMatrix<T>, more: &DMatrix<T>) {
    let (length, count) = (all.nrows(), all.ncols() + more.ncols());
    let mut entries = Vec::from(std::mem::replace(all, DMatrix::from_vec(0, 0, Vec::new())).data);
    entries.extend_from_slice(more.as_slice());
    *all = DMatrix::from_vec(length, count, entries);
}

fn widened(single: &DMatrix<f32>) -> DMatrix<f64> {
    single.map(f64::from)
}

/// [`Observations`] of someone else.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// In f64, `n` × count.
    Double(&'a DMatrix<f64>),
    /// In f32, `n` × count.
    Single(&'a DMatrix<f32>),
}

impl<'a> From<&'a DMatrix<f64>> for View<'a> {
    fn from(observations: &'a DMatrix<f64>) -> Self {
        View::Double(observations)
    }
}

impl<'a> From<&'a DMatrix<f32>> for View<'a> {
    fn from(observations: &'a DMatrix<f32>) -> Self {
        View::Single(observations)
    }
}

impl<'a> View<'a> {
    /// Entries per observation.
    pub fn nrows(self) -> usize {
        match self {
            View::Double(all) => all.nrows(),
            View::Single(all) => all.nrows(),
        }
    }

    /// Number of observations.
    pub fn ncols(self) -> usize {
        match self {
            View::Double(all) => all.ncols(),
            View::Single(all) => all.ncols(),
        }
    }

    /// In f64; f32 is widened, which takes a pass and memory.
    pub fn double(self) -> Cow<'a, DMatrix<f64>> {
        match self {
            View::Double(all) => Cow::Borrowed(all),
            View::Single(all) => Cow::Owned(widened(all)),
        }
    }

    /// How observation `index` can be inverted.
    pub fn usability(self, index: usize) -> Usability {
        match self {
            View::Double(all) => Usability::of(column(all, index)),
            View::Single(all) => Usability::of(column(all, index)),
        }
    }

    /// Why observation `index` cannot be inverted; see [`unusable`].
    pub fn unusable(self, index: usize) -> Option<Failure> {
        match self {
            View::Double(all) => unusable(column(all, index)),
            View::Single(all) => unusable(column(all, index)),
        }
    }
}

/// Observation `index` of a matrix.
pub fn column<T>(all: &DMatrix<T>, index: usize) -> &[T] {
    &all.as_slice()[index * all.nrows()..][..all.nrows()]
}
