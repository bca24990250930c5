//! Convolutions and transposed ones, one image at a time, as PyTorch defines them. Twin of
//! `shaders/convolution.wgsl`; the CPU device itself runs `blocked/map/convolution.rs`.

use crate::network::map::Convolution;

/// `W a`: each output pixel takes the input pixels that its kernel covers. `input`: an image in C
/// order (channel, row, column), as the result is.
pub fn convolution(map: &Convolution, input: &[f64]) -> Vec<f64> {
    if map.is_transposed() { to_wide(map, input) } else { to_narrow(map, input) }
}

/// `Wᵀ d`: `delta` is an image like the outputs, and the result one like the inputs.
pub fn convolution_gradient(map: &Convolution, delta: &[f64]) -> Vec<f64> {
    if map.is_transposed() { to_narrow(map, delta) } else { to_wide(map, delta) }
}

/// Narrow pixel `(y, x)` is the sum over the taps `(i, j)` of wide pixel `(y·s − p + i·d, …)`.
fn to_narrow(map: &Convolution, wide_image: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; map.narrow().length()];
    for_each_meeting(map, |narrow, wide, w| sums[narrow] += w * wide_image[wide]);
    sums
}

/// Each narrow pixel is added to the wide pixels that it meets.
fn to_wide(map: &Convolution, narrow_image: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; map.wide().length()];
    for_each_meeting(map, |narrow, wide, w| sums[wide] += w * narrow_image[narrow]);
    sums
}

fn for_each_meeting(map: &Convolution, mut meet: impl FnMut(usize, usize, f64)) {
    let (narrow, wide, [rows, columns]) = (map.narrow(), map.wide(), map.axes());
    let narrow_in_group = narrow.channels / map.groups();
    let wide_in_group = wide.channels / map.groups();
    for channel in 0..narrow.channels {
        for y in 0..narrow.rows {
            for x in 0..narrow.columns {
                for other in 0..wide_in_group {
                    for i in 0..rows.kernel {
                        for j in 0..columns.kernel {
                            let (Some(row), Some(column)) = (
                                (y * rows.stride + i * rows.dilation).checked_sub(rows.padding),
                                (x * columns.stride + j * columns.dilation).checked_sub(columns.padding),
                            ) else {
                                continue;
                            };
                            if row < wide.rows && column < wide.columns {
                                let wide_channel = channel / narrow_in_group * wide_in_group + other;
                                let w = map.weight(channel, other, i, j);
                                meet(narrow.place(channel, y, x), wide.place(wide_channel, row, column), w);
                            }
                        }
                    }
                }
            }
        }
    }
}
