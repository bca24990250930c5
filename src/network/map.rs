//! The linear maps of a network's layers, by their definition: which number connects which input
//! with which output. Fast products are in `cpu/blocked/map`.

pub mod convolution;
pub mod resample;

use nalgebra::DMatrix;

pub use convolution::Convolution;
pub use resample::Resample;

/// The shape of an image: channels, rows, columns. Its entries are in C order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Number of channels.
    pub channels: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl ImageShape {
    /// Number of entries.
    pub fn length(self) -> usize {
        self.channels * self.rows * self.columns
    }

    /// The place of an entry.
    pub fn place(self, channel: usize, row: usize, column: usize) -> usize {
        (channel * self.rows + row) * self.columns + column
    }
}

/// A linear map `W`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Map {
    /// A matrix, outputs × inputs.
    Dense(DMatrix<f64>),
    /// A convolution in two dimensions, or its transpose.
    Convolution(Convolution),
    /// Upsampling, or average pooling.
    Resample(Resample),
    /// A factor for each entry.
    Diagonal(Vec<f64>),
}

impl Map {
    /// Number of columns of `W`.
    pub fn inputs(&self) -> usize {
        match self {
            Map::Dense(matrix) => matrix.ncols(),
            Map::Convolution(convolution) => convolution.input().length(),
            Map::Resample(resample) => resample.input().length(),
            Map::Diagonal(factors) => factors.len(),
        }
    }

    /// Number of rows of `W`.
    pub fn outputs(&self) -> usize {
        match self {
            Map::Dense(matrix) => matrix.nrows(),
            Map::Convolution(convolution) => convolution.output().length(),
            Map::Resample(resample) => resample.output().length(),
            Map::Diagonal(factors) => factors.len(),
        }
    }

    /// The shapes of its input and output, if these are images.
    pub fn images(&self) -> Option<(ImageShape, ImageShape)> {
        match self {
            Map::Convolution(convolution) => Some((convolution.input(), convolution.output())),
            Map::Resample(resample) => Some((resample.input(), resample.output())),
            Map::Dense(_) | Map::Diagonal(_) => None,
        }
    }

    /// Whether it is a matrix.
    pub fn is_dense(&self) -> bool {
        matches!(self, Map::Dense(_))
    }

    /// Calls `f(output, input, number)` for each entry of `W` that is not known to be 0. Entries of
    /// the same place add up.
    pub fn for_each_entry(&self, mut f: impl FnMut(usize, usize, f64)) {
        match self {
            Map::Dense(matrix) => {
                for (input, column) in matrix.column_iter().enumerate() {
                    column.iter().enumerate().for_each(|(output, w)| f(output, input, *w));
                }
            }
            Map::Convolution(convolution) => convolution.for_each_entry(f),
            Map::Resample(resample) => resample.for_each_entry(f),
            Map::Diagonal(factors) => factors.iter().enumerate().for_each(|(place, factor)| f(place, place, *factor)),
        }
    }

    /// `W`, outputs × inputs.
    pub fn written_out(&self) -> DMatrix<f64> {
        let mut matrix = DMatrix::zeros(self.outputs(), self.inputs());
        self.for_each_entry(|output, input, w| matrix[(output, input)] += w);
        matrix
    }

    /// Whether its matrix has hardly more numbers than its kernel, and a product with the matrix no
    /// more terms: so it is where every input meets every output, as on an image of one pixel.
    pub fn is_best_written_out(&self) -> bool {
        let Map::Convolution(convolution) = self else { return false };
        let entries = self.inputs().checked_mul(self.outputs());
        entries.is_some_and(|entries| entries <= self.products().min(2 * convolution.kernel().len()))
    }

    /// The numbers that define it: the matrix, the kernel, the factors.
    pub fn numbers(&self) -> Box<dyn Iterator<Item = &f64> + '_> {
        match self {
            Map::Dense(matrix) => Box::new(matrix.iter()),
            Map::Convolution(convolution) => Box::new(convolution.kernel().iter()),
            Map::Resample(resample) => Box::new(resample.numbers()),
            Map::Diagonal(factors) => Box::new(factors.iter()),
        }
    }

    /// Where these numbers stand, as far as the sizes do not say it: for each row of a resampling,
    /// its length and its inputs.
    pub fn places(&self) -> impl Iterator<Item = u64> + '_ {
        let axes = match self {
            Map::Resample(resample) => &resample.axes()[..],
            _ => &[],
        };
        let row = |row: &'_ Vec<(usize, f64)>| {
            std::iter::once(row.len() as u64).chain(row.iter().map(|(input, _)| *input as u64)).collect::<Vec<_>>()
        };
        axes.iter().flat_map(move |axis| axis.rows().iter().flat_map(row))
    }

    /// The largest absolute one of these numbers.
    pub fn largest(&self) -> f64 {
        self.numbers().fold(0.0, |most: f64, w| most.max(w.abs()))
    }

    /// Bounds of the sums of the magnitudes in a row of `W`, and in a column: exact for a matrix,
    /// and for others hardly larger than the largest sums.
    pub(crate) fn largest_sums(&self) -> (f64, f64) {
        match self {
            Map::Dense(matrix) => {
                let magnitudes = matrix.abs();
                (magnitudes.column_sum().max(), magnitudes.row_sum().max())
            }
            Map::Convolution(convolution) => convolution.largest_sums(),
            Map::Resample(resample) => resample.largest_sums(),
            Map::Diagonal(_) => (self.largest(), self.largest()),
        }
    }

    /// Number of entries of a bias as PyTorch has it: one per channel of a convolution.
    pub fn biases(&self) -> usize {
        match self {
            Map::Convolution(convolution) => convolution.output().channels,
            Map::Resample(_) => 0,
            map => map.outputs(),
        }
    }

    /// Multiplications of a product with one vector.
    pub fn products(&self) -> usize {
        match self {
            Map::Dense(matrix) => matrix.len(),
            Map::Convolution(convolution) => convolution.products(),
            Map::Resample(resample) => resample.products(),
            Map::Diagonal(factors) => factors.len(),
        }
    }

    /// The kind, sizes and settings in words, such as `conv2d 3×8×8 → 16×4×4, kernel 3×3, stride
    /// 2`.
    pub fn describe(&self) -> String {
        match self {
            Map::Dense(matrix) => format!("linear {} → {}", matrix.ncols(), matrix.nrows()),
            Map::Convolution(convolution) => convolution.describe(),
            Map::Resample(resample) => resample.describe(),
            Map::Diagonal(factors) => format!("scale of {} entries", factors.len()),
        }
    }

    /// Divides `W` by a number.
    pub(super) fn divide_by(&mut self, divisor: f64) {
        match self {
            Map::Dense(matrix) => *matrix /= divisor,
            Map::Convolution(convolution) => convolution.divide_by(divisor),
            Map::Resample(resample) => resample.divide_by(divisor),
            Map::Diagonal(factors) => factors.iter_mut().for_each(|factor| *factor /= divisor),
        }
    }
}
