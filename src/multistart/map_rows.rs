//! Selected rows of `W X` for a map `W` without a matrix, where `X` is given by its nonzero rows:
//! the step of the chain that forms the Jacobian.
//!
//! All tangents of one code share its mask. So a product of whole images would compute many rows
//! that are not needed, from many that are 0. Here every place of the output sums only over the
//! inputs that are on, for the channels that are on.

use crate::linalg::lanes::{Lane, vectorised};
use crate::network::Map;
use crate::network::map::convolution::Axis;
use crate::network::map::{Convolution, ImageShape, Resample};

/// A unit without a row.
const NONE: u32 = u32::MAX;

/// The entries of a map, by places of the output.
#[derive(Debug)]
pub(super) struct MapRows {
    inputs: usize,
    outputs: usize,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    Convolution(Sites),
    Resample(Resample),
    Diagonal(Vec<f64>),
}

/// A convolution, or a transposed one, by places of the output.
#[derive(Debug)]
struct Sites {
    input: ImageShape,
    output: ImageShape,
    groups: usize,
    /// For each row of the output: the rows of the kernel that reach it, each with the row of the
    /// input from which it does.
    rows: Vec<Vec<(usize, usize)>>,
    /// The same for the columns.
    columns: Vec<Vec<(usize, usize)>>,
    /// Rows and columns of the kernel.
    kernel: [usize; 2],
    /// `[group][row of the kernel][column][input channel][output channel]`.
    weights: Vec<f64>,
}

/// `count` units, from `first` on, `step` apart.
#[derive(Debug, Clone, Copy)]
struct Units {
    first: usize,
    step: usize,
    count: usize,
}

/// Inputs of a site. The weights of input `i` begin at `weights + i·(outputs of the site)`, one for
/// each output.
#[derive(Debug, Clone, Copy)]
struct Tap {
    inputs: Units,
    weights: usize,
}

/// One input that is on: where its weights begin, and its row of `X`.
#[derive(Debug, Clone, Copy)]
struct Term {
    weights: usize,
    row: usize,
}

/// One output that is wanted: its place among the outputs of the site, and its row of the result.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    place: usize,
    row: usize,
}

impl MapRows {
    /// Of a map; `None` of a matrix.
    pub fn of(map: &Map) -> Option<Self> {
        let entries = match map {
            Map::Dense(_) => return None,
            Map::Convolution(convolution) => Entries::Convolution(Sites::of(convolution)),
            Map::Resample(resample) => Entries::Resample(resample.clone()),
            Map::Diagonal(factors) => Entries::Diagonal(factors.clone()),
        };
        Some(MapRows { inputs: map.inputs(), outputs: map.outputs(), entries })
    }

    /// Row `r` of `out` becomes `factors[r]` times row `wanted[r]` of `W X`. The nonzero rows of
    /// `X` are `inner`, at the places `active`, each of `lanes` lanes; those of `out` have
    /// `stride` lanes, of which the first `lanes` are written.
    #[allow(clippy::too_many_arguments, reason = "the shape of a product of selected rows")]
    pub fn chain(
        &self,
        wanted: &[u32],
        factors: &[f64],
        active: &[u32],
        inner: &[Lane],
        lanes: usize,
        out: &mut [Lane],
        stride: usize,
    ) {
        let rows_of = |length: usize, units: &[u32]| {
            let mut rows = vec![NONE; length];
            units.iter().zip(0..).for_each(|(unit, row)| rows[*unit as usize] = row);
            rows
        };
        let (given, asked) = (rows_of(self.inputs, active), rows_of(self.outputs, wanted));
        let (mut terms, mut of_site): (Vec<Term>, Vec<Wanted>) = (Vec::new(), Vec::new());
        let mut panels = Panels::default();
        self.for_each_site(|outputs, taps, weights| {
            of_site.clear();
            of_site.extend(outputs.rows(&asked).map(|(place, row)| Wanted { place, row }));
            if of_site.is_empty() {
                return;
            }
            terms.clear();
            for tap in taps {
                let term = |(place, row)| Term { weights: tap.weights + place * outputs.count, row };
                terms.extend(tap.inputs.rows(&given).map(term));
            }
            site_rows(weights, &terms, &of_site, factors, inner, lanes, out, stride, &mut panels);
        });
    }

    /// Calls `f` with the outputs of each site, the inputs they all depend on, and the weights.
    fn for_each_site(&self, mut f: impl FnMut(Units, &[Tap], &[f64])) {
        let one = |first: usize| Units { first, step: 1, count: 1 };
        match &self.entries {
            Entries::Convolution(sites) => sites.for_each(|outputs, taps| f(outputs, taps, &sites.weights)),
            Entries::Resample(resample) => {
                let (input, output, axes) = (resample.input(), resample.output(), resample.axes());
                let (mut taps, mut weights) = (Vec::new(), Vec::new());
                for channel in 0..output.channels {
                    for (row, of_row) in axes[0].rows().iter().enumerate() {
                        for (column, of_column) in axes[1].rows().iter().enumerate() {
                            taps.clear();
                            weights.clear();
                            for (y, in_rows) in of_row {
                                for (x, in_columns) in of_column {
                                    let inputs = one(input.place(channel, *y, *x));
                                    taps.push(Tap { inputs, weights: weights.len() });
                                    weights.push(in_rows * in_columns);
                                }
                            }
                            f(one(output.place(channel, row, column)), &taps, &weights);
                        }
                    }
                }
            }
            Entries::Diagonal(factors) => {
                for place in 0..factors.len() {
                    f(one(place), &[Tap { inputs: one(place), weights: place }], factors);
                }
            }
        }
    }
}

impl Units {
    /// Those of these units that have a row: their places among the units, and the rows.
    fn rows(self, rows: &[u32]) -> impl Iterator<Item = (usize, usize)> {
        let of_place = move |place: usize| (place, rows[self.first + place * self.step]);
        (0..self.count).map(of_place).filter(|(_, row)| *row != NONE).map(|(place, row)| (place, row as usize))
    }
}

impl Sites {
    fn of(convolution: &Convolution) -> Self {
        let (input, output, groups) = (convolution.input(), convolution.output(), convolution.groups());
        let (axes, is_up) = (convolution.axes(), convolution.is_transposed());
        let met = |axis: Axis, input: usize, output: usize| {
            let mut met = vec![Vec::new(); output];
            let (narrow_length, wide_length) = if is_up { (input, output) } else { (output, input) };
            for (narrow, tap) in (0..narrow_length).flat_map(|narrow| (0..axis.kernel).map(move |tap| (narrow, tap))) {
                if let Some(wide) = axis.wide(narrow, tap, wide_length) {
                    let (place, source) = if is_up { (wide, narrow) } else { (narrow, wide) };
                    met[place].push((tap, source));
                }
            }
            met
        };
        Sites {
            input,
            output,
            groups,
            rows: met(axes[0], input.rows, output.rows),
            columns: met(axes[1], input.columns, output.columns),
            kernel: axes.map(|axis| axis.kernel),
            weights: weights_of(convolution),
        }
    }

    /// A site is a place of the output's image in one group of channels.
    fn for_each(&self, mut f: impl FnMut(Units, &[Tap])) {
        let [inputs, outputs] = [self.input, self.output].map(|shape| shape.channels / self.groups);
        let units = |shape: ImageShape, count: usize, (group, row, column): (usize, usize, usize)| Units {
            first: shape.place(group * count, row, column),
            step: shape.rows * shape.columns,
            count,
        };
        let mut taps = Vec::new();
        for group in 0..self.groups {
            for (row, of_row) in self.rows.iter().enumerate() {
                for (column, of_column) in self.columns.iter().enumerate() {
                    taps.clear();
                    for ((i, y), (j, x)) in of_row.iter().flat_map(|i| of_column.iter().map(move |j| (i, j))) {
                        let block = (group * self.kernel[0] + i) * self.kernel[1] + j;
                        let inputs_of_tap = units(self.input, inputs, (group, *y, *x));
                        taps.push(Tap { inputs: inputs_of_tap, weights: block * inputs * outputs });
                    }
                    f(units(self.output, outputs, (group, row, column)), &taps);
                }
            }
        }
    }
}

/// The weights in the order of [`Sites::weights`].
fn weights_of(convolution: &Convolution) -> Vec<f64> {
    let channels = |shape: ImageShape| shape.channels / convolution.groups();
    let [inputs, outputs] = [convolution.input(), convolution.output()].map(channels);
    let [rows, columns] = convolution.axes().map(|axis| axis.kernel);
    let is_up = convolution.is_transposed();
    let mut weights = Vec::with_capacity(convolution.kernel().len());
    for group in 0..convolution.groups() {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for (input, output) in (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output))) {
                weights.push(if is_up {
                    convolution.weight(group * inputs + input, output, i, j)
                } else {
                    convolution.weight(group * outputs + output, input, i, j)
                });
            }
        }
    }
    weights
}

/// Copies of what one site needs, in the order of the products. Terms are taken [`DEEP`] at a time,
/// so that a strip of `X` stays in the innermost cache and the weights in the next.
#[derive(Debug, Default)]
struct Panels {
    /// For every [`HIGH`] outputs, [`Self::pitch`] apart, for every term: their weights.
    weights: Vec<[f64; HIGH]>,
    /// For every strip of lanes, for every term: that strip of its row.
    strips: Vec<Lane>,
}

/// Outputs of a tile.
const HIGH: usize = 4;
/// Terms of a panel.
const DEEP: usize = 256;

vectorised! {
    /// Row `wanted[i].row` of `out` becomes its factor times the sum over the terms of `weights[
    /// term.weights + wanted[i].place]` times row `term.row` of `inner`.
    fn site_rows(
        weights: &[f64],
        terms: &[Term],
        wanted: &[Wanted],
        factors: &[f64],
        inner: &[Lane],
        lanes: usize,
        out: &mut [Lane],
        stride: usize,
        panels: &mut Panels,
    ) {
        let row_of = |wanted: &Wanted| wanted.row * stride..wanted.row * stride + lanes;
        wanted.iter().for_each(|wanted| out[row_of(wanted)].fill(Lane::ZERO));
        for terms in terms.chunks(DEEP) {
            panels.take_weights(weights, terms, wanted);
            panels.take_strips::<TALL>(inner, terms, lanes);
            let mut at = 0;
            while at < lanes {
                let wide = width_of::<TALL>(lanes - at);
                let strip = &panels.strips[at * terms.len()..][..wide * terms.len()];
                for (wanted, weights) in wanted.chunks(HIGH).zip(panels.weights.chunks(Panels::pitch(terms))) {
                    match wide {
                        1 => site_tile::<FUSED, 1>(weights, strip, wanted, out, (at, stride)),
                        2 => site_tile::<FUSED, 2>(weights, strip, wanted, out, (at, stride)),
                        3 => site_tile::<FUSED, 3>(weights, strip, wanted, out, (at, stride)),
                        _ => site_tile::<FUSED, 5>(weights, strip, wanted, out, (at, stride)),
                    }
                }
                at += wide;
            }
        }
        for wanted in wanted {
            let factor = factors[wanted.row];
            out[row_of(wanted)].iter_mut().for_each(|entry| *entry = Lane(entry.0.map(|x| x * factor)));
        }
    }
}

/// Lanes of the next strip, where `left` lanes are left.
#[inline(always)]
fn width_of<const TALL: usize>(left: usize) -> usize {
    match left {
        1..=2 => left,
        // Rather two and two than three and one.
        4 => 2,
        5.. if TALL == 8 => 5,
        _ => 3,
    }
}

impl Panels {
    /// Not a power of two: places so far apart would share a set of the cache.
    fn pitch(terms: &[Term]) -> usize {
        terms.len() + 3
    }

    #[inline(always)]
    fn take_weights(&mut self, weights: &[f64], terms: &[Term], wanted: &[Wanted]) {
        let pitch = Self::pitch(terms);
        self.weights.resize(wanted.len().div_ceil(HIGH) * pitch, [0.0; HIGH]);
        for (index, term) in terms.iter().enumerate() {
            let weights = &weights[term.weights..];
            for (wanted, packed) in wanted.chunks(HIGH).zip(self.weights.chunks_mut(pitch)) {
                // Fewer outputs than a tile has repeat the last one.
                packed[index] = std::array::from_fn(|i| weights[wanted[i.min(wanted.len() - 1)].place]);
            }
        }
    }

    #[inline(always)]
    fn take_strips<const TALL: usize>(&mut self, inner: &[Lane], terms: &[Term], lanes: usize) {
        self.strips.resize(lanes * terms.len(), Lane::ZERO);
        for (index, term) in terms.iter().enumerate() {
            let row = &inner[term.row * lanes..][..lanes];
            let mut at = 0;
            while at < lanes {
                let wide = width_of::<TALL>(lanes - at);
                let to = &mut self.strips[at * terms.len() + index * wide..];
                match wide {
                    1 => copy::<1>(&row[at..], to),
                    2 => copy::<2>(&row[at..], to),
                    3 => copy::<3>(&row[at..], to),
                    _ => copy::<5>(&row[at..], to),
                }
                at += wide;
            }
        }
    }
}

/// A number of lanes that is known when the program is compiled is copied without a call.
#[inline(always)]
fn copy<const N: usize>(from: &[Lane], to: &mut [Lane]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
}

/// Adds to `N` lanes of some rows of `out`, from `at` on. `extent`: `at`, and lanes per row.
#[inline(always)]
fn site_tile<const FUSED: bool, const N: usize>(
    weights: &[[f64; HIGH]],
    strip: &[Lane],
    wanted: &[Wanted],
    out: &mut [Lane],
    (at, stride): (usize, usize),
) {
    let mut sums = [[Lane::ZERO; N]; HIGH];
    for (wanted, sums) in wanted.iter().zip(&mut sums) {
        sums.copy_from_slice(&out[wanted.row * stride + at..][..N]);
    }
    let (strip, _) = strip.as_chunks::<N>();
    for (inner, weights) in strip.iter().zip(weights) {
        for i in 0..HIGH {
            let w = Lane::splat(weights[i]);
            for j in 0..N {
                sums[i][j] = sums[i][j].plus_product::<FUSED>(inner[j], w);
            }
        }
    }
    for (wanted, sums) in wanted.iter().zip(&sums) {
        out[wanted.row * stride + at..][..N].copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::lanes::{lanes_for, numbers, numbers_mut};
    use crate::network::map::resample::{AxisWeights, Pooling};
    use crate::random::{Domain, normal_vector};

    fn numbers_of(count: usize, index: u64) -> Vec<f64> {
        normal_vector(4, Domain::Code, index, count)
    }

    fn maps() -> Vec<Map> {
        let axis = |kernel, stride, padding, dilation| Axis { kernel, stride, padding, dilation };
        let mut maps = vec![Map::Diagonal(numbers_of(23, 0))];
        for (index, (axes, groups)) in [
            ([axis(3, 1, 1, 1), axis(3, 1, 1, 1)], 1),
            ([axis(4, 2, 1, 1), axis(2, 1, 0, 2)], 2),
            ([axis(1, 2, 0, 1), axis(3, 2, 3, 2)], 6),
            ([axis(2, 3, 0, 1), axis(1, 1, 0, 1)], 3),
        ]
        .into_iter()
        .enumerate()
        {
            for (rows, columns, outputs) in [(5, 4, 6), (2, 7, 18)] {
                let input = ImageShape { channels: 6, rows, columns };
                let kernel = numbers_of(6 * outputs / groups * axes[0].kernel * axes[1].kernel, index as u64);
                let down = Convolution::new(kernel.clone(), input, outputs, axes, groups);
                let up = Convolution::transposed(kernel, input, outputs, axes, [1, 0], groups);
                maps.extend(down.into_iter().chain(up).map(Map::Convolution));
            }
        }
        let pooling = Pooling { kernel: 2, stride: 2, padding: 0, ceil_mode: true, counts_padding: false };
        let pooled = [AxisWeights::pooled(5, pooling), AxisWeights::pooled(4, pooling)].map(Option::unwrap);
        let enlarged = [AxisWeights::linear(5, 11, None, false), AxisWeights::nearest(4, 8, None)];
        maps.extend([pooled, enlarged].map(|axes| Map::Resample(Resample::new(3, axes).unwrap())));
        maps
    }

    /// Against the matrix, for all, some and no units on both sides.
    #[test]
    fn rows_are_those_of_the_matrix() {
        for (map, every) in maps().into_iter().flat_map(|map| [1, 2, 3, usize::MAX].map(|every| (map.clone(), every))) {
            let some = |length: usize, from: usize| (from as u32..length as u32).step_by(every).collect::<Vec<_>>();
            let (wanted, active) = (some(map.outputs(), 0), some(map.inputs(), every.min(2) - 1));
            for columns in [1, 12, 23, 41] {
                let lanes = lanes_for(columns);
                let mut inner = vec![Lane::ZERO; active.len() * lanes];
                for (row, index) in inner.chunks_exact_mut(lanes).zip(0..) {
                    numbers_mut(row)[..columns].copy_from_slice(&numbers_of(columns, index));
                }
                let factors = numbers_of(wanted.len(), 77);
                let stride = lanes + 1;
                let mut out = vec![Lane::splat(-7.0); wanted.len() * stride];
                MapRows::of(&map).unwrap().chain(&wanted, &factors, &active, &inner, lanes, &mut out, stride);
                let matrix = map.written_out();
                for ((row, unit), factor) in out.chunks_exact(stride).zip(&wanted).zip(&factors) {
                    assert_eq!(row[lanes], Lane::splat(-7.0), "beyond the row");
                    for column in 0..columns {
                        let inputs = active.iter().zip(inner.chunks_exact(lanes));
                        let sum: f64 =
                            inputs.map(|(i, row)| matrix[(*unit as usize, *i as usize)] * numbers(row)[column]).sum();
                        let error = (numbers(row)[column] - factor * sum).abs();
                        assert!(error < 1e-12, "{} unit {unit} column {column}: {error:e}", map.describe());
                    }
                }
            }
        }
    }
}
