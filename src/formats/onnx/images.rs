//! Convolutions, padding and pooling of images (batch, channels, rows, columns).

use serde_json::json;

use super::arguments::Arguments;
use super::array::{Array, entries};
use super::chain::Kind;
use super::movement::list;
use super::node::Node;
use super::reader::{MOST_ENTRIES, Reader};
use super::signal::Signal;
use crate::error::Result;
use crate::formats::operations::Tensor;
use crate::network::map::resample::{AxisWeights, Pooling};

/// Most entries of a matrix along one axis.
const MOST_MATRIX: usize = 1 << 22;

/// The extents of the image of a settled value.
///
/// # Errors
/// If it is no image.
pub fn image(reader: &Reader<'_>, node: &Node, signal: &Signal) -> Result<[usize; 3]> {
    match (&signal.shape[..], signal.batch) {
        (&[_, channels, rows, columns], 0) => Ok([channels, rows, columns]),
        _ => Err(node.unsupported(
            format!("an input of shape {:?}", reader.extents(signal)),
            "an image, (batch, channels, rows, columns)",
        )),
    }
}

/// Adds a map between images.
///
/// # Errors
/// For an image that is too large.
pub fn mapped(reader: &mut Reader<'_>, node: &Node, kind: Kind, from: [usize; 3], to: [usize; 3]) -> Result<Signal> {
    if entries(&to, MOST_ENTRIES).is_none_or(|entries| entries == 0) {
        return Err(node.unsupported(format!("an output of shape {to:?}"), format!("1 to {MOST_ENTRIES} entries")));
    }
    reader.chain.map(&node.label, kind, from.to_vec(), to.to_vec());
    Ok(Signal::of(reader.chain.point, [&[1], &to[..]].concat()))
}

/// A matrix along the rows and one along the columns, each by its own lines.
///
/// # Errors
/// For matrices that are too large.
pub fn resampled(
    reader: &mut Reader<'_>,
    node: &Node,
    from: [usize; 3],
    size: [usize; 2],
    line: &dyn Fn(usize, usize) -> Vec<(usize, f64)>,
) -> Result<Signal> {
    let mut tensors = Vec::new();
    for (axis, field) in ["rows", "columns"].into_iter().enumerate() {
        let (inputs, outputs) = (from[axis + 1], size[axis]);
        if inputs.checked_mul(outputs).is_none_or(|size| size > MOST_MATRIX) {
            let expected = format!("{field} whose product is at most {MOST_MATRIX}");
            return Err(node.unsupported(format!("{inputs} and {outputs} {field}"), expected));
        }
        let mut numbers = vec![0.0; inputs * outputs];
        for output in 0..outputs {
            line(axis, output).iter().for_each(|(input, weight)| numbers[output * inputs + input] += weight);
        }
        tensors.push((field, Tensor { shape: vec![outputs, inputs], numbers }));
    }
    let kind = Kind::Other(json!({ "op": "resample" }), tensors);
    mapped(reader, node, kind, from, [from[0], size[0], size[1]])
}

/// Zeros around an image, or fewer pixels where a number is negative: above, left, below, right.
fn padded(reader: &mut Reader<'_>, node: &Node, from: [usize; 3], pads: [i64; 4]) -> Result<Signal> {
    let size = |axis: usize| {
        let size = (from[axis + 1] as i64).checked_add(pads[axis])?.checked_add(pads[axis + 2])?;
        usize::try_from(size).ok()
    };
    let (Some(rows), Some(columns)) = (size(0), size(1)) else {
        return Err(node.unsupported(format!("padding {pads:?} of an image {from:?}"), "1 or more rows and columns"));
    };
    resampled(reader, node, from, [rows, columns], &|axis, output| {
        let input = usize::try_from(output as i64 - pads[axis]).ok().filter(|input| *input < from[axis + 1]);
        input.map(|input| (input, 1.0)).into_iter().collect()
    })
}

/// `Pad` of an image with zeros.
///
/// # Errors
/// For other modes, other constants, and other axes.
pub fn pad(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    let mode = node.text("mode", "constant")?;
    if mode != "constant" || arguments.optional(2)?.and_then(Array::single).is_some_and(|number| number != 0.0) {
        return Err(node.unsupported(format!("mode {mode}, or another constant than 0"), "zeros"));
    }
    let signal = reader.settle(node, arguments.signal()?)?;
    let from = image(reader, node, &signal)?;
    let given = list(node, arguments.constant(1)?, "pads")?;
    let along = match arguments.optional(3)? {
        Some(axes) => list(node, axes, "axes")?,
        None => (0..4).collect(),
    };
    let mut pads = [0; 8];
    if given.len() != 2 * along.len() {
        return Err(node.unsupported(format!("pads {given:?}"), "two numbers per axis"));
    }
    for (place, axis) in along.iter().enumerate() {
        let axis = super::movement::axis(node, *axis, 4)?;
        (pads[axis], pads[axis + 4]) = (given[place], given[place + along.len()]);
    }
    let [0, 0, top, left, 0, 0, bottom, right] = pads else {
        return Err(node.unsupported(format!("pads {given:?}"), "padding of rows and columns alone"));
    };
    if pads == [0; 8] {
        return Ok(signal);
    }
    padded(reader, node, from, [top, left, bottom, right])
}

/// Paddings of a convolution or a pooling: above, left, below, right. `window`: the reach of the
/// kernel; for `SAME` the output has `⌈n / stride⌉` pixels.
fn paddings(node: &Node, from: [usize; 3], window: [usize; 2], stride: [usize; 2]) -> Result<[usize; 4]> {
    let mode = node.text("auto_pad", "NOTSET")?;
    match mode {
        "NOTSET" => node.sizes("pads", [0; 4]),
        "VALID" => Ok([0; 4]),
        "SAME_UPPER" | "SAME_LOWER" => {
            let mut pads = [0; 4];
            for axis in 0..2 {
                let outputs = from[axis + 1].div_ceil(stride[axis].max(1));
                let total = ((outputs.max(1) - 1) * stride[axis] + window[axis]).saturating_sub(from[axis + 1]);
                let (less, more) = (total / 2, total.div_ceil(2));
                (pads[axis], pads[axis + 2]) = if mode == "SAME_UPPER" { (less, more) } else { (more, less) };
            }
            Ok(pads)
        }
        other => Err(node.unsupported(format!("auto_pad {other}"), "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    }
}

/// `Conv` and `ConvTranspose` with a constant kernel.
///
/// # Errors
/// For sizes that do not fit, and for other dimensions than two.
pub fn convolution(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    let kernel = arguments.constant(1)?;
    let &[first, second, rows, columns] = &kernel.shape[..] else {
        return Err(node.unsupported(format!("a weight of shape {:?}", kernel.shape), "four axes, for images"));
    };
    let size = [rows, columns];
    let (stride, dilation) = (node.sizes("strides", [1; 2])?, node.sizes("dilations", [1; 2])?);
    let groups = usize::try_from(node.integer("group", 1)?).unwrap_or(0);
    let mut signal = reader.settle(node, arguments.signal()?)?;
    let mut from = image(reader, node, &signal)?;
    let is_transposed = node.op == "ConvTranspose";
    let positive = [first, second, rows, columns, groups, stride[0], stride[1], dilation[0], dilation[1]];
    let inputs = if is_transposed { Some(first) } else { second.checked_mul(groups) };
    let divided = first.checked_rem(groups) == Some(0);
    if positive.contains(&0) || inputs != Some(from[0]) || !divided || node.sizes("kernel_shape", size)? != size {
        let found = format!(
            "an image {from:?}, a weight of shape {:?}, strides {stride:?}, dilations {dilation:?}, group {groups}",
            kernel.shape
        );
        let layout =
            if is_transposed { "(in, out / group, rows, columns)" } else { "(out, in / group, rows, columns)" };
        return Err(node.unsupported(found, format!("a weight {layout}, and numbers of 1 or more")));
    }
    let window = [0, 1].map(|axis| dilation[axis].saturating_mul(size[axis] - 1).saturating_add(1));
    let outputs = if is_transposed { second.saturating_mul(groups) } else { first };
    let bias = match arguments.optional(2)? {
        Some(bias) if bias.len() != outputs => {
            let found = format!("a bias of shape {:?}", bias.shape);
            return Err(node.unsupported(found, format!("{outputs} numbers, one per output channel")));
        }
        bias => bias.map(|bias| ("bias", Tensor { shape: vec![outputs], numbers: bias.numbers() })),
    };
    let mut tensors = vec![("weight", Tensor { shape: kernel.shape.clone(), numbers: kernel.numbers() })];
    tensors.extend(bias);
    if is_transposed {
        return transposed(reader, node, from, outputs, [stride, dilation, window], groups, tensors);
    }
    let [top, left, bottom, right] = paddings(node, from, window, stride)?;
    let mut padding = [top, left];
    if padding != [bottom, right] {
        signal = padded(reader, node, from, [top, left, bottom, right].map(|number| number as i64))?;
        (from, padding) = (image(reader, node, &signal)?, [0; 2]);
    }
    let mut to = [outputs, 0, 0];
    for axis in 0..2 {
        let room = from[axis + 1].saturating_add(2 * padding[axis]).checked_sub(window[axis]);
        let Some(room) = room else {
            return Err(node.unsupported(
                format!("a kernel that reaches over {window:?} of an image {from:?}"),
                "a smaller kernel",
            ));
        };
        to[axis + 1] = room / stride[axis] + 1;
    }
    let fields = json!({
        "op": "conv2d", "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
    });
    mapped(reader, node, Kind::Other(fields, tensors), from, to)
}

/// A transposed convolution. `settings`: strides, dilations and the reach of the kernel.
fn transposed(
    reader: &mut Reader<'_>,
    node: &Node,
    from: [usize; 3],
    outputs: usize,
    settings: [[usize; 2]; 3],
    groups: usize,
    tensors: Vec<(&'static str, Tensor)>,
) -> Result<Signal> {
    let [stride, dilation, window] = settings;
    let extra = node.sizes("output_padding", [0; 2])?;
    let mode = node.text("auto_pad", "NOTSET")?;
    // The whole of what the kernel reaches, without padding.
    let whole = [0, 1].map(|axis| {
        (from[axis + 1] - 1).saturating_mul(stride[axis]).saturating_add(window[axis]).saturating_add(extra[axis])
    });
    let stated = match node.integers("output_shape")? {
        Some(shape) => {
            Some(shape.iter().rev().take(2).rev().map(|extent| usize::try_from(*extent).unwrap_or(0)).collect())
        }
        None if mode.starts_with("SAME") => {
            Some(vec![from[1].saturating_mul(stride[0]), from[2].saturating_mul(stride[1])])
        }
        None => None,
    };
    let mut cut = [0_i64; 4];
    match stated.as_deref() {
        Some(&[rows, columns]) => {
            for (axis, wanted) in [rows, columns].into_iter().enumerate() {
                let total = whole[axis] as i64 - wanted as i64;
                // By ONNX: with SAME_UPPER the odd one is at the end.
                let (less, more) = (total.div_euclid(2), total - total.div_euclid(2));
                (cut[axis], cut[axis + 2]) = if mode == "SAME_UPPER" { (less, more) } else { (more, less) };
            }
        }
        Some(_) => return Err(node.unsupported("an output_shape of other axes", "two numbers")),
        None if matches!(mode, "NOTSET" | "VALID") => cut = node.sizes("pads", [0; 4])?.map(|number| number as i64),
        None => return Err(node.unsupported(format!("auto_pad {mode}"), "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    }
    // Torch's words: as much padding at both ends, and some more pixels at the end.
    let more = [0, 1].map(|axis| extra[axis] as i64 + cut[axis] - cut[axis + 2]);
    let is_symmetric =
        (0..2).all(|axis| cut[axis] >= 0 && (0..stride[axis].max(dilation[axis]) as i64).contains(&more[axis]));
    let (padding, output_padding, rest) = if is_symmetric {
        ([cut[0], cut[1]], more.map(|more| more as usize), [0; 4])
    } else {
        ([0; 2], extra, cut.map(|cut| -cut))
    };
    let mut to = [outputs, 0, 0];
    for axis in 0..2 {
        let size = whole[axis] as i64 - extra[axis] as i64 - 2 * padding[axis] + output_padding[axis] as i64;
        if size < 1 || output_padding[axis] >= stride[axis].max(dilation[axis]) {
            return Err(node.unsupported(
                format!("pads {cut:?} and output_padding {extra:?} of an output {whole:?}"),
                "1 or more rows and columns, and an output_padding below the stride or the dilation",
            ));
        }
        to[axis + 1] = size as usize;
    }
    let fields = json!({
        "op": "conv_transpose2d", "stride": stride, "padding": padding, "output_padding": output_padding,
        "dilation": dilation, "groups": groups,
    });
    let signal = mapped(reader, node, Kind::Other(fields, tensors), from, to)?;
    if rest == [0; 4] { Ok(signal) } else { padded(reader, node, to, rest) }
}

/// Means of all pixels of each channel.
///
/// # Errors
/// If it is no image.
pub fn means(reader: &mut Reader<'_>, node: &Node, signal: &Signal) -> Result<Signal> {
    let from = image(reader, node, signal)?;
    let fields = json!({ "op": "adaptive_avg_pool2d", "output_size": [1, 1] });
    mapped(reader, node, Kind::Other(fields, Vec::new()), from, [from[0], 1, 1])
}

/// `AveragePool` and `GlobalAveragePool`.
///
/// # Errors
/// For dilations, and for sizes that do not fit.
pub fn pool(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    let signal = reader.settle(node, arguments.signal()?)?;
    if node.op == "GlobalAveragePool" {
        return means(reader, node, &signal);
    }
    let from = image(reader, node, &signal)?;
    let (kernel, stride) = (node.sizes("kernel_shape", [0; 2])?, node.sizes("strides", [1; 2])?);
    if node.sizes("dilations", [1; 2])? != [1; 2] || kernel.contains(&0) || stride.contains(&0) {
        return Err(
            node.unsupported(format!("kernel {kernel:?} and strides {stride:?}"), "1 or more, and dilations of 1")
        );
    }
    let [top, left, bottom, right] = paddings(node, from, kernel, stride)?;
    // With SAME, the padding is that of the image's extent over the stride, rounded up.
    let is_same = node.text("auto_pad", "NOTSET")?.starts_with("SAME");
    let ceil_mode = node.integer("ceil_mode", 0)? != 0 && !is_same;
    let counts_padding = node.integer("count_include_pad", 0)? != 0;
    let refused = || node.unsupported(format!("kernel {kernel:?} of an image {from:?}"), "a kernel within the image");
    if [top, left] == [bottom, right] && (0..2).all(|axis| [top, left][axis] <= kernel[axis] / 2) {
        let mut to = from;
        for axis in 0..2 {
            let pooling = Pooling {
                kernel: kernel[axis],
                stride: stride[axis],
                padding: [top, left][axis],
                ceil_mode,
                counts_padding,
            };
            to[axis + 1] = AxisWeights::pooled(from[axis + 1], pooling).ok_or_else(refused)?.rows().len();
        }
        let fields = json!({
            "op": "avg_pool2d", "kernel_size": kernel, "stride": stride, "padding": [top, left], "ceil_mode": ceil_mode,
            "count_include_pad": counts_padding,
        });
        return mapped(reader, node, Kind::Other(fields, Vec::new()), from, to);
    }
    let (before, behind) = ([top, left], [bottom, right]);
    let mut size = [0; 2];
    for axis in 0..2 {
        let room = (from[axis + 1] + before[axis] + behind[axis]).checked_sub(kernel[axis]).ok_or_else(refused)?;
        size[axis] = if ceil_mode { room.div_ceil(stride[axis]) } else { room / stride[axis] } + 1;
        // A mean starts inside the image or its first padding.
        while size[axis] > 1 && (size[axis] - 1) * stride[axis] >= from[axis + 1] + before[axis] {
            size[axis] -= 1;
        }
    }
    resampled(reader, node, from, size, &|axis, output| {
        let start = output * stride[axis];
        let inside = start.max(before[axis])..(start + kernel[axis]).min(before[axis] + from[axis + 1]);
        // Beyond the padding there is nothing to count.
        let end = (start + kernel[axis]).min(before[axis] + from[axis + 1] + behind[axis]);
        let count = if counts_padding { end - start } else { inside.len() };
        inside.map(|place| (place - before[axis], 1.0 / count as f64)).collect()
    })
}
