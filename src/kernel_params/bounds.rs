//! How far each entry point indexes its storage buffers: the number of words (four bytes) of each,
//! in the order of its bindings, computed from its parameters and its number of workgroups.
//!
//! The host compares these with the buffers that it binds (`gpu/kernel.rs`), and the proof there,
//! that no kernel leaves its buffers, rests on them. A new index in a shader needs its bound here.
//!
//! # Panics
//! All functions do, if the parameters contradict each other, such as more active words than rows.

use super::{
    ClassifyParams, CompactParams, Damping, DescendParams, GramParams, Lane, LayerParams, MOST_CODE_LENGTH,
    MarquardtParams, OPTIMIZER_PLAIN, PEAK_CHAINS, ResidualParams, SUMMED_ENTRIES, TangentParams, WORKGROUP,
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
