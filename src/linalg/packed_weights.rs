//! A layer's weights as the engine reads them: one unit after the other, scaled to a largest entry
//! of 1, padded to whole lanes. Made once per layer and shared by all observations, so that it
//! stays in the cache.

use super::lanes::{LANE, Lane, lanes_for, numbers_mut};

/// `W` divided by its largest absolute entry; a unit's weights are contiguous.
#[derive(Debug, Clone)]
pub struct PackedWeights {
    /// Units × `lanes`.
    pub rows: Vec<Lane>,
    /// Lanes per unit.
    pub lanes: usize,
    /// Columns of `W`; the entries beyond are 0.
    pub columns: usize,
    /// The largest absolute weight (1 where all are 0).
    pub scale: f64,
}

impl PackedWeights {
    /// Packs `Wᵀ`, `columns` entries per unit.
    pub fn new(transposed: &[f64], columns: usize) -> Self {
        let largest = transposed.iter().fold(0.0f64, |most, w| most.max(w.abs()));
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let lanes = lanes_for(columns);
        let units = transposed.len().checked_div(columns).unwrap_or(0);
        let mut rows = vec![Lane::ZERO; units * lanes];
        if columns > 0 {
            for (row, weights) in
                numbers_mut(&mut rows).chunks_exact_mut(lanes * LANE).zip(transposed.chunks_exact(columns))
            {
                for (entry, w) in row.iter_mut().zip(weights) {
                    *entry = w / scale;
                }
            }
        }
        PackedWeights { rows, lanes, columns, scale }
    }

    /// One unit's weights.
    #[inline(always)]
    pub fn unit(&self, unit: u32) -> &[Lane] {
        let start = unit as usize * self.lanes;
        &self.rows[start..start + self.lanes]
    }
}
