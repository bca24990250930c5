//! `unrelu bench`: measurements of this machine and of the methods; each table in one run.
//!
//! - [`lp`]: the linear programs of one layer, the engine against Clarabel.
//! - [`throughput`]: forward passes, classification, descent and whole inversions, the CPU against
//!   the GPU.
//! - [`accuracy`]: the error of each method against the best fit to the data.
//! - [`recovery`]: the same from linear measurements.
//!
//! All use the clocks of [`clock`].

pub mod accuracy;
pub mod clock;
pub mod lp;
pub mod processor;
pub mod recovery;
pub mod subject;
pub mod throughput;
