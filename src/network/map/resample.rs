//! Upsampling and average pooling: each output is a weighted mean of inputs of its channel.
//!
//! The weights are those of PyTorch. They factor into a part of the rows and a part of the columns,
//! so a resampling is given by one small sparse matrix per axis.

use nalgebra::DMatrix;

use super::ImageShape;

/// A sparse matrix along one axis: for each output place, the inputs and their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisWeights {
    inputs: usize,
    rows: Vec<Vec<(usize, f64)>>,
}

/// The settings of average pooling along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// Entries per mean.
    pub kernel: usize,
    /// The distance from one mean to the next.
    pub stride: usize,
    /// Zeros at both ends.
    pub padding: usize,
    /// PyTorch's `ceil_mode`: whether a last mean may reach beyond the padding.
    pub ceil_mode: bool,
    /// PyTorch's `count_include_pad`: whether the zeros count in a mean.
    pub counts_padding: bool,
}

impl AxisWeights {
    /// Number of input places.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// For each output place, the inputs and their weights.
    pub fn rows(&self) -> &[Vec<(usize, f64)>] {
        &self.rows
    }

    /// The matrix's own entries that are not 0.
    pub fn of(matrix: &DMatrix<f64>) -> Self {
        let row = |row: usize| matrix.row(row).iter().copied().enumerate().filter(|(_, w)| *w != 0.0).collect();
        AxisWeights { inputs: matrix.ncols(), rows: (0..matrix.nrows()).map(row).collect() }
    }

    /// The matrix, outputs × inputs.
    pub fn written_out(&self) -> DMatrix<f64> {
        let mut matrix = DMatrix::zeros(self.rows.len(), self.inputs);
        for (output, row) in self.rows.iter().enumerate() {
            row.iter().for_each(|(input, w)| matrix[(output, *input)] += w);
        }
        matrix
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> Self {
        let mut rows = vec![Vec::new(); self.inputs];
        for (output, row) in self.rows.iter().enumerate() {
            row.iter().for_each(|(input, w)| rows[*input].push((output, *w)));
        }
        AxisWeights { inputs: self.rows.len(), rows }
    }

    /// The nearest input, as PyTorch's `nearest` takes it: `floor(output / factor)`, with `factor`
    /// the scale factor that was given, or else `outputs / inputs`.
    pub fn nearest(inputs: usize, outputs: usize, factor: Option<f64>) -> Self {
        // PyTorch computes the ratio and the product in f32.
        let ratio = factor.map_or(inputs as f32 / outputs as f32, |factor| (1.0 / factor) as f32);
        let of_output = |output: usize| {
            let place = (output as f32 * ratio).floor() as usize;
            vec![(place.min(inputs - 1), 1.0)]
        };
        AxisWeights { inputs, rows: (0..outputs).map(of_output).collect() }
    }

    /// Linear interpolation, as PyTorch's `bilinear` does it along each axis.
    pub fn linear(inputs: usize, outputs: usize, factor: Option<f64>, align_corners: bool) -> Self {
        let ratio = match (align_corners, factor) {
            (true, _) if outputs > 1 => (inputs - 1) as f64 / (outputs - 1) as f64,
            (true, _) => 0.0,
            (false, Some(factor)) => 1.0 / factor,
            (false, None) => inputs as f64 / outputs as f64,
        };
        let of_output = |output: usize| {
            let place =
                if align_corners { output as f64 * ratio } else { ((output as f64 + 0.5) * ratio - 0.5).max(0.0) };
            let first = (place as usize).min(inputs - 1);
            let second = (first + 1).min(inputs - 1);
            let share = (place - first as f64).clamp(0.0, 1.0);
            match share {
                _ if first == second => vec![(first, 1.0)],
                0.0 => vec![(first, 1.0)],
                1.0 => vec![(second, 1.0)],
                _ => vec![(first, 1.0 - share), (second, share)],
            }
        };
        AxisWeights { inputs, rows: (0..outputs).map(of_output).collect() }
    }

    /// Means, as PyTorch's `avg_pool2d` takes them along each axis. `None` if there is no output.
    pub fn pooled(inputs: usize, pooling: Pooling) -> Option<Self> {
        Self::windows(inputs, pooling, |count| 1.0 / count as f64)
    }

    /// [`Self::pooled`] without the division.
    pub fn sums(inputs: usize, pooling: Pooling) -> Option<Self> {
        Self::windows(inputs, pooling, |_| 1.0)
    }

    /// `weight`: of an entry, from the number of entries that count.
    fn windows(inputs: usize, pooling: Pooling, weight: impl Fn(usize) -> f64) -> Option<Self> {
        let Pooling { kernel, stride, padding, ceil_mode, counts_padding } = pooling;
        if kernel == 0 || stride == 0 || padding > kernel / 2 {
            return None;
        }
        let padded = inputs.checked_add(2 * padding)?;
        let room = padded as i64 - kernel as i64 + if ceil_mode { stride as i64 - 1 } else { 0 };
        let mut outputs = usize::try_from(room.div_euclid(stride as i64) + 1).ok().filter(|outputs| *outputs > 0)?;
        // The last mean has to start inside the input or its left padding.
        if ceil_mode && (outputs - 1) * stride >= inputs + padding {
            outputs -= 1;
        }
        let of_output = |output: usize| {
            let (start, end) = (output * stride, (output * stride + kernel).min(padded));
            let inside = start.max(padding)..end.min(padding + inputs);
            let count = if counts_padding { end - start } else { inside.len() };
            inside.map(|place| (place - padding, weight(count))).collect()
        };
        Some(AxisWeights { inputs, rows: (0..outputs).map(of_output).collect() })
    }

    /// Means of about equal parts, as PyTorch's `adaptive_avg_pool2d` takes them.
    pub fn parts(inputs: usize, outputs: usize) -> Self {
        let of_output = |output: usize| {
            let part = output * inputs / outputs..((output + 1) * inputs).div_ceil(outputs);
            let weight = 1.0 / part.len() as f64;
            part.map(|place| (place, weight)).collect()
        };
        AxisWeights { inputs, rows: (0..outputs).map(of_output).collect() }
    }
}

/// Upsampling or pooling of every channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Resample {
    channels: usize,
    axes: [AxisWeights; 2],
}

impl Resample {
    /// `axes`: of the rows and of the columns. `None` if an image is empty.
    pub fn new(channels: usize, axes: [AxisWeights; 2]) -> Option<Self> {
        let is_usable = |axis: &AxisWeights| axis.inputs > 0 && !axis.rows.is_empty();
        (channels > 0 && axes.iter().all(is_usable)).then_some(Resample { channels, axes })
    }

    /// The shape of the input.
    pub fn input(&self) -> ImageShape {
        let [rows, columns] = &self.axes;
        ImageShape { channels: self.channels, rows: rows.inputs, columns: columns.inputs }
    }

    /// The shape of the output.
    pub fn output(&self) -> ImageShape {
        let [rows, columns] = &self.axes;
        ImageShape { channels: self.channels, rows: rows.rows.len(), columns: columns.rows.len() }
    }

    /// The matrices of the rows and of the columns.
    pub fn axes(&self) -> &[AxisWeights; 2] {
        &self.axes
    }

    /// The weights of both axes.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &f64> {
        self.axes.iter().flat_map(|axis| axis.rows.iter().flatten().map(|(_, w)| w))
    }

    /// The largest sums of the magnitudes in a row of the matrix, and in a column.
    pub(super) fn largest_sums(&self) -> (f64, f64) {
        let of_rows = |axis: &AxisWeights| {
            axis.rows.iter().map(|row| row.iter().map(|(_, w)| w.abs()).sum::<f64>()).fold(0.0, f64::max)
        };
        let [rows, columns] = &self.axes;
        (of_rows(rows) * of_rows(columns), of_rows(&rows.transposed()) * of_rows(&columns.transposed()))
    }

    pub(super) fn products(&self) -> usize {
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.rows.iter().map(Vec::len).sum::<usize>());
        self.channels * (rows * self.axes[1].inputs + columns * self.axes[0].rows.len())
    }

    pub(super) fn for_each_entry(&self, mut f: impl FnMut(usize, usize, f64)) {
        let (input, output) = (self.input(), self.output());
        let [rows, columns] = &self.axes;
        for channel in 0..self.channels {
            for (row, above) in rows.rows.iter().enumerate() {
                for (column, beside) in columns.rows.iter().enumerate() {
                    for (from_row, v) in above {
                        for (from_column, w) in beside {
                            let from = input.place(channel, *from_row, *from_column);
                            f(output.place(channel, row, column), from, v * w);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn divide_by(&mut self, divisor: f64) {
        self.axes[0].rows.iter_mut().flatten().for_each(|(_, w)| *w /= divisor);
    }

    pub(super) fn describe(&self) -> String {
        let [input, output] =
            [self.input(), self.output()].map(|shape| format!("{}×{}×{}", shape.channels, shape.rows, shape.columns));
        format!("resample {input} → {output}")
    }
}
