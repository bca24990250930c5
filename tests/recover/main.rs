//! Projection and recovery from linear measurements: against explicit matrices, manual steps, and
//! known codes.

mod bases;
#[cfg(feature = "gpu")]
mod device;
mod operators;
mod products;
mod projector;
mod support;
mod ways;
