//! The sums of a phase with a register full of output channels, for some places at a time.
//!
//! This suits images with few places and many channels: no place beyond the end of a line is
//! computed. The places of several images can share a tile, so that the weights are read once for
//! all of them.

use crate::cpu::blocked::panels::{LINE, Line};
use crate::cpu::blocked::vector::{Instructions, Number, Vector, for_instructions};

/// Most lines of weights in a block.
const WIDE: usize = 3;

/// Weights of a group of channels: for each block of output channels, for each term, whole lines.
#[derive(Debug)]
pub(super) struct ChannelWeights<T> {
    blocks: Vec<Block>,
    lines: Vec<Line>,
    of: std::marker::PhantomData<T>,
}

/// Output channels that are computed together.
#[derive(Debug, Clone, Copy)]
struct Block {
    first: usize,
    /// Lines per term.
    wide: usize,
    /// Where its weights begin, in lines.
    begin: usize,
}

/// Numbers per line.
const fn per_line<T>() -> usize {
    LINE / size_of::<T>()
}

impl<T: Number> ChannelWeights<T> {
    /// `weight(term, output)`: of this many terms and output channels.
    pub fn pack(terms: usize, outputs: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let mut blocks = Vec::new();
        let (mut first, mut begin) = (0, 0);
        while first < outputs {
            let wide = match (outputs - first).div_ceil(per_line::<T>()) {
                // Rather two and two than three and one.
                4 => 2,
                left => left.min(WIDE),
            };
            blocks.push(Block { first, wide, begin });
            first += wide * per_line::<T>();
            begin += wide * terms;
        }
        let mut lines = vec![Line::ZERO; begin];
        let numbers: &mut [T] = bytemuck::cast_slice_mut(&mut lines);
        for Block { first, wide, begin } in &blocks {
            let width = wide * per_line::<T>();
            for term in 0..terms {
                let at = begin * per_line::<T>() + term * width;
                for (number, output) in numbers[at..at + width].iter_mut().zip(*first..outputs) {
                    *number = weight(term, output);
                }
            }
        }
        ChannelWeights { blocks, lines, of: std::marker::PhantomData }
    }

    /// Computes `Σ_t weights[t][channel] · copy[places[p] + addresses[t]]` for all places `p` and
    /// channels, and calls `put(p, first channel, sums)` for each place and block of channels.
    /// `sums` is memory that is used again.
    pub fn sum(
        &self,
        addresses: &[usize],
        copy: &[T],
        places: &[usize],
        sums: &mut Vec<T>,
        mut put: impl FnMut(usize, usize, &[T]),
    ) {
        let numbers: &[T] = bytemuck::cast_slice(&self.lines);
        for Block { first, wide, begin } in &self.blocks {
            let width = wide * per_line::<T>();
            let weights = &numbers[begin * per_line::<T>()..][..addresses.len() * width];
            sums.clear();
            sums.resize(places.len() * width, T::ZERO);
            channel_sums(Instructions::best(), addresses, weights, width, copy, places, sums);
            sums.chunks_exact(width).enumerate().for_each(|(place, sums)| put(place, *first, sums));
        }
    }
}

/// The number of register-wide products per term and phase: with registers of channels, and with
/// registers of places, of which a run over `length` places is computed for `outputs` channels.
pub(super) fn costs<T>(places: usize, length: usize, outputs: usize, high: usize) -> (usize, usize) {
    let lanes = per_line::<T>();
    let of_places = match length.div_ceil(lanes) {
        few @ 1..=2 => few,
        many => many.next_multiple_of(WIDE).min(many / WIDE * WIDE + 2),
    };
    (places * outputs.div_ceil(lanes), outputs.next_multiple_of(high) * of_places)
}

for_instructions! {
    /// `sums`: `width` numbers for each place.
    fn channel_sums<T>(
        addresses: &[usize],
        weights: &[T],
        width: usize,
        copy: &[T],
        places: &[usize],
        sums: &mut [T],
    ) = all_tiles
}

#[inline(always)]
fn all_tiles<V: Vector, const MOST: usize>(
    addresses: &[usize],
    weights: &[V::Number],
    width: usize,
    copy: &[V::Number],
    places: &[usize],
    sums: &mut [V::Number],
) {
    for (places, sums) in places.chunks(MOST).zip(sums.chunks_mut(MOST * width)) {
        let mut at = 0;
        while at < width {
            let vectors = match (width - at) / V::LANES {
                few @ 1..=2 => few,
                4 => 2,
                _ => 3,
            };
            match vectors {
                1 => tile::<V, MOST, 1>(addresses, weights, (width, at), copy, places, sums),
                2 => tile::<V, MOST, 2>(addresses, weights, (width, at), copy, places, sums),
                _ => tile::<V, MOST, 3>(addresses, weights, (width, at), copy, places, sums),
            }
            at += vectors * V::LANES;
        }
    }
}

#[inline(always)]
fn tile<V: Vector, const M: usize, const N: usize>(
    addresses: &[usize],
    weights: &[V::Number],
    (width, at): (usize, usize),
    copy: &[V::Number],
    places: &[usize],
    sums: &mut [V::Number],
) {
    // Fewer places than M repeat the last one.
    let places: [usize; M] = std::array::from_fn(|i| places[i.min(places.len() - 1)]);
    let mut totals = [[V::splat(V::Number::ZERO); N]; M];
    for (address, weights) in addresses.iter().zip(weights.chunks_exact(width)) {
        let weights = &weights[at..][..N * V::LANES];
        let mut vectors = [V::splat(V::Number::ZERO); N];
        for j in 0..N {
            vectors[j] = V::load(&weights[j * V::LANES..]);
        }
        for i in 0..M {
            let a = V::splat(copy[places[i] + address]);
            for j in 0..N {
                totals[i][j] = totals[i][j].plus_product(vectors[j], a);
            }
        }
    }
    for (totals, sums) in totals.iter().zip(sums.chunks_exact_mut(width)) {
        for j in 0..N {
            totals[j].store(&mut sums[at + j * V::LANES..]);
        }
    }
}
