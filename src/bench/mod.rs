//! `unrelu bench`: this machine measured, each table in one run.
//!
//! [`lp`]: the linear programs of one layer, the engine against Clarabel. [`throughput`]: forward passes, classification, descent
//! and whole inversions, the CPU against the GPU. Both take their times from [`clock`].

pub mod clock;
pub mod lp;
pub mod processor;
pub mod throughput;
