//! `Resize` of images: by torch's rules in files of torch's exporters, by those of ONNX in others.
//! They differ where torch's own have no name in ONNX.

use serde_json::json;

use super::arguments::Arguments;
use super::array::Array;
use super::chain::Kind;
use super::images::{image, mapped, resampled};
use super::movement::list;
use super::node::{Node, shortest};
use super::reader::Reader;
use crate::error::Result;

use super::signal::Signal;

/// Most rows or columns of an output.
const MOST: usize = 1 << 16;

/// Adds a resampling.
///
/// # Errors
/// For other modes than nearest and linear, and for other axes than those of the image.
pub fn resize(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    let signal = reader.settle(node, arguments.signal()?)?;
    let from = image(reader, node, &signal)?;
    let is_old = node.op == "Upsample";
    let mode = node.text("mode", "nearest")?;
    let transformation =
        node.text("coordinate_transformation_mode", if is_old { "asymmetric" } else { "half_pixel" })?;
    let rounding = node.text("nearest_mode", if is_old { "floor" } else { "round_prefer_floor" })?;
    let is_nearest = mode == "nearest";
    let known = [
        "half_pixel",
        "pytorch_half_pixel",
        "half_pixel_symmetric",
        "align_corners",
        "asymmetric",
        "tf_half_pixel_for_nn",
    ];
    let others = node.integer("antialias", 0)? != 0 || node.text("keep_aspect_ratio_policy", "stretch")? != "stretch";
    if !(is_nearest || mode == "linear") || !known.contains(&transformation) || others {
        return Err(node.unsupported(
            format!("mode {mode} with {transformation}"),
            "nearest or linear, without antialias, crops and kept aspect ratios",
        ));
    }
    let (size, scales) = target(reader, arguments, &signal, is_old)?;
    let is_torch = reader.model.producer == "pytorch";
    let is_torch_linear = mode == "linear" && transformation != "asymmetric" && !transformation.contains("symmetric");
    let is_torch_nearest = is_nearest && transformation == "asymmetric" && rounding == "floor";
    if is_torch && (is_torch_linear || is_torch_nearest) {
        let mut fields = json!({ "op": "upsample", "size": size });
        fields["mode"] = json!(if is_nearest { "nearest" } else { "bilinear" });
        if transformation == "align_corners" {
            fields["align_corners"] = json!(true);
        } else if let Some(scales) = scales {
            fields["scale_factor"] = json!(scales);
        }
        return mapped(reader, node, Kind::Other(fields, Vec::new()), from, [from[0], size[0], size[1]]);
    }
    let line = |axis: usize, output: usize| {
        let (inputs, outputs) = (from[axis + 1], size[axis]);
        let scale = scales.map_or(outputs as f64 / inputs as f64, |scales| scales[axis]);
        let place = coordinate(transformation, output, inputs, outputs, scale);
        let last = inputs as f64 - 1.0;
        if is_nearest {
            let rounded = match rounding {
                "round_prefer_floor" => (place - 0.5).ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                "ceil" => place.ceil(),
                _ => place.floor(),
            };
            return vec![(rounded.clamp(0.0, last) as usize, 1.0)];
        }
        let (below, share) = (place.floor(), place - place.floor());
        let at = |place: f64| place.clamp(0.0, last) as usize;
        vec![(at(below), 1.0 - share), (at(below + 1.0), share)]
    };
    resampled(reader, node, from, size, &line)
}

/// Where an output pixel lies in the input, by ONNX's definitions.
fn coordinate(transformation: &str, output: usize, inputs: usize, outputs: usize, scale: f64) -> f64 {
    let (x, inputs, outputs) = (output as f64, inputs as f64, outputs as f64);
    match transformation {
        "align_corners" if outputs == 1.0 => 0.0,
        "align_corners" => x * (inputs - 1.0) / (outputs - 1.0),
        "asymmetric" => x / scale,
        "tf_half_pixel_for_nn" => (x + 0.5) / scale,
        "pytorch_half_pixel" if outputs == 1.0 => 0.0,
        "half_pixel_symmetric" => {
            let adjustment = outputs / (scale * inputs);
            inputs / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
        }
        _ => (x + 0.5) / scale - 0.5,
    }
}

/// The rows and columns of the output, and the factors if the file gives them.
fn target(
    reader: &Reader<'_>,
    arguments: &Arguments<'_, '_>,
    signal: &Signal,
    is_old: bool,
) -> Result<([usize; 2], Option<[f64; 2]>)> {
    let node = arguments.node;
    let given = |place: usize| arguments.optional(place).map(|array| array.filter(|array| array.len() > 0));
    let (scales, sizes) = if is_old { (given(1)?, None) } else { (given(2)?, given(3)?) };
    let along: Vec<usize> = match node.integers("axes")? {
        Some(axes) => axes.iter().map(|place| super::movement::axis(node, *place, 4)).collect::<Result<_>>()?,
        None => (0..4).collect(),
    };
    let mut size = [signal.shape[2], signal.shape[3]];
    let mut factors = [1.0; 2];
    let extents = reader.extents(signal);
    let refused = |what: &str, array: &Array| {
        node.unsupported(
            format!("{what} {:?}", array.numbers()),
            format!("other sizes of rows and columns alone, up to {MOST}"),
        )
    };
    match (scales, sizes) {
        (_, Some(sizes)) => {
            let numbers = list(node, sizes, "sizes")?;
            if numbers.len() != along.len() {
                return Err(refused("sizes", sizes));
            }
            for (axis, number) in along.iter().zip(numbers) {
                match axis {
                    2 | 3 => size[axis - 2] = usize::try_from(number).unwrap_or(0),
                    _ if number == extents[*axis] => {}
                    _ => return Err(refused("sizes", sizes)),
                }
            }
            check(node, size, refused("sizes", sizes))?;
            Ok((size, None))
        }
        (Some(scales), None) => {
            let numbers = scales.numbers();
            if numbers.len() != along.len() {
                return Err(refused("scales", scales));
            }
            for (axis, number) in along.iter().zip(numbers) {
                // They are f32; 2.06 is meant, not 2.0599999.
                let number = if f64::from(number as f32) == number { shortest(number as f32) } else { number };
                match axis {
                    2 | 3 => {
                        factors[axis - 2] = number;
                        size[axis - 2] = (size[axis - 2] as f64 * number).floor() as usize;
                    }
                    _ if number == 1.0 => {}
                    _ => return Err(refused("scales", scales)),
                }
            }
            check(node, size, refused("scales", scales))?;
            Ok((size, Some(factors)))
        }
        (None, None) => Err(node.unsupported("neither scales nor sizes", "one of them, constant")),
    }
}

fn check(_: &Node, size: [usize; 2], refused: crate::error::Error) -> Result<()> {
    if size.iter().all(|size| (1..=MOST).contains(size)) { Ok(()) } else { Err(refused) }
}
