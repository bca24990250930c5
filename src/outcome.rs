//! What became of an observation, as data: its status, a typed reason where there is no code, its
//! residual, and the row of the report.
//!
//! These types stand low in the module order, so that the solvers, the searches and the
//! recoveries all produce them. Counting and the report's two formats read the enums. The words
//! that people read are made in one file, `outcome/words.rs`.

mod failure;
mod kind;
mod residual;
mod rows;
mod status;
mod words;

pub use failure::{Failure, LayerFailure};
pub use kind::{FailureKind, LayerFailureKind};
pub use residual::Residual;
pub use rows::{LayerRow, ObservationRow, SearchRow};
pub use status::Status;
