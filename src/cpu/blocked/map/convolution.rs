//! Convolutions as sums over shifted images, in f64 or f32.
//!
//! The input is copied once, with zeros around each plane ([`AxisPlan`]). Then an output channel is
//! `Σ w·(the copy, shifted)`, one term per tap and input channel, and a tile of the output (some
//! channels by some neighbouring places) stays in registers from its first term to its last. The
//! places run on over the ends of the image's lines; what is summed there is not used. There is no
//! matrix of patches. Where that is less work, the tile has registers of channels and some places
//! instead (`by_channels.rs`); the sums have the same order and the same bits.
//!
//! A transposed convolution of stride `s` is `s²` such sums, one per phase, and the transpose of a
//! convolution is the transposed convolution with the same kernel.

mod by_channels;

use std::sync::OnceLock;

use self::by_channels::{ChannelWeights, costs};
use super::plan::{AxisPhase, AxisPlan, Tap};
use crate::cpu::blocked::product::Columns;
use crate::cpu::blocked::vector::{Instructions, Number, Vector, for_instructions};
use crate::network::map::{Convolution, ImageShape};

/// Output channels per block of weights.
const HIGH: usize = 8;
/// Width of a tile, in registers.
const WIDE: usize = 3;
/// Numbers in the widest register.
const MOST_LANES: usize = 16;
/// Bytes of images that are copied together.
const CACHED: usize = 1 << 18;

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

    /// `outputs ← W inputs`, or `Wᵀ inputs`, for `count` images. `inputs`: one image per column;
    /// `outputs`: the images one after the other. `work` is memory that is used again.
    ///
    /// # Panics
    /// If the slices are shorter than the images.
    pub fn apply(&self, inputs: Columns<'_, T>, count: usize, outputs: &mut [T], work: &mut Work<T>, transposed: bool) {
        self.direction(transposed).apply(inputs, count, outputs, work);
    }

    /// The number of images that should be computed together: as many as stay in the cache.
    pub fn images_at_once(&self, transposed: bool) -> usize {
        let direction = self.direction(transposed);
        let shares_weights = direction.phases.iter().any(|phase| matches!(phase.weights, Weights::Channels(_)));
        if shares_weights { (CACHED / size_of::<T>() / direction.copied()).max(1) } else { 1 }
    }

    fn direction(&self, transposed: bool) -> &Direction<T> {
        let is_up = self.convolution.is_transposed() != transposed;
        let direction = if transposed { &self.backward } else { &self.forward };
        direction.get_or_init(|| Direction::new(&self.convolution, is_up))
    }
}

/// Memory that is used again.
#[derive(Debug)]
pub struct Work<T> {
    copies: Vec<T>,
    places: Vec<usize>,
    sums: Vec<T>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Work { copies: Vec::new(), places: Vec::new(), sums: Vec::new() }
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
    weights: Weights<T>,
}

#[derive(Debug)]
enum Weights<T> {
    /// `[group][block of channels][term][channel of the block]`, padded with zeros.
    Places(Vec<T>),
    /// For each group.
    Channels(Vec<ChannelWeights<T>>),
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
        let weight = |group: usize, term: usize, output: usize| {
            let (channel, (row, column)) = terms[term];
            let (narrow, wide) = if is_up { (channel, output) } else { (output, channel) };
            let narrow = group * if is_up { inputs } else { outputs } + narrow;
            T::narrowed(convolution.weight(narrow, wide, row.entry, column.entry))
        };
        let length = (rows.count - 1) * self.columns.length + columns.count;
        let (by_channels, by_places) = costs::<T>(rows.count * columns.count, length, outputs, HIGH);
        let weights = if by_channels < by_places {
            let of_group = |group: usize| ChannelWeights::pack(terms.len(), outputs, |t, o| weight(group, t, o));
            Weights::Channels((0..self.groups).map(of_group).collect())
        } else {
            let mut weights = vec![T::ZERO; self.groups * outputs.div_ceil(HIGH) * terms.len() * HIGH];
            let blocks = weights.chunks_exact_mut((terms.len() * HIGH).max(1));
            for (place, block) in blocks.enumerate() {
                let (group, first) = (place / outputs.div_ceil(HIGH), place % outputs.div_ceil(HIGH) * HIGH);
                for (term, numbers) in block.chunks_exact_mut(HIGH).enumerate() {
                    let numbers = numbers.iter_mut().zip(first..outputs);
                    numbers.for_each(|(number, output)| *number = weight(group, term, output));
                }
            }
            Weights::Places(weights)
        };
        Phase { rows: rows.clone(), columns: columns.clone(), addresses, weights }
    }

    /// Planes per channel of the copy.
    fn planes(&self) -> usize {
        self.rows.planes * self.columns.planes
    }

    fn plane_length(&self) -> usize {
        self.rows.length * self.columns.length
    }

    /// Numbers in the copy of one image.
    fn copied(&self) -> usize {
        self.input.channels * self.planes() * self.plane_length() + WIDE * MOST_LANES
    }

    fn apply(&self, inputs: Columns<'_, T>, count: usize, outputs: &mut [T], work: &mut Work<T>) {
        let (given, made, copied) = (self.input.length(), self.output.length(), self.copied());
        let outputs = &mut outputs[..count * made];
        work.copies.clear();
        work.copies.resize(copied * count, T::ZERO);
        for (image, copy) in work.copies.chunks_exact_mut(copied).enumerate() {
            self.copy(&inputs.entries[image * inputs.stride..][..given], copy);
        }
        // A phase without taps is not visited.
        outputs.fill(T::ZERO);
        for phase in &self.phases {
            match &phase.weights {
                Weights::Places(weights) => {
                    let images = work.copies.chunks_exact(copied).zip(outputs.chunks_exact_mut(made));
                    images.for_each(|(copy, output)| self.by_places(phase, weights, copy, &mut work.sums, output));
                }
                Weights::Channels(weights) => self.by_channels(phase, weights, work, outputs),
            }
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

    fn by_places(&self, phase: &Phase<T>, weights: &[T], copy: &[T], sums: &mut Vec<T>, output: &mut [T]) {
        let [inputs, outputs] = [self.input, self.output].map(|shape| shape.channels / self.groups);
        let length = (phase.rows.count - 1) * self.columns.length + phase.columns.count;
        let pitch = self.plane_length().next_multiple_of(MOST_LANES) + WIDE * MOST_LANES;
        sums.resize(HIGH * pitch, T::ZERO);
        let of_block = phase.addresses.len() * HIGH;
        for block in 0..self.groups * outputs.div_ceil(HIGH) {
            let (group, first) = (block / outputs.div_ceil(HIGH), block % outputs.div_ceil(HIGH) * HIGH);
            let channels = HIGH.min(outputs - first);
            let copy = &copy[group * inputs * self.planes() * self.plane_length()..];
            let weights = &weights[block * of_block..][..of_block];
            shifted_sums(Instructions::best(), &phase.addresses, weights, copy, sums, pitch, (length, channels));
            for channel in 0..channels {
                self.place(phase, group * outputs + first + channel, &sums[channel * pitch..], output);
            }
        }
    }

    /// For all images in `work` together.
    fn by_channels(&self, phase: &Phase<T>, weights: &[ChannelWeights<T>], work: &mut Work<T>, outputs: &mut [T]) {
        let [inputs, of_group] = [self.input, self.output].map(|shape| shape.channels / self.groups);
        let (made, copied) = (self.output.length(), self.copied());
        let places = || (0..phase.rows.count).flat_map(|row| (0..phase.columns.count).map(move |column| (row, column)));
        let in_copy =
            |image: usize| places().map(move |(row, column)| image * copied + row * self.columns.length + column);
        work.places.clear();
        work.places.extend((0..outputs.len() / made).flat_map(in_copy));
        let step = self.output.rows * self.output.columns;
        for (group, weights) in weights.iter().enumerate() {
            let copies = &work.copies[group * inputs * self.planes() * self.plane_length()..];
            weights.sum(&phase.addresses, copies, &work.places, &mut work.sums, |place, first, sums| {
                let (line, column) = (place / phase.columns.count, place % phase.columns.count);
                let (image, row) = (line / phase.rows.count, line % phase.rows.count);
                let (row, column) =
                    (phase.rows.first + row * self.rows.step, phase.columns.first + column * self.columns.step);
                let to = image * made + self.output.place(group * of_group + first, row, column);
                let channels = outputs[to..].iter_mut().step_by(step).take(of_group - first);
                channels.zip(sums).for_each(|(to, sum)| *to = *sum);
            });
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
                let stride = matrix.ncols() + 2;
                let inputs = nalgebra::DMatrix::from_vec(stride, 3, numbers(3 * stride, 99));
                let wanted = &matrix * inputs.rows(0, matrix.ncols());
                let narrowed: Vec<T> = inputs.iter().map(|a| T::narrowed(*a)).collect();
                let mut found = vec![T::NAN; 3 * matrix.nrows()];
                // Memory that was used before, with numbers in it.
                let mut work = Work { copies: vec![T::NAN; 5], places: vec![9; 3], sums: vec![T::NAN; 7] };
                packed.apply(Columns { entries: &narrowed, stride }, 3, &mut found, &mut work, transposed);
                let mut alone = vec![T::NAN; matrix.nrows()];
                let last = Columns { entries: &narrowed[2 * stride..], stride };
                packed.apply(last, 1, &mut alone, &mut work, transposed);
                assert_eq!(alone, found[2 * matrix.nrows()..], "an image does not depend on its neighbours");
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
