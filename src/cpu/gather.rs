//! Resampling and scales, one vector at a time. Twin of `shaders/gather.wgsl`; the CPU device
//! itself runs `blocked/map/resample.rs`.

use crate::network::Map;
use crate::network::map::Resample;

/// `W a` of a resampling or a scale; `None` of another map.
pub fn gather(map: &Map, input: &[f64]) -> Option<Vec<f64>> {
    match map {
        Map::Resample(map) => Some(resampled(map, input)),
        Map::Diagonal(factors) => Some(factors.iter().zip(input).map(|(factor, a)| factor * a).collect()),
        _ => None,
    }
}

/// Each output is a weighted sum of the inputs of its channel.
fn resampled(map: &Resample, image: &[f64]) -> Vec<f64> {
    let (input, output, [rows, columns]) = (map.input(), map.output(), map.axes());
    let mut sums = vec![0.0; output.length()];
    for channel in 0..output.channels {
        for (row, above) in rows.rows().iter().enumerate() {
            for (column, beside) in columns.rows().iter().enumerate() {
                let sum = &mut sums[output.place(channel, row, column)];
                for (from_row, v) in above {
                    for (from_column, w) in beside {
                        *sum += v * w * image[input.place(channel, *from_row, *from_column)];
                    }
                }
            }
        }
    }
    sums
}
