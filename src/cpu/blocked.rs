//! The kernels at the CPU's speed: a third thing beside the shaders and their naive twins, and held
//! against the twins.
//!
//! Many observations go through a layer as one blocked product, and each core has a block of its
//! own, so that nothing is shared but the weights. No answer depends on the block around it, bit by
//! bit: an entry of a product is a sum over the inner dimension alone, in an order that only the
//! inner dimension decides ([`product`]), and everything else is done observation by observation.

pub mod descend;
pub mod forward;
pub mod packed;
pub mod panels;
pub mod product;
pub mod residual;
pub(crate) mod vector;
