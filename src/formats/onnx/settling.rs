//! Makes a moved or summed value the chain's current vector, so that a map can follow.
//!
//! A movement is taken into a matrix before it where only entrywise steps stand between. Otherwise
//! it is written as a map that the list of operations has: a convolution with one 1 per output, or
//! a resampling by two small matrices; a small one also as a matrix.

use serde_json::json;

use super::chain::{Chain, Kind, Step};
use super::signal::{Form, Rows, Signal, inverse};
use crate::formats::operations::Tensor;

/// Most entries of a matrix that is written out for a movement.
const MOST: usize = 1 << 22;

/// Makes the value the current vector. `None` where no map does it.
pub fn settled(chain: &mut Chain, label: &str, signal: &Signal) -> Option<Signal> {
    match &signal.form {
        Form::InOrder => return Some(signal.clone()),
        // Movements that cancel.
        Form::Moved(order) if is_in_order(order, chain.entries()) => {}
        Form::Moved(order) => move_entries(chain, label, order, &signal.entry_shape())?,
        Form::Sums(rows) => {
            let input = chain.shape_behind(chain.steps.len()).to_vec();
            let step = resampling(&input, &signal.entry_shape(), rows).or_else(|| matrix(&input, rows))?;
            chain.map(label, step.0, step.1, step.2);
        }
    }
    Some(Signal { point: chain.point, form: Form::InOrder, ..signal.clone() })
}

/// Whether these are all entries, each at its own place.
fn is_in_order(order: &[u32], entries: usize) -> bool {
    order.len() == entries && order.iter().enumerate().all(|(place, from)| place == *from as usize)
}

/// A kind, the shape that it takes, and the shape that it makes.
type Mapped = (Kind, Vec<usize>, Vec<usize>);

fn move_entries(chain: &mut Chain, label: &str, order: &[u32], shape: &[usize]) -> Option<()> {
    // A single number has no extents, but a vector of one entry.
    let single = [order.len()];
    let shape = if shape.is_empty() { &single } else { shape };
    // Entrywise steps and movements may change places.
    let first = chain.steps.iter().rposition(|step| step.input.is_some()).map_or(0, |place| place + 1);
    let input = chain.shape_behind(first).to_vec();
    let before = first.checked_sub(1);
    let is_small = |weight: &Vec<f64>, units: usize| {
        (weight.len() / units).checked_mul(order.len()).is_some_and(|size| size <= MOST.max(2 * weight.len()))
    };
    match before.map(|before| &mut chain.steps[before]) {
        Some(Step { kind: Kind::Linear { weight, bias }, output: Some(output), .. })
            if is_small(weight, output.iter().product()) =>
        {
            let inputs = weight.len() / output.iter().product::<usize>();
            *weight = order.iter().flat_map(|unit| &weight[*unit as usize * inputs..][..inputs]).copied().collect();
            if let Some(bias) = bias {
                *bias = picked(bias, order);
            }
            *output = shape.to_vec();
        }
        _ => {
            let rows: Rows = order.iter().map(|place| vec![(*place, 1.0)]).collect();
            let (kind, from, to) = shuffle(&input, shape, order)
                .or_else(|| resampling(&input, shape, &rows))
                .or_else(|| matrix(&input, &rows))?;
            let label = label.to_owned();
            chain.steps.insert(first, Step { label, kind, input: Some(from), output: Some(to) });
        }
    }
    for step in chain.steps.iter_mut().skip(first) {
        match &mut step.kind {
            Kind::Affine { factors, shifts } => {
                *factors = picked(factors, order);
                *shifts = picked(shifts, order);
            }
            Kind::Slopes(slopes) => *slopes = picked(slopes, order),
            _ => {}
        }
    }
    chain.point += 1;
    Some(())
}

/// The numbers in another order; one for all stays.
fn picked(numbers: &[f64], order: &[u32]) -> Vec<f64> {
    if numbers.len() == 1 { numbers.to_vec() } else { order.iter().map(|place| numbers[*place as usize]).collect() }
}

/// The shapes of images that the entries of `shape` may be taken for: its own, and an image with
/// the channels last as one channel.
fn images(shape: &[usize]) -> Vec<[usize; 3]> {
    match shape[..] {
        [a, b, c] => [a, b, c].checked_product().map_or(Vec::new(), |_| vec![[a, b, c], [1, a, b * c]]),
        [a, b] => vec![[a, b, 1], [1, a, b]],
        [a] => vec![[a, 1, 1]],
        _ => Vec::new(),
    }
}

/// A product that may be too large.
trait CheckedProduct {
    fn checked_product(&self) -> Option<usize>;
}

impl CheckedProduct for [usize; 3] {
    fn checked_product(&self) -> Option<usize> {
        self.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
    }
}

/// A permutation between channels and pixels: a transposed convolution from channels to pixels, or
/// a convolution from pixels to channels. Channels last and channels first are such.
fn shuffle(input: &[usize], output: &[usize], order: &[u32]) -> Option<Mapped> {
    let back = inverse(order, input.iter().product())?;
    for from in images(input) {
        for to in images(output) {
            let pairs = [(from, to, order, "conv_transpose2d"), (to, from, &back[..], "conv2d")];
            for (wide, large, order, op) in pairs {
                if let Some((kernel, [rows, columns])) = blocks(wide, large, order) {
                    let fields = json!({ "op": op, "stride": [rows, columns] });
                    let tensor = Tensor { shape: vec![wide[0], large[0], rows, columns], numbers: kernel };
                    return Some((Kind::Other(fields, vec![("weight", tensor)]), from.to_vec(), to.to_vec()));
                }
            }
        }
    }
    None
}

/// The kernel (channels of `wide`, channels of `large`, rows, columns) with which a transposed
/// convolution puts each pixel of `wide` into its block of `large`, if the order is that.
fn blocks(wide: [usize; 3], large: [usize; 3], order: &[u32]) -> Option<(Vec<f64>, [usize; 2])> {
    let [channels, height, width] = wide;
    let [own, rows, columns] = [large[0], large[1] / height, large[2] / width];
    let is_fitting = rows * height == large[1] && columns * width == large[2] && channels == own * rows * columns;
    if !is_fitting || channels.checked_mul(channels).is_none_or(|size| size > MOST) {
        return None;
    }
    let mut kernel = vec![0.0; channels * channels];
    let at = |channel: usize, row: usize, column: usize| (channel * large[1] + row) * large[2] + column;
    for channel in 0..own {
        for row in 0..rows {
            for column in 0..columns {
                let first = order[at(channel, row, column)] as usize;
                let (from, rest) = (first / (height * width), first % (height * width));
                let is_shifted = (0..height * width).all(|place| {
                    let (y, x) = (place / width, place % width);
                    order[at(channel, y * rows + row, x * columns + column)] as usize == first + place
                });
                if rest != 0 || !is_shifted {
                    return None;
                }
                kernel[((from * own + channel) * rows + row) * columns + column] = 1.0;
            }
        }
    }
    Some((kernel, [rows, columns]))
}

/// Sums along the rows and along the columns of every channel, the same for all channels.
fn resampling(input: &[usize], output: &[usize], rows: &Rows) -> Option<Mapped> {
    let ([channels, height, width], [kept, new_height, new_width]) =
        (<[usize; 3]>::try_from(input).ok()?, <[usize; 3]>::try_from(output).ok()?);
    let (pixels, new_pixels) = (height * width, new_height * new_width);
    let sizes = [height.checked_mul(new_height)?, width.checked_mul(new_width)?];
    if channels != kept || new_pixels == 0 || sizes.iter().any(|size| *size > MOST) {
        return None;
    }
    // The weights of one output pixel, along the rows and along the columns.
    let sums = |pixel: usize| -> Option<[Vec<f64>; 2]> {
        let mut sums = [vec![0.0; height], vec![0.0; width]];
        for (place, weight) in &rows[pixel] {
            let place = *place as usize;
            if place >= pixels {
                return None;
            }
            sums[0][place / width] += weight;
            sums[1][place % width] += weight;
        }
        Some(sums)
    };
    let mut vertical = Vec::new();
    for row in 0..new_height {
        vertical.extend(sums(row * new_width)?[0].iter());
    }
    let mut horizontal = Vec::new();
    for column in 0..new_width {
        horizontal.extend(sums(column)?[1].iter());
    }
    // Both have the weights of means, whose sums are 1; other sums are checked below.
    for (entry, given) in rows.iter().enumerate() {
        let (channel, pixel) = (entry / new_pixels, entry % new_pixels);
        let (row, column) = (pixel / new_width, pixel % new_width);
        let mut total = 0.0_f64;
        for (place, weight) in given {
            let place = (*place as usize).checked_sub(channel * pixels).filter(|place| *place < pixels)?;
            let product: f64 = vertical[row * height + place / width] * horizontal[column * width + place % width];
            if (product - weight).abs() > 1e-12 * weight.abs() {
                return None;
            }
            total += weight;
        }
        let [down, across]: [f64; 2] =
            [vertical[row * height..][..height].iter().sum(), horizontal[column * width..][..width].iter().sum()];
        if (down * across - total).abs() > 1e-9 {
            return None;
        }
    }
    let tensors = vec![
        ("rows", Tensor { shape: vec![new_height, height], numbers: vertical }),
        ("columns", Tensor { shape: vec![new_width, width], numbers: horizontal }),
    ];
    Some((Kind::Other(json!({ "op": "resample" }), tensors), input.to_vec(), output.to_vec()))
}

/// The sums as a matrix, if it is small.
fn matrix(input: &[usize], rows: &Rows) -> Option<Mapped> {
    let inputs: usize = input.iter().product();
    inputs.checked_mul(rows.len()).filter(|size| *size <= MOST)?;
    let mut weight = vec![0.0; inputs * rows.len()];
    for (row, entries) in rows.iter().enumerate() {
        entries.iter().for_each(|(place, number)| weight[row * inputs + *place as usize] += number);
    }
    Some((Kind::Linear { weight, bias: None }, vec![inputs], vec![rows.len()]))
}
