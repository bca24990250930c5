//! What a user calls on a [`Network`], made of the rooms above it.

use std::path::Path;

use nalgebra::DMatrix;

use crate::cpu::blocked::packed::PackedNetwork;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::formats::safetensors::write_network;
use crate::network::{Activation, DenseLayer, Network};
use crate::random::{Domain, normal_vector, random_network};
use crate::{cpu, formats};

impl Network {
    /// Reads a network from a `.safetensors` file that names its activations, or a `.pth` file; see
    /// [`load_network`](crate::load_network) for files that leave something open.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Io`], with the file and what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        load_network(path.as_ref(), &NetworkOptions::default())
    }

    /// A network of dense layers, from the code outwards.
    ///
    /// # Errors
    /// [`Error::Input`] for layers that do not chain, numbers that are not finite, or an activation
    /// other than ReLU and LeakyReLU in a hidden layer.
    pub fn dense(layers: Vec<DenseLayer>) -> Result<Self> {
        Network::new(layers, "the network given")
    }

    /// Writes the network as `.safetensors`, which [`Self::load`] reads back. An existing file is
    /// replaced only with `force`.
    ///
    /// # Errors
    /// [`Error::Output`] for a file that exists, and [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        write_network(path.as_ref(), self, force)
    }

    /// A network with random weights, as in the paper's experiments: `sizes` from the code's length
    /// to the output's, each weight of a layer drawn from `N(0, 1/units)`, no biases, `activation`
    /// in every layer. The same seed gives the same network on every machine.
    ///
    /// # Errors
    /// [`Error::BadOption`] for fewer than two sizes, or a size of 0; [`Error::Input`] for an
    /// activation that hidden layers cannot have.
    pub fn random(sizes: &[usize], activation: Activation, seed: u64) -> Result<Self> {
        random_network(sizes, activation, seed)
    }

    /// `count` codes with entries from `N(0, 1)`, `k` × `count`. The same seed gives the same codes
    /// on every machine.
    pub fn random_codes(&self, count: usize, seed: u64) -> DMatrix<f64> {
        let k = self.code_length();
        let entries = (0..count as u64).flat_map(|index| normal_vector(seed, Domain::Code, index, k));
        DMatrix::from_iterator(k, count, entries)
    }

    /// `G(Z)` in f64. `codes`: `k` × count; returns `n` × count.
    ///
    /// ```
    /// # fn main() -> unrelu::Result<()> {
    /// let network = unrelu::Network::random(&[5, 20, 60], unrelu::Activation::Relu, 1)?;
    /// let outputs = network.forward(&network.random_codes(8, 1))?;
    /// assert_eq!(outputs.shape(), (60, 8));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] for codes of another length.
    pub fn forward(&self, codes: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.check_codes(codes)?;
        Ok(cpu::blocked::forward::forward(&PackedNetwork::new(self), 0..self.depth(), codes))
    }
}

/// Reads a two-dimensional `.npy` file: an array of shape `(count, n)` becomes a matrix of `n` ×
/// count, one observation or code per column.
///
/// # Errors
/// [`Error::Input`] and [`Error::Io`], with the file, what was found and what to do.
pub fn read_npy(path: impl AsRef<Path>) -> Result<DMatrix<f64>> {
    formats::npy::read_all(path.as_ref())
}

/// Writes the columns of a matrix as the rows of a `.npy` file of `element_type`. An existing file
/// is replaced only with `force`.
///
/// # Errors
/// [`Error::Output`] for a file that exists, and [`Error::Io`].
pub fn write_npy(
    path: impl AsRef<Path>,
    columns: &DMatrix<f64>,
    element_type: formats::npy::ElementType,
    force: bool,
) -> Result<()> {
    formats::npy::write_all(path.as_ref(), columns, element_type, force)
}
