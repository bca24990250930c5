//! Resamplings and scales as the kernel `gather` computes them: each output quad is a sum of input
//! quads, each times four factors.

use super::layout::Layout;
use crate::network::Map;

/// The terms of each output quad, all of the same number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    /// Terms of each output quad.
    pub each: usize,
    /// `[output quad][term]`: the input quad, or [`NONE`].
    pub sources: Vec<u32>,
    /// Their factors.
    pub weights: Vec<[f32; 4]>,
}

/// No input quad.
const NONE: u32 = u32::MAX;

impl Terms {
    /// The terms of a map whose entries keep their lane of a quad in these layouts, or those of its
    /// transpose.
    pub fn of(map: &Map, (input, output): (&Layout, &Layout), transposed: bool) -> Self {
        let (from, to) = if transposed { (output, input) } else { (input, output) };
        let mut rows: Vec<Vec<(u32, [f64; 4])>> = vec![Vec::new(); to.words() / 4];
        map.for_each_entry(|at, place, w| {
            let (at, place) = if transposed { (place, at) } else { (at, place) };
            let (at, place) = (to.place(at), from.place(place));
            debug_assert_eq!(at % 4, place % 4, "an entry that changes its lane");
            let (row, source) = (&mut rows[at / 4], (place / 4) as u32);
            let term = row.iter().position(|(other, _)| *other == source).unwrap_or_else(|| {
                row.push((source, [0.0; 4]));
                row.len() - 1
            });
            row[term].1[at % 4] += w;
        });
        let each = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut terms = Terms { each, sources: Vec::new(), weights: Vec::new() };
        for row in rows {
            let missing = (row.len()..each).map(|_| (NONE, [0.0; 4]));
            for (source, weights) in row.iter().copied().chain(missing) {
                terms.sources.push(source);
                terms.weights.push(weights.map(|w| w as f32));
            }
        }
        terms
    }
}
