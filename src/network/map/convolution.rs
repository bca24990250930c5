//! Convolutions in two dimensions, as PyTorch defines `conv2d` and `conv_transpose2d`.
//!
//! Both connect a wide image with a narrow one. Entry `(y, x)` of the narrow image meets entry
//! `(y·s − p + i·d, x·s − p + j·d)` of the wide one with the number `(i, j)` of the kernel, where
//! `s`, `p`, `d` are stride, padding and dilation. A convolution maps wide to narrow, a transposed
//! one narrow to wide. In both layouts of PyTorch the kernel's first axis is the narrow channel.

use super::ImageShape;

/// Stride, padding and dilation along one axis, and the size of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Entries of the kernel.
    pub kernel: usize,
    /// `s`.
    pub stride: usize,
    /// `p`, at both ends.
    pub padding: usize,
    /// `d`.
    pub dilation: usize,
}

impl Axis {
    /// The place in the wide image that meets `narrow` through entry `tap` of the kernel; `None`
    /// if it lies outside.
    pub fn wide(&self, narrow: usize, tap: usize, wide_length: usize) -> Option<usize> {
        let place = (narrow * self.stride + tap * self.dilation).checked_sub(self.padding)?;
        (place < wide_length).then_some(place)
    }

    /// The length of the kernel with its gaps.
    fn span(&self) -> Option<usize> {
        self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// The length of a convolution's output; `None` if there is none.
    fn narrow_length(&self, wide: usize) -> Option<usize> {
        let room = self.padding.checked_mul(2)?.checked_add(wide)?.checked_sub(self.span()?)?;
        room.checked_div(self.stride)?.checked_add(1)
    }

    /// The length of a transposed convolution's output; `None` if there is none.
    fn wide_length(&self, narrow: usize, output_padding: usize) -> Option<usize> {
        let whole = narrow.checked_sub(1)?.checked_mul(self.stride)?.checked_add(self.span()?)?;
        let length = whole.checked_add(output_padding)?.checked_sub(self.padding.checked_mul(2)?)?;
        (length > 0).then_some(length)
    }
}

/// A convolution, or a transposed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// `[narrow channels][wide channels / groups][rows][columns]`.
    kernel: Vec<f64>,
    wide: ImageShape,
    narrow: ImageShape,
    axes: [Axis; 2],
    groups: usize,
    is_transposed: bool,
}

impl Convolution {
    /// `conv2d`. `kernel`: `[out][in / groups][rows][columns]`; `axes`: of the rows and of the
    /// columns. `None` if the numbers do not fit each other, or the output is empty.
    pub fn new(kernel: Vec<f64>, input: ImageShape, outputs: usize, axes: [Axis; 2], groups: usize) -> Option<Self> {
        let narrow = ImageShape {
            channels: outputs,
            rows: axes[0].narrow_length(input.rows)?,
            columns: axes[1].narrow_length(input.columns)?,
        };
        Self::checked(Convolution { kernel, wide: input, narrow, axes, groups, is_transposed: false })
    }

    /// `conv_transpose2d`. `kernel`: `[in][out / groups][rows][columns]`; `axes` and
    /// `output_padding`: of the rows and of the columns. `None` as for [`Self::new`].
    pub fn transposed(
        kernel: Vec<f64>,
        input: ImageShape,
        outputs: usize,
        axes: [Axis; 2],
        output_padding: [usize; 2],
        groups: usize,
    ) -> Option<Self> {
        let wide = ImageShape {
            channels: outputs,
            rows: axes[0].wide_length(input.rows, output_padding[0])?,
            columns: axes[1].wide_length(input.columns, output_padding[1])?,
        };
        Self::checked(Convolution { kernel, wide, narrow: input, axes, groups, is_transposed: true })
    }

    fn checked(self) -> Option<Self> {
        let [rows, columns] = self.axes;
        let is_positive = |axis: &Axis| axis.stride > 0 && axis.dilation > 0 && axis.kernel > 0;
        let divides = |channels: usize| channels > 0 && self.groups > 0 && channels.is_multiple_of(self.groups);
        let fits = self.axes.iter().all(is_positive) && divides(self.wide.channels) && divides(self.narrow.channels);
        let length = fits.then(|| {
            let of_group = (self.wide.channels / self.groups).checked_mul(self.narrow.channels)?;
            of_group.checked_mul(rows.kernel)?.checked_mul(columns.kernel)
        });
        (length.flatten() == Some(self.kernel.len())).then_some(self)
    }

    /// The shape of the input.
    pub fn input(&self) -> ImageShape {
        if self.is_transposed { self.narrow } else { self.wide }
    }

    /// The shape of the output.
    pub fn output(&self) -> ImageShape {
        if self.is_transposed { self.wide } else { self.narrow }
    }

    /// The larger image: the input of a convolution, the output of a transposed one.
    pub fn wide(&self) -> ImageShape {
        self.wide
    }

    /// The other image.
    pub fn narrow(&self) -> ImageShape {
        self.narrow
    }

    /// The kernel, `[narrow channels][wide channels / groups][rows][columns]`.
    pub fn kernel(&self) -> &[f64] {
        &self.kernel
    }

    /// The settings of the rows and of the columns.
    pub fn axes(&self) -> [Axis; 2] {
        self.axes
    }

    /// What PyTorch's `output_padding` says of a transposed convolution: the rows and columns
    /// beyond the shortest output.
    pub fn output_padding(&self) -> [usize; 2] {
        let [rows, columns] = self.axes;
        let shortest = |axis: Axis, narrow: usize| axis.wide_length(narrow, 0).unwrap_or(0);
        [
            self.wide.rows.saturating_sub(shortest(rows, self.narrow.rows)),
            self.wide.columns.saturating_sub(shortest(columns, self.narrow.columns)),
        ]
    }

    /// Number of groups of channels.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Whether it maps narrow to wide.
    pub fn is_transposed(&self) -> bool {
        self.is_transposed
    }

    /// Number `(i, j)` of the kernel between a narrow channel and a wide one of the same group,
    /// counted within the group.
    pub fn weight(&self, narrow: usize, wide_in_group: usize, i: usize, j: usize) -> f64 {
        let [rows, columns] = self.axes;
        let wide = self.wide.channels / self.groups;
        self.kernel[((narrow * wide + wide_in_group) * rows.kernel + i) * columns.kernel + j]
    }

    /// Bounds of the sums of the magnitudes that meet in one output, and that leave one input: the
    /// whole kernel of a channel.
    pub(super) fn largest_sums(&self) -> (f64, f64) {
        let taps = self.axes[0].kernel * self.axes[1].kernel;
        let in_group = self.wide.channels / self.groups;
        let narrow_in_group = self.narrow.channels / self.groups;
        let (mut narrow, mut wide) = (vec![0.0; self.narrow.channels], vec![0.0; self.wide.channels]);
        for (place, w) in self.kernel.iter().enumerate() {
            let (channel, other) = (place / (in_group * taps), place / taps % in_group);
            narrow[channel] += w.abs();
            wide[channel / narrow_in_group * in_group + other] += w.abs();
        }
        let [narrow, wide] = [narrow, wide].map(|sums| sums.into_iter().fold(0.0, f64::max));
        if self.is_transposed { (wide, narrow) } else { (narrow, wide) }
    }

    pub(super) fn products(&self) -> usize {
        let [rows, columns] = self.axes;
        let wide = self.wide.channels / self.groups;
        self.narrow.length() * wide * rows.kernel * columns.kernel
    }

    pub(super) fn for_each_entry(&self, mut f: impl FnMut(usize, usize, f64)) {
        let (narrow, wide) = (self.narrow, self.wide);
        let [rows, columns] = self.axes;
        let [narrow_in_group, wide_in_group] = [narrow, wide].map(|shape| shape.channels / self.groups);
        for channel in 0..narrow.channels {
            let first = channel / narrow_in_group * wide_in_group;
            for other in 0..wide_in_group {
                for (i, j) in (0..rows.kernel).flat_map(|i| (0..columns.kernel).map(move |j| (i, j))) {
                    let w = self.weight(channel, other, i, j);
                    for row in 0..narrow.rows {
                        let Some(wide_row) = rows.wide(row, i, wide.rows) else { continue };
                        for column in 0..narrow.columns {
                            let Some(wide_column) = columns.wide(column, j, wide.columns) else { continue };
                            let place = narrow.place(channel, row, column);
                            let wide_place = wide.place(first + other, wide_row, wide_column);
                            if self.is_transposed { f(wide_place, place, w) } else { f(place, wide_place, w) }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn divide_by(&mut self, divisor: f64) {
        self.kernel.iter_mut().for_each(|w| *w /= divisor);
    }

    /// Multiplies each output channel by its factor.
    pub fn scale_outputs(&mut self, factors: &[f64]) {
        let (per_narrow, taps) = (self.kernel.len() / self.narrow.channels, self.axes[0].kernel * self.axes[1].kernel);
        let (narrow, wide) = (self.narrow.channels / self.groups, self.wide.channels / self.groups);
        for (place, w) in self.kernel.iter_mut().enumerate() {
            let channel = place / per_narrow;
            let output = if self.is_transposed { channel / narrow * wide + place % per_narrow / taps } else { channel };
            *w *= factors[output];
        }
    }

    pub(super) fn describe(&self) -> String {
        let name = if self.is_transposed { "conv_transpose2d" } else { "conv2d" };
        let shape = |shape: ImageShape| format!("{}×{}×{}", shape.channels, shape.rows, shape.columns);
        let [rows, columns] = self.axes;
        let pair = |[a, b]: [usize; 2]| if a == b { a.to_string() } else { format!("{a}×{b}") };
        let mut text = format!("{name} {} → {}", shape(self.input()), shape(self.output()));
        text += &format!(", kernel {}×{}", rows.kernel, columns.kernel);
        let settings = [
            ("stride", [rows.stride, columns.stride], 1),
            ("padding", [rows.padding, columns.padding], 0),
            ("dilation", [rows.dilation, columns.dilation], 1),
            ("groups", [self.groups; 2], 1),
        ];
        for (name, values, usual) in settings {
            if values != [usual; 2] {
                text += &format!(", {name} {}", pair(values));
            }
        }
        text
    }
}
