//! Convolutions as the kernel `convolve` computes them: as phases. A phase is a set of output
//! pixels at equal distances, and the taps that reach all of them: an offset to an input pixel, and
//! a matrix between the channels.
//!
//! From the wide image to the narrow one there is one phase. From narrow to wide there is one for
//! each remainder of rows and columns by the stride: the entries of the kernel whose distance to
//! the pixels of a phase is a multiple of the stride.

use super::buffers::padded_length;
use crate::network::map::{Convolution, ImageShape};

/// One phase, on the host.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phase {
    /// Output pixels: rows and columns.
    pub pixels: [usize; 2],
    /// The first output pixel.
    pub first: [usize; 2],
    /// From one output pixel to the next.
    pub stride: [usize; 2],
    /// From one input pixel to the next.
    pub step: [usize; 2],
    /// The offset of each tap from the input pixel, and its place in the kernel.
    pub taps: Vec<([i64; 2], [usize; 2])>,
}

/// Along one axis: first output pixel, number of them, stride, step, and the taps.
type AxisPhase = (usize, usize, usize, usize, Vec<(i64, usize)>);

impl Phase {
    /// The phases of the map from the wide image to the narrow one, or of its transpose.
    pub fn all(map: &Convolution, to_wide: bool) -> Vec<Phase> {
        let (wide, narrow) = (map.wide(), map.narrow());
        let lengths = [(wide.rows, narrow.rows), (wide.columns, narrow.columns)];
        let [rows, columns] = [0, 1].map(|axis| {
            let (wide, narrow) = lengths[axis];
            let settings = map.axes()[axis];
            let [stride, padding, dilation] =
                [settings.stride, settings.padding, settings.dilation].map(|length| length as i64);
            let taps = 0..settings.kernel;
            if !to_wide {
                let taps = taps.map(|tap| (tap as i64 * dilation - padding, tap)).collect();
                return vec![(0, narrow, 1, settings.stride, taps)];
            }
            let phase = |first: usize| -> AxisPhase {
                // Entry `narrow · s − p + tap · d` of the wide axis is `first + s · t`.
                let distance = |tap: usize| first as i64 + padding - tap as i64 * dilation;
                let reaching = taps.clone().filter(|tap| distance(*tap).rem_euclid(stride) == 0);
                let taps = reaching.map(|tap| (distance(tap).div_euclid(stride), tap)).collect();
                (first, (wide - first).div_ceil(settings.stride), settings.stride, 1, taps)
            };
            (0..settings.stride.min(wide)).map(phase).collect::<Vec<AxisPhase>>()
        });
        let both = |row: &AxisPhase, column: &AxisPhase| Phase {
            pixels: [row.1, column.1],
            first: [row.0, column.0],
            stride: [row.2, column.2],
            step: [row.3, column.3],
            taps: (row.4.iter()).flat_map(|(y, i)| column.4.iter().map(move |(x, j)| ([*y, *x], [*i, *j]))).collect(),
        };
        rows.iter().flat_map(|row| columns.iter().map(move |column| both(row, column))).collect()
    }

    /// The matrices of the taps, `[tap · input channel][output channel]`, both filled up to whole
    /// quads with zeros. Between channels of different groups there are zeros, too.
    pub fn weights(&self, map: &Convolution, to_wide: bool) -> Vec<f32> {
        let [narrow, wide] = [map.narrow().channels, map.wide().channels];
        let [narrow_in_group, wide_in_group] = [narrow, wide].map(|channels| channels / map.groups());
        let (inputs, outputs) = if to_wide { (narrow, wide) } else { (wide, narrow) };
        let (inputs, outputs) = (padded_length(inputs), padded_length(outputs));
        let mut weights = vec![0.0; self.taps.len() * inputs * outputs];
        for (tap, (_, [i, j])) in self.taps.iter().enumerate() {
            for channel in 0..narrow {
                for other in 0..wide_in_group {
                    let wide = channel / narrow_in_group * wide_in_group + other;
                    let (input, output) = if to_wide { (channel, wide) } else { (wide, channel) };
                    weights[(tap * inputs + input) * outputs + output] = map.weight(channel, other, *i, *j) as f32;
                }
            }
        }
        weights
    }

    /// The offsets of the taps, modulo 2³².
    pub fn offsets(&self) -> Vec<[u32; 2]> {
        self.taps.iter().map(|(offset, _)| offset.map(|length| length as u32)).collect()
    }

    /// Multiplications on the device, with the padding of the channels.
    pub fn products(&self, input: ImageShape, output: ImageShape) -> usize {
        let channels = padded_length(input.channels) * padded_length(output.channels);
        self.pixels[0] * self.pixels[1] * self.taps.len() * channels
    }
}
