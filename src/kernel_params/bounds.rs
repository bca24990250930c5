//! How far each entry point indexes its storage buffers: the number of words (four bytes) of each,
//! in the order of its bindings, computed from its parameters and its number of workgroups.
//!
//! The host compares these with the buffers that it binds (`gpu/kernel.rs`), and the proof there,
//! that no kernel leaves its buffers, rests on them. A new index in a shader needs its bound here.
//!
//! # Panics
//! All functions do, if the parameters contradict each other, such as more active words than rows.

use super::{
    AFTER_ACTIVATE, AFTER_BEND, ClassifyParams, CompactParams, CompareParams, CurveParams, Damping, DescendParams,
    GatherParams, GramParams, ImageParams, Lane, LayerParams, MOST_CODE_LENGTH, MarquardtParams, OPTIMIZER_PLAIN,
    PEAK_CHAINS, ResidualParams, SUMMED_ENTRIES, TangentParams, WORKGROUP,
};

/// The words of one entry point, from the bytes of its parameters and its number of workgroups; for
/// a product of each lane, from the number of lanes.
pub type Bounds = fn(&[u8], u64) -> Vec<u64>;

const LANE: u64 = size_of::<Lane>() as u64 / 4;
const DAMPING: u64 = size_of::<Damping>() as u64 / 4;

/// Words of an observation of `entries` numbers: whole quads.
fn padded(entries: u32) -> u64 {
    u64::from(entries).next_multiple_of(4)
}

fn read<T: bytemuck::AnyBitPattern>(params: &[u8]) -> T {
    bytemuck::pod_read_unaligned(params)
}

/// Words of a matrix of `count` rows; more than any buffer has, if the product overflows.
fn rows(count: u64, entries: u64) -> u64 {
    count.saturating_mul(entries)
}

/// `weight`, `bias`, `inputs`, `outputs`.
pub fn forward(params: &[u8], _: u64) -> Vec<u64> {
    let LayerParams { units, inputs, count, .. } = read(params);
    let (units, count) = (padded(units), u64::from(count));
    vec![rows(inputs.into(), units), units, rows(count, padded(inputs)), rows(count, units)]
}

/// `weight`, `bias`, `offsets`, `inputs`, `beside`, `outputs`.
pub fn convolve(params: &[u8], _: u64) -> Vec<u64> {
    let image: ImageParams = read(params);
    let [count, taps] = [image.count, image.taps].map(u64::from);
    let divisors = [image.phase_rows, image.phase_columns, image.input_quads, image.per_lane];
    assert!(divisors.iter().all(|divisor| *divisor > 0), "the shader divides by them");
    let area = |rows: u32, columns: u32| u64::from(rows) * u64::from(columns);
    // The last output pixel of the phase, along one axis.
    let is_inside = |first: u32, stride: u32, phase: u32, length: u32| {
        u64::from(first) + u64::from(stride) * u64::from(phase - 1) < u64::from(length)
    };
    let rows_fit = is_inside(image.first_row, image.row_stride, image.phase_rows, image.output_rows);
    let columns_fit = is_inside(image.first_column, image.column_stride, image.phase_columns, image.output_columns);
    assert!(rows_fit && columns_fit, "a phase beyond its image");
    // What the last tiles have beyond the last row, with the third dimension of workgroups.
    let rows_in_all = rows(count, area(image.phase_rows, image.phase_columns));
    assert!(rows_in_all <= u64::from(u32::MAX / 2), "rows that 32 bits cannot count");
    let inner = rows(taps, rows(image.input_quads.into(), 4));
    assert!(inner <= u64::from(u32::MAX / 8), "terms that 32 bits cannot count");
    let outputs = rows(area(image.output_rows, image.output_columns), 4 * u64::from(image.output_quads));
    let inputs = rows(area(image.input_rows, image.input_columns), 4 * u64::from(image.input_quads));
    let (bias, beside) = read_after(image.after, rows(count.div_ceil(image.per_lane.into()), outputs), outputs);
    vec![
        rows(inner, 4 * u64::from(image.output_quads)),
        bias,
        2 * taps,
        rows(count, inputs),
        beside,
        rows(count, outputs),
    ]
}

/// Words of `bias` and of `beside` that a kernel reads for its sums.
fn read_after(after: u32, beside: u64, bias: u64) -> (u64, u64) {
    match after {
        AFTER_ACTIVATE => (bias, 0),
        AFTER_BEND => (0, beside),
        _ => (0, 0),
    }
}

/// `weight`, `bias`, `sources`, `inputs`, `beside`, `outputs`.
pub fn gather(params: &[u8], _: u64) -> Vec<u64> {
    let GatherParams { count, input_quads, output_quads, terms, per_lane, after, .. } = read(params);
    assert!(output_quads > 0 && per_lane > 0, "the shader divides by them");
    let [count, terms] = [count, terms].map(u64::from);
    let [inputs, outputs] = [input_quads, output_quads].map(|quads| 4 * u64::from(quads));
    let places = rows(output_quads.into(), terms);
    let (bias, beside) = read_after(after, rows(count.div_ceil(per_lane.into()), outputs), outputs);
    vec![rows(places, 4), bias, places, rows(count, inputs), beside, rows(count, outputs)]
}

/// `sums`, `outputs`.
pub fn curve(params: &[u8], _: u64) -> Vec<u64> {
    let CurveParams { count, length, .. } = read(params);
    let words = rows(count.into(), 4 * u64::from(length));
    vec![words, words]
}

/// `sums`, `bent`.
pub fn bend(params: &[u8], _: u64) -> Vec<u64> {
    let CurveParams { count, length, per_lane, .. } = read(params);
    assert!(length > 0 && per_lane > 0, "the shader divides by them");
    let length = 4 * u64::from(length);
    vec![rows(count.div_ceil(per_lane).into(), length), rows(count.into(), length)]
}

/// `outputs`, `targets`, `deltas`, `squares`.
pub fn compare(params: &[u8], _: u64) -> Vec<u64> {
    let CompareParams { units, count, .. } = read(params);
    assert!(units > 0, "the shader divides by the number of slices");
    let words = rows(count.into(), padded(units));
    vec![words, words, words, rows(count.into(), slices(units))]
}

/// `transposed`, `deltas_above`, `inputs`, `deltas_below`.
pub fn backward(params: &[u8], _: u64) -> Vec<u64> {
    let LayerParams { units, inputs, count, .. } = read(params);
    let (below, count) = (padded(inputs), u64::from(count));
    vec![rows(units.into(), below), rows(count, padded(units)), rows(count, below), rows(count, below)]
}

/// `targets`, `thresholds`, `active_words`, `undecided_words`, `active_counts`.
pub fn classify(params: &[u8], observations: u64) -> Vec<u64> {
    let ClassifyParams { rows: entries, words } = read(params);
    // The shader subtracts 32 for each word before the last.
    assert_eq!(words, entries.div_ceil(32), "words that do not fit {entries} rows");
    let words = rows(observations, words.into());
    vec![rows(observations, entries.into()), observations, words, words, observations]
}

/// `weight`, `bias`, `inputs`, `targets`, `deltas`, `squares`.
pub fn residual(params: &[u8], _: u64) -> Vec<u64> {
    let ResidualParams { units: length, inputs, count, .. } = read(params);
    let (units, count) = (padded(length), u64::from(count));
    let outputs = rows(count, units);
    vec![rows(inputs.into(), units), units, rows(count, padded(inputs)), outputs, outputs, rows(count, slices(length))]
}

/// Sums of squares of an observation.
fn slices(length: u32) -> u64 {
    length.div_ceil(SUMMED_ENTRIES).into()
}

/// `lanes`, `squares`, `gradients`, `codes`, `moments`.
pub fn update(params: &[u8], lanes: u64) -> Vec<u64> {
    let DescendParams { observation_length, code_length, optimizer, .. } = read(params);
    let entries = rows(lanes, padded(code_length));
    let moments = if optimizer == OPTIMIZER_PLAIN { 0 } else { 2 };
    let squares = rows(lanes, slices(observation_length));
    vec![rows(lanes, LANE), squares, entries, entries, rows(entries, moments)]
}

/// `lanes`, `destinations`, `running`.
pub fn rank(params: &[u8], _: u64) -> Vec<u64> {
    let CompactParams { count, .. } = read(params);
    vec![rows(count.into(), LANE), count.into(), 1]
}

/// `destinations`, `rows`, `moved`.
pub fn scatter(params: &[u8], lanes: u64) -> Vec<u64> {
    let CompactParams { count, words } = read(params);
    vec![lanes, rows(lanes, words.into()), rows(count.into(), words.into())]
}

/// `ends`.
pub fn peak(_: &[u8], workgroups: u64) -> Vec<u64> {
    vec![workgroups * u64::from(WORKGROUP * PEAK_CHAINS)]
}

/// `lanes`, `dampings`, `outputs`, `targets`, `trials`.
pub fn judge(params: &[u8], lanes: u64) -> Vec<u64> {
    let MarquardtParams { observation_length, code_length, .. } = read(params);
    let entries = rows(lanes, padded(observation_length));
    vec![rows(lanes, LANE), rows(lanes, DAMPING), entries, entries, rows(lanes, padded(code_length))]
}

/// `outputs`, `weight`, `tangents_below`, `tangents`.
pub fn tangent(params: &[u8], _: u64) -> Vec<u64> {
    let TangentParams { units, inputs, rows: tangents, code_length, is_first, .. } = read(params);
    assert!(code_length > 0, "the shader divides by it");
    let (units, lanes, count) = (padded(units), tangents.div_ceil(code_length), u64::from(tangents));
    let below = if is_first == 1 { 0 } else { rows(count, padded(inputs)) };
    vec![rows(lanes.into(), units), rows(inputs.into(), units), below, rows(count, units)]
}

/// Entries of `JᵀJ` and `Jᵀr`.
fn normals(code_length: u32) -> u64 {
    // The arrays in workgroup memory have this length.
    assert!((1..=MOST_CODE_LENGTH).contains(&code_length), "a code of {code_length} entries");
    u64::from(code_length) * u64::from(code_length + 3) / 2
}

/// `dampings`, `outputs`, `targets`, `jacobian`, `normals`.
pub fn normal(params: &[u8], lanes: u64) -> Vec<u64> {
    let MarquardtParams { observation_length, code_length, first_row, .. } = read(params);
    assert!(first_row <= code_length, "row {first_row} of {code_length} and one");
    let entries = rows(lanes, padded(observation_length));
    let jacobian = rows(entries, code_length.into());
    vec![rows(lanes, DAMPING), entries, entries, jacobian, rows(lanes, normals(code_length))]
}

/// `dampings`, `targets`, `jacobian`, `normals`.
pub fn gram(params: &[u8], lanes: u64) -> Vec<u64> {
    let GramParams { observation_length, code_length, .. } = read(params);
    let entries = rows(lanes, padded(observation_length));
    vec![rows(lanes, DAMPING), entries, rows(entries, code_length.into()), rows(lanes, normals(code_length))]
}

/// `lanes`, `dampings`, `normals`, `trials`, `codes`.
pub fn advance(params: &[u8], lanes: u64) -> Vec<u64> {
    let MarquardtParams { code_length, .. } = read(params);
    let codes = rows(lanes, padded(code_length));
    vec![rows(lanes, LANE), rows(lanes, DAMPING), rows(lanes, normals(code_length)), codes, codes]
}
