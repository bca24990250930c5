//! The public methods of [`Network`] that rely on other modules, and the `.npy` functions.

use std::path::Path;
use std::sync::Arc;

use nalgebra::DMatrix;

use crate::cpu::blocked::packed::PackedNetwork;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::formats::npy::{NpyReader, PixelRange};
use crate::formats::safetensors::write_network;
use crate::network::{Activation, DenseLayer, Network};
use crate::random::{Domain, normal_vector, random_network};
use crate::{cpu, formats};

impl Network {
    /// Reads a network from a `.safetensors` file with activations, or from a `.pth` or `.onnx`
    /// file.
    ///
    /// [`load_network`](crate::load_network) also takes options, for files that do not state the
    /// layers or the activation.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Io`]; the message names the file and the fix.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        load_network(path.as_ref(), &NetworkOptions::default())
    }

    /// Makes a network from dense layers, from the code to the output.
    ///
    /// # Errors
    /// [`Error::Input`] if neighbouring layers do not fit, if a number is not finite, or if
    /// the parameter of an activation is out of range.
    pub fn dense(layers: Vec<DenseLayer>) -> Result<Self> {
        Network::new(layers, "the network given")
    }

    /// Writes the network as `.safetensors`, which [`Self::load`] reads.
    ///
    /// An existing file is replaced only if `force` is set.
    ///
    /// # Errors
    /// [`Error::Output`] if the file exists and `force` is not set; [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        write_network(path.as_ref(), self, force)
    }

    /// Makes a network with random weights and no biases, as in the paper's experiments.
    ///
    /// `sizes` lists the lengths of the layers, from the code to the output. The weights of a layer
    /// are drawn from `N(0, 1/units)`. Every layer has the same `activation`. The same seed gives
    /// the same network on every machine.
    ///
    /// # Errors
    /// [`Error::BadOption`] for fewer than two sizes, or a size of 0. [`Error::Input`] for an
    /// activation whose parameter is out of range.
    pub fn random(sizes: &[usize], activation: Activation, seed: u64) -> Result<Self> {
        random_network(sizes, activation, seed)
    }

    /// Draws `count` codes with entries from `N(0, 1)`: a matrix of `k` × `count`.
    ///
    /// The same seed gives the same codes on every machine.
    pub fn random_codes(&self, count: usize, seed: u64) -> DMatrix<f64> {
        let k = self.code_length();
        let entries = (0..count as u64).flat_map(|index| normal_vector(seed, Domain::Code, index, k));
        DMatrix::from_iterator(k, count, entries)
    }

    /// Computes `G(Z)` in f64. `codes`: `k` × count; returns `n` × count.
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
    /// [`Error::Input`] if the codes do not have `k` rows.
    pub fn forward(&self, codes: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.check_codes(codes)?;
        Ok(cpu::blocked::forward::forward(&PackedNetwork::new(self), 0..self.depth(), codes))
    }

    /// Computes `G(Z)` with products in f32, in about half the time of [`Self::forward`]. `codes`:
    /// `k` × count; returns `n` × count. Entries have about six digits.
    ///
    /// # Errors
    /// [`Error::Input`] if the codes do not have `k` rows.
    pub fn forward_f32(&self, codes: &DMatrix<f32>) -> Result<DMatrix<f32>> {
        cpu::CpuDevice::new(Arc::new(self.clone())).forward_f32(codes)
    }
}

/// Reads an array from a `.npy` file, or from an `.npz` with one array: one observation or code per
/// column of the result.
///
/// An array of shape `(count, n)` becomes a matrix of `n` × count. `(count, h, w)` is flattened,
/// and `(n,)` is one row. Bytes are divided by 255; use [`read_observations`] for pixels of a
/// network that ends in tanh.
///
/// # Errors
/// [`Error::Input`] and [`Error::Io`]; the message names the file, what was found and the fix.
pub fn read_npy(path: impl AsRef<Path>) -> Result<DMatrix<f64>> {
    formats::npy::read_all(path.as_ref())
}

/// Reads observations of `network`, `n` × count, as the command line does.
///
/// An array of shape `(count, n)` or `(count, h, w)` has one observation per row; one of shape
/// `(n,)` or `(h, w)` is one observation. Bytes are pixels: for a network that ends in tanh they
/// are read as `byte / 127.5 − 1`, for others as `byte / 255`. `pixels` states another range.
///
/// # Errors
/// [`Error::Input`] for another shape, and for integers other than bytes as outputs of sigmoid or
/// tanh if no range is given; [`Error::Io`].
pub fn read_observations(
    path: impl AsRef<Path>,
    network: &Network,
    pixels: Option<PixelRange>,
) -> Result<DMatrix<f64>> {
    let mut reader = NpyReader::open(path.as_ref())?;
    reader.fit(network.observation_length(), "one per output of the network")?;
    reader.choose_pixels(network.layers()[network.depth() - 1].activation, pixels)?;
    formats::npy::read_rest(reader)
}

/// Writes the columns of a matrix as the rows of a `.npy` file of `element_type`.
///
/// An existing file is replaced only if `force` is set.
///
/// # Errors
/// [`Error::Output`] if the file exists and `force` is not set; [`Error::Io`].
pub fn write_npy(
    path: impl AsRef<Path>,
    columns: &DMatrix<f64>,
    element_type: formats::npy::ElementType,
    force: bool,
) -> Result<()> {
    formats::npy::write_all(path.as_ref(), columns, element_type, force)
}
