//! A network as a file describes it: with the shapes of its codes and outputs, which its layers do
//! not have.

use crate::network::Network;

/// A network, and the shapes of a code and of an output as its list of operations has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The network.
    pub network: Network,
    /// The shape of a code, without the batch.
    pub code_shape: Vec<usize>,
    /// The shape of an output: that behind the last operation.
    pub image_shape: Vec<usize>,
}
