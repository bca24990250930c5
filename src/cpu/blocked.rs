//! Fast CPU kernels, in addition to the shaders and their naive twins, and tested against the
//! twins.
//!
//! Many observations pass through a layer as one blocked product. Each core has its own block, so
//! that only the weights are shared. No answer depends on the block around it, bit for bit: an
//! entry of a product is a sum over the inner dimension, in an order that only the inner dimension
//! decides ([`product`]). Everything else is done per observation.

pub mod descend;
pub mod forward;
pub mod map;
pub mod packed;
pub mod panels;
pub mod product;
pub mod residual;
pub(crate) mod vector;
