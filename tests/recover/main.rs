//! Projection and recovery from linear measurements: against matrices written out, steps made by hand, and codes that are known.

mod operators;
mod projector;
mod support;
mod ways;
