//! Refinement on the linear regions: against finite differences, normal equations and codes that are known.

mod jacobian;
mod refine;
mod support;
