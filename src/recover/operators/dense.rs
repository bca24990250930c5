//! A matrix: from a file, or random from a seed. Products go in blocks, and no column of one depends on those beside it.

use std::path::Path;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::Operator;
use crate::cpu::blocked::forward::forward;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::error::{Error, Result};
use crate::formats::extent::digest_of_file;
use crate::formats::npy::{ElementType, NpyReader};
use crate::network::{Activation, DenseLayer, Network};
use crate::random::{Domain, normal_vector};

/// `A`, `m` × `n`.
#[derive(Debug, Clone)]
pub struct Dense {
    matrix: DMatrix<f64>,
    /// `A` and `Aᵀ` as layers, as products read them.
    forward: Arc<PackedNetwork<f64>>,
    adjoint: Arc<PackedNetwork<f64>>,
    identity: (String, String),
}

impl Dense {
    /// A matrix of the caller's, `m` × `n`. `identity` is its kind, and what tells
    /// it from others of that kind.
    ///
    /// # Errors
    /// [`Error::Input`] for an entry that is not finite, no entry at all, or zeros only.
    pub fn new(matrix: DMatrix<f64>, source: &str, identity: (String, String)) -> Result<Self> {
        if !matrix.is_empty() && matrix.iter().all(|entry| *entry == 0.0) {
            return Err(Error::input(
                source,
                "a matrix of zeros",
                "an operator that measures something",
                "check how the file was written",
            ));
        }
        let packed = |weight: DMatrix<f64>| -> Result<Arc<PackedNetwork<f64>>> {
            let bias = DVector::zeros(weight.nrows());
            let layers = vec![DenseLayer { weight, bias, activation: Activation::Identity }];
            Ok(Arc::new(PackedNetwork::new(&Network::new(layers, source)?)))
        };
        Ok(Dense { forward: packed(matrix.clone())?, adjoint: packed(matrix.transpose())?, matrix, identity })
    }

    /// The matrix of a `.npy`, a row a measurement, for images of so many pixels.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is no such matrix.
    pub fn from_file(path: &Path, pixels: usize) -> Result<Self> {
        let mut reader = NpyReader::open(path)?;
        reader
            .check_width(pixels, "as the network has outputs: a row of the operator is one measurement of an image")?;
        let rows = reader.count();
        let mut columns = reader.read_batch(rows)?.unwrap_or_else(|| DMatrix::zeros(pixels, 0));
        if reader.element_type() == ElementType::U8 {
            // Bytes are read as pixels; here they are the numbers that they say.
            columns.apply(|entry| *entry = (*entry * 255.0).round());
        }
        let identity = ("operator".to_owned(), digest_of_file(path)?);
        Self::new(columns.transpose(), &path.display().to_string(), identity)
    }

    /// `measurements` × `pixels` independent entries N(0, 1/m), so that a column has unit norm on average; row `j` is the vector of
    /// index `j`.
    ///
    /// # Errors
    /// [`Error::BadOption`] for no measurements.
    pub fn gaussian(measurements: usize, pixels: usize, seed: u64) -> Result<Self> {
        if measurements == 0 {
            return Err(Error::option("measurements", "0", "at least one measurement"));
        }
        let scale = 1.0 / (measurements as f64).sqrt();
        let rows: Vec<f64> = (0..measurements)
            .into_par_iter()
            .flat_map_iter(|row| normal_vector(seed, Domain::Operator, row as u64, pixels))
            .map(|entry| scale * entry)
            .collect();
        let matrix = DMatrix::from_row_slice(measurements, pixels, &rows);
        Self::new(matrix, "the random operator", ("gaussian".to_owned(), format!("{measurements} with seed {seed}")))
    }
}

impl Operator for Dense {
    fn pixels(&self) -> usize {
        self.matrix.ncols()
    }

    fn measurements(&self) -> usize {
        self.matrix.nrows()
    }

    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(images.nrows(), self.pixels(), "pixels of an image");
        forward(&self.forward, 0..1, images)
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.measurements(), "measurements of an image");
        forward(&self.adjoint, 0..1, measurements)
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        Some(self.matrix.clone())
    }

    fn identity(&self) -> (String, String) {
        self.identity.clone()
    }
}
