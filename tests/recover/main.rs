//! Projection and recovery from linear measurements: against matrices written out, steps made by
//! hand, and codes that are known.

#[cfg(feature = "gpu")]
mod device;
mod operators;
mod projector;
mod support;
mod ways;
