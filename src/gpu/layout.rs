//! How a vector lies on the device. A plain vector is as on the host, filled up to whole quads. An
//! image has its channels innermost, filled up to whole quads in each pixel, so that a kernel loads
//! four channels of a pixel at once.

use rayon::prelude::*;

use super::buffers::{narrowed_columns, padded_length, widen_columns};
use crate::network::Network;
use crate::network::map::ImageShape;

/// The layout of the code, of a vector between two layers, or of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    length: usize,
    /// Of an image of more than one pixel.
    image: Option<ImageShape>,
}

impl Layout {
    /// The layouts of the code and of each layer's output. Images that are read in another shape
    /// than they are written have none ([`Network::gpu_obstacle`]): all are plain then.
    pub fn of(network: &Network) -> Vec<Self> {
        let mut lengths = vec![network.code_length()];
        lengths.extend(network.layers().iter().map(|layer| layer.units()));
        let shapes = network.image_shapes().unwrap_or_else(|_| vec![None; lengths.len()]);
        lengths.into_iter().zip(shapes).map(|(length, image)| Layout { length, image }).collect()
    }

    /// Whether it is a plain vector.
    pub fn is_plain(&self) -> bool {
        self.image.is_none()
    }

    /// The number of entries as kernels count them: with the padding of each pixel.
    pub fn entries(&self) -> usize {
        self.image.map_or(self.length, |shape| padded_length(shape.channels) * shape.rows * shape.columns)
    }

    /// Words on the device: whole quads.
    pub fn words(&self) -> usize {
        padded_length(self.entries())
    }

    /// Where an entry of the host's vector lies on the device.
    pub fn place(&self, entry: usize) -> usize {
        match self.image {
            None => entry,
            Some(shape) => {
                let pixels = shape.rows * shape.columns;
                entry % pixels * padded_length(shape.channels) + entry / pixels
            }
        }
    }

    /// Columns of the host's vectors in f32, in this layout, filled up with `padding`.
    pub fn narrowed(&self, columns: &[f64], padding: f32) -> Vec<f32> {
        if self.is_plain() {
            return narrowed_columns(columns, self.length, padding);
        }
        let mut narrowed = vec![padding; columns.len() / self.length * self.words()];
        narrowed.par_chunks_exact_mut(self.words()).zip(columns.par_chunks_exact(self.length)).for_each(
            |(to, from)| {
                for (entry, number) in from.iter().enumerate() {
                    to[self.place(entry)] = *number as f32;
                }
            },
        );
        narrowed
    }

    /// The reverse of [`Self::narrowed`], from bytes that may be unaligned.
    pub fn widen(&self, bytes: &[u8], columns: &mut [f64]) {
        if self.is_plain() {
            return widen_columns(bytes, self.length, columns);
        }
        columns.par_chunks_exact_mut(self.length).zip(bytes.par_chunks_exact(4 * self.words())).for_each(
            |(to, from)| {
                for (entry, number) in to.iter_mut().enumerate() {
                    let at = 4 * self.place(entry);
                    *number = f64::from(f32::from_ne_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]));
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_channels_innermost_and_comes_back() {
        let shape = ImageShape { channels: 3, rows: 1, columns: 2 };
        let image = Layout { length: 6, image: Some(shape) };
        assert_eq!((image.entries(), image.words(), image.is_plain()), (8, 8, false));
        let columns: Vec<f64> = (1..=12).map(f64::from).collect();
        let narrowed = image.narrowed(&columns, -1.0);
        assert_eq!(narrowed, [1.0, 3.0, 5.0, -1.0, 2.0, 4.0, 6.0, -1.0, 7.0, 9.0, 11.0, -1.0, 8.0, 10.0, 12.0, -1.0]);
        let mut back = vec![0.0; 12];
        image.widen(bytemuck::cast_slice(&narrowed), &mut back);
        assert_eq!(back, columns);
    }

    #[test]
    fn a_plain_vector_stays_as_it_is() {
        let plain = Layout { length: 5, image: None };
        assert_eq!((plain.entries(), plain.words(), plain.place(3)), (5, 8, 3));
        assert_eq!(plain.narrowed(&[1.0; 5], 0.0), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
