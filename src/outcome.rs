//! The result of an observation, as data: its status, a typed reason if there is no code, its
//! residual, and its row of the report.
//!
//! These types stand low in the module order, so that solvers, searches and recoveries can all use
//! them. Counting reads the enums. The words for people are all in one file,
//! `outcome/words.rs`.

mod alternatives;
mod failure;
mod fit;
mod kind;
mod residual;
mod rows;
mod status;
mod uncertainty;
mod words;

pub use alternatives::AlternativesRow;
pub use failure::{Failure, LayerFailure};
pub use fit::Fit;
pub use kind::{FailureKind, LayerFailureKind};
pub use residual::Residual;
pub use rows::{LayerRow, Loss, ObservationRow, RefinementRow, SearchRow};
pub use status::Status;
pub use uncertainty::{Intervals, UncertaintyRow};
