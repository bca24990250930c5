//! `unrelu bench`: this machine, and what it finds, measured; each table in one run.
//!
//! [`lp`]: the linear programs of one layer, the engine against Clarabel. [`throughput`]: forward
//! passes, classification, descent and whole inversions, the CPU against the GPU. [`accuracy`]: how
//! near each method comes to what the data tell. [`recovery`]: the same from linear measurements.
//! All take their times from [`clock`].

pub mod accuracy;
pub mod clock;
pub mod lp;
pub mod processor;
pub mod recovery;
pub mod subject;
pub mod throughput;
