//! `unrelu bench`: this machine measured, each table in one run.
//!
//! [`lp`]: the linear programs of one layer, the engine against Clarabel; its times are [`clock`]'s.

pub mod clock;
pub mod lp;
