//! Codes of lowest squared error, by working on the linear regions of the generator.
//!
//! While no unit switches on or off, `G` is an affine map, and the best code of that region is a least-squares
//! solution. [`linear_region`] runs a code forward and forms that map, [`least_squares`] solves for a step, and
//! [`refine`] repeats both from a code that another method found.

pub mod least_squares;
pub mod linear_region;
pub mod refine;

pub use refine::{RefineOptions, Refinement, refine_batch, refine_one};
