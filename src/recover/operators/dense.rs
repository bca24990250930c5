//! A dense matrix, from a file or random with a seed. Products are computed in blocks; no column of
//! the result depends on other columns.

use std::path::Path;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::Operator;
use crate::cpu::blocked::forward::forward;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::error::{Error, Result};
use crate::formats::npy::{NpyReader, PixelRange};
use crate::memory;
use crate::network::{Activation, DenseLayer, Network};
use crate::random::{Domain, normal_vector};

/// A dense matrix `A`, `m` × `n`.
#[derive(Debug, Clone)]
pub struct Dense {
    matrix: DMatrix<f64>,
    /// `A` and `Aᵀ` as layers, in the layout for products.
    forward: Arc<PackedNetwork<f64>>,
    adjoint: Arc<PackedNetwork<f64>>,
    identity: (String, String),
}

impl Dense {
    /// Makes an operator from a matrix, `m` × `n`.
    ///
    /// `source` names the matrix in messages. `identity` is its kind, and what distinguishes it
    /// from others of its kind.
    ///
    /// # Errors
    /// [`Error::Input`] for a matrix that is empty, has only zeros, or has an entry that is not
    /// finite.
    pub fn new(matrix: DMatrix<f64>, source: &str, identity: (String, String)) -> Result<Self> {
        if !matrix.is_empty() && matrix.iter().all(|entry| *entry == 0.0) {
            return Err(Error::input(
                source,
                "a matrix of zeros",
                "an operator that measures something",
                "check how the file was written",
            ));
        }
        if let Some(at) = matrix.iter().position(|entry| !entry.is_finite()) {
            let (row, column) = (at % matrix.nrows(), at / matrix.nrows());
            return Err(Error::input(
                source,
                format!("{} in the operator at [{row}, {column}]", matrix[(row, column)]),
                "finite numbers",
                "check how the operator was made",
            ));
        }
        let packed = |weight: DMatrix<f64>| -> Result<Arc<PackedNetwork<f64>>> {
            let bias = DVector::zeros(weight.nrows());
            let layers = vec![DenseLayer { weight, bias, activation: Activation::Identity }];
            Ok(Arc::new(PackedNetwork::new(&Network::new(layers, source)?)))
        };
        Ok(Dense { forward: packed(matrix.clone())?, adjoint: packed(matrix.transpose())?, matrix, identity })
    }

    /// Reads the matrix from a `.npy` or `.npz` file with one measurement per row, for images of
    /// `pixels` pixels. Integers are numbers. A row may also have the shape of an image.
    ///
    /// # Errors
    /// [`Error::Input`] for a file without such a matrix; [`Error::Io`].
    pub fn from_file(path: &Path, pixels: usize) -> Result<Self> {
        let mut reader = NpyReader::open_stream(path)?.into_memory()?;
        refuse_transposed(&reader, pixels)?;
        reader.fit(pixels, "one per output of the network: a row of the operator is one measurement of an image")?;
        reader.set_pixels(PixelRange::Unscaled);
        let rows = reader.count();
        let identity = ("operator".to_owned(), reader.pin(rows)?);
        let columns = reader.read_batch(rows)?.unwrap_or_else(|| DMatrix::zeros(pixels, 0));
        Self::new(columns.transpose(), &path.display().to_string(), identity)
    }

    /// Makes a random matrix of `measurements` × `pixels` independent entries N(0, 1/m).
    ///
    /// A column has unit norm on average. Row `j` is the random vector with index `j`, so a matrix
    /// with fewer rows is the beginning of a larger one, up to scale.
    ///
    /// # Errors
    /// [`Error::BadOption`] for 0 measurements.
    pub fn gaussian(measurements: usize, pixels: usize, seed: u64) -> Result<Self> {
        if measurements == 0 {
            return Err(Error::option("measurements", "0", "at least one measurement"));
        }
        // The numbers as they are drawn, the matrix, and its copies for products.
        let bytes = memory::of_matrix(measurements, pixels).and_then(|bytes| bytes.checked_mul(3));
        memory::check("measurements", || format!("{measurements} of {pixels} pixels"), bytes)?;
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

/// Refuses the matrix `Aᵀ`, of shape `(n, m)`.
fn refuse_transposed(reader: &NpyReader, pixels: usize) -> Result<()> {
    match reader.shape() {
        [rows, columns] if *rows == pixels && *columns != pixels && *columns > 1 => Err(Error::input(
            reader.path().display(),
            format!("an operator of shape ({rows}, {columns})"),
            format!("{pixels} entries per row, one per output of the network, as y = A x needs"),
            "its other dimension fits: save A.T",
        )),
        _ => Ok(()),
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
        assert_eq!(images.nrows(), self.pixels(), "pixels per image");
        forward(&self.forward, 0..1, images)
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.measurements(), "measurements per image");
        forward(&self.adjoint, 0..1, measurements)
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        Some(self.matrix.clone())
    }

    fn identity(&self) -> (String, String) {
        self.identity.clone()
    }
}
