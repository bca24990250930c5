//! Convolutions as sums over shifted images, in f64 or f32.
//!
//! The input is copied once, with zeros around each plane ([`AxisPlan`]). Then an output channel is
//! `Σ w·(the copy, shifted)`, one term per tap and input channel, and a tile of the output (some
//! channels by some neighbouring places) stays in registers from its first term to its last. The
//! places run on over the ends of the image's lines; what is summed there is not used. There is no
//! matrix of patches. A transposed convolution of stride `s` is `s²` such sums, one per phase, and
//! the transpose of a convolution is the transposed convolution with the same kernel.

use std::sync::OnceLock;

use super::plan::{AxisPhase, AxisPlan, Tap};
use crate::cpu::blocked::vector::{Instructions, Number, Vector, for_instructions};
use crate::network::map::{Convolution, ImageShape};

/// Output channels per block of weights.
const HIGH: usize = 8;
/// Width of a tile, in registers.
const WIDE: usize = 3;
/// Numbers in the widest register.
const MOST_LANES: usize = 16;

/// A convolution in both directions, each packed at its first use.
#[derive(Debug)]
pub struct PackedConvolution<T> {
    convolution: Convolution,
    forward: OnceLock<Direction<T>>,
    backward: OnceLock<Direction<T>>,
}

impl<T: Number> PackedConvolution<T> {
    pub fn new(convolution: &Convolution) -> Self {
        PackedConvolution { convolution: convolution.clone(), forward: OnceLock::new(), backward: OnceLock::new() }
    }

    pub fn input(&self) -> ImageShape {
        self.convolution.input()
    }

    pub fn output(&self) -> ImageShape {
        self.convolution.output()
    }

    /// `output ← W input`, or `Wᵀ input`. `work` is memory that is used again.
    ///
    /// # Panics
    /// If the slices do not have the lengths of the images.
    pub fn apply(&self, input: &[T], output: &mut [T], work: &mut Vec<T>, transposed: bool) {
        let is_up = self.convolution.is_transposed() != transposed;
        let direction = if transposed { &self.backward } else { &self.forward };
        direction.get_or_init(|| Direction::new(&self.convolution, is_up)).apply(input, output, work);
    }
}

/// One direction of a convolution.
#[derive(Debug)]
struct Direction<T> {
    input: ImageShape,
    output: ImageShape,
    rows: AxisPlan,
    columns: AxisPlan,
    groups: usize,
    phases: Vec<Phase<T>>,
}

/// The outputs of one phase of the rows and one of the columns.
#[derive(Debug)]
struct Phase<T> {
    rows: AxisPhase,
    columns: AxisPhase,
    /// Where each term of a sum begins in the copy of a group's channels.
    addresses: Vec<usize>,
    /// `[group][block of channels][term][channel of the block]`, padded with zeros.
    weights: Vec<T>,
}

impl<T: Number> Direction<T> {
    fn new(convolution: &Convolution, is_up: bool) -> Self {
        let (wide, narrow) = (convolution.wide(), convolution.narrow());
        let [rows, columns] = convolution.axes();
        let (input, output) = if is_up { (narrow, wide) } else { (wide, narrow) };
        let plan = if is_up { AxisPlan::up } else { AxisPlan::down };
        let mut direction = Direction {
            input,
            output,
            rows: plan(&rows, wide.rows, narrow.rows),
            columns: plan(&columns, wide.columns, narrow.columns),
            groups: convolution.groups(),
            phases: Vec::new(),
        };
        for rows in &direction.rows.phases {
            for columns in &direction.columns.phases {
                direction.phases.push(direction.phase(convolution, is_up, rows, columns));
            }
        }
        direction
    }

    fn phase(&self, convolution: &Convolution, is_up: bool, rows: &AxisPhase, columns: &AxisPhase) -> Phase<T> {
        let [inputs, outputs] = [self.input, self.output].map(|shape| shape.channels / self.groups);
        let taps = || rows.taps.iter().flat_map(|row| columns.taps.iter().map(move |column| (row, column)));
        let terms: Vec<_> = (0..inputs).flat_map(|channel| taps().map(move |tap| (channel, tap))).collect();
        let address = |(channel, (row, column)): &(usize, (&Tap, &Tap))| {
            let plane = channel * self.planes() + row.plane * self.columns.planes + column.plane;
            plane * self.plane_length() + row.shift * self.columns.length + column.shift
        };
        let addresses = terms.iter().map(address).collect();
        let mut weights = vec![T::ZERO; self.groups * outputs.div_ceil(HIGH) * terms.len() * HIGH];
        let blocks = weights.chunks_exact_mut((terms.len() * HIGH).max(1));
        for (place, block) in blocks.enumerate() {
            let (group, first) = (place / outputs.div_ceil(HIGH), place % outputs.div_ceil(HIGH) * HIGH);
            for (numbers, (channel, (row, column))) in block.chunks_exact_mut(HIGH).zip(&terms) {
                for (number, of_output) in numbers.iter_mut().zip(first..outputs) {
                    let (narrow, wide) = if is_up { (*channel, of_output) } else { (of_output, *channel) };
                    let narrow_channels = if is_up { inputs } else { outputs };
                    let narrow = group * narrow_channels + narrow;
                    *number = T::narrowed(convolution.weight(narrow, wide, row.entry, column.entry));
                }
            }
        }
        Phase { rows: rows.clone(), columns: columns.clone(), addresses, weights }
    }

    /// Planes per channel of the copy.
    fn planes(&self) -> usize {
        self.rows.planes * self.columns.planes
    }

    fn plane_length(&self) -> usize {
        self.rows.length * self.columns.length
    }

    fn apply(&self, input: &[T], output: &mut [T], work: &mut Vec<T>) {
        assert_eq!((input.len(), output.len()), (self.input.length(), self.output.length()), "entries of the images");
        let copied = self.input.channels * self.planes() * self.plane_length() + WIDE * MOST_LANES;
        let pitch = self.plane_length().next_multiple_of(MOST_LANES) + WIDE * MOST_LANES;
        work.clear();
        work.resize(copied + HIGH * pitch, T::ZERO);
        let (copy, sums) = work.split_at_mut(copied);
        self.copy(input, copy);
        // A phase without taps is not visited.
        output.fill(T::ZERO);
        for phase in &self.phases {
            self.apply_phase(phase, copy, (sums, pitch), output);
        }
    }

    /// Copies the input into its planes.
    fn copy(&self, input: &[T], copy: &mut [T]) {
        let (rows, columns) = (&self.rows, &self.columns);
        for (line, entries) in input.chunks_exact(self.input.columns).enumerate() {
            let (channel, row) = (line / self.input.rows, line % self.input.rows);
            let plane = channel * self.planes() + row % rows.planes * columns.planes;
            let begin = (row / rows.planes + rows.padding) * columns.length + columns.padding;
            for residue in 0..columns.planes {
                let to = &mut copy[(plane + residue) * self.plane_length() + begin..];
                let from = entries.iter().skip(residue).step_by(columns.planes);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn apply_phase(&self, phase: &Phase<T>, copy: &[T], (sums, pitch): (&mut [T], usize), output: &mut [T]) {
        let [inputs, outputs] = [self.input, self.output].map(|shape| shape.channels / self.groups);
        let length = (phase.rows.count - 1) * self.columns.length + phase.columns.count;
        let of_block = phase.addresses.len() * HIGH;
        for block in 0..self.groups * outputs.div_ceil(HIGH) {
            let (group, first) = (block / outputs.div_ceil(HIGH), block % outputs.div_ceil(HIGH) * HIGH);
            let channels = HIGH.min(outputs - first);
            let copy = &copy[group * inputs * self.planes() * self.plane_length()..];
            let weights = &phase.weights[block * of_block..][..of_block];
            shifted_sums(Instructions::best(), &phase.addresses, weights, copy, sums, pitch, (length, channels));
            for channel in 0..channels {
                self.place(phase, group * outputs + first + channel, &sums[channel * pitch..], output);
            }
        }
    }

    /// Writes the sums of a channel to the places of its phase.
    fn place(&self, phase: &Phase<T>, channel: usize, sums: &[T], output: &mut [T]) {
        for row in 0..phase.rows.count {
            let from = &sums[row * self.columns.length..][..phase.columns.count];
            let first = self.output.place(channel, phase.rows.first + row * self.rows.step, phase.columns.first);
            if self.columns.step == 1 {
                output[first..][..from.len()].copy_from_slice(from);
            } else {
                let places = output[first..].iter_mut().step_by(self.columns.step);
                places.zip(from).for_each(|(to, sum)| *to = *sum);
            }
        }
    }
}

for_instructions! {
    /// `sums[channel][at] = Σ_t weights[t][channel] · copy[addresses[t] + at]`, for the places `at`
    /// below `length` and the channels below `channels`. `extent`: length and channels.
    fn shifted_sums<T>(
        addresses: &[usize],
        weights: &[T],
        copy: &[T],
        sums: &mut [T],
        pitch: usize,
        extent: (usize, usize),
    ) = all_tiles
}

#[inline(always)]
fn all_tiles<V: Vector, const MOST: usize>(
    addresses: &[usize],
    weights: &[V::Number],
    copy: &[V::Number],
    sums: &mut [V::Number],
    pitch: usize,
    (length, channels): (usize, usize),
) {
    let mut channel = 0;
    while channel < channels {
        let mut at = 0;
        while at + (WIDE - 1) * V::LANES < length {
            tile::<V, MOST, WIDE>(addresses, weights, copy, sums, pitch, (channel, at));
            at += WIDE * V::LANES;
        }
        if at + V::LANES < length {
            tile::<V, MOST, 2>(addresses, weights, copy, sums, pitch, (channel, at));
        } else if at < length {
            tile::<V, MOST, 1>(addresses, weights, copy, sums, pitch, (channel, at));
        }
        channel += MOST;
    }
}

#[inline(always)]
fn tile<V: Vector, const M: usize, const N: usize>(
    addresses: &[usize],
    weights: &[V::Number],
    copy: &[V::Number],
    sums: &mut [V::Number],
    pitch: usize,
    (channel, at): (usize, usize),
) {
    let mut totals = [[V::splat(V::Number::ZERO); N]; M];
    for (address, weights) in addresses.iter().zip(weights.chunks_exact(HIGH)) {
        let line = &copy[address + at..][..N * V::LANES];
        let weights = &weights[channel..][..M];
        let mut vectors = [V::splat(V::Number::ZERO); N];
        for j in 0..N {
            vectors[j] = V::load(&line[j * V::LANES..]);
        }
        for i in 0..M {
            let w = V::splat(weights[i]);
            for j in 0..N {
                totals[i][j] = totals[i][j].plus_product(vectors[j], w);
            }
        }
    }
    for i in 0..M {
        for j in 0..N {
            totals[i][j].store(&mut sums[(channel + i) * pitch + at + j * V::LANES..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Map;
    use crate::network::map::convolution::Axis;
    use crate::random::{Domain, normal_vector};

    fn numbers(count: usize, index: u64) -> Vec<f64> {
        normal_vector(1, Domain::Code, index, count)
    }

    /// Convolutions and transposed ones of odd sizes.
    fn cases() -> Vec<Convolution> {
        let axis = |kernel, stride, padding, dilation| Axis { kernel, stride, padding, dilation };
        let settings = [
            ([axis(3, 1, 1, 1), axis(3, 1, 1, 1)], 1),
            ([axis(4, 2, 1, 1), axis(4, 2, 1, 1)], 2),
            ([axis(5, 3, 2, 1), axis(2, 1, 0, 2)], 1),
            ([axis(1, 2, 0, 1), axis(3, 2, 3, 2)], 6),
            ([axis(2, 3, 0, 1), axis(1, 1, 0, 1)], 3),
        ];
        let mut all = Vec::new();
        for (index, (axes, groups)) in settings.into_iter().enumerate() {
            for (rows, columns, outputs) in [(7, 9, 6), (4, 4, 18), (5, 40, 6)] {
                let input = ImageShape { channels: 6, rows, columns };
                let kernel = numbers(6 * outputs / groups * axes[0].kernel * axes[1].kernel, index as u64);
                all.extend(Convolution::new(kernel.clone(), input, outputs, axes, groups));
                all.extend(Convolution::transposed(kernel, input, outputs, axes, [1, 0], groups));
            }
        }
        assert!(all.len() > 25);
        all
    }

    fn check<T: Number>(tolerance: f64) {
        for convolution in cases() {
            let matrix = Map::Convolution(convolution.clone()).written_out();
            let packed = PackedConvolution::<T>::new(&convolution);
            for (transposed, matrix) in [(false, matrix.clone()), (true, matrix.transpose())] {
                let input = numbers(matrix.ncols(), 99);
                let wanted = &matrix * nalgebra::DVector::from_column_slice(&input);
                let narrowed: Vec<T> = input.iter().map(|a| T::narrowed(*a)).collect();
                let mut found = vec![T::NAN; matrix.nrows()];
                // Memory that was used before, with numbers in it.
                let mut work = vec![T::NAN; 5];
                packed.apply(&narrowed, &mut found, &mut work, transposed);
                for (found, wanted) in found.iter().zip(wanted.iter()) {
                    let error = (found.widened() - wanted).abs();
                    assert!(
                        error <= tolerance,
                        "{} transposed {transposed}: {error:e}",
                        Map::Convolution(convolution).describe()
                    );
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_the_matrix() {
        check::<f64>(1e-12);
        check::<f32>(2e-4);
    }
}
