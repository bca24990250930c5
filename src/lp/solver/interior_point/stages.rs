//! Measures the time of each stage, for benchmarks. When this is switched off, a lap costs one
//! comparison.

use std::time::{Duration, Instant};

/// The stages of the engine's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Rows into slots, the least-squares start.
    Start,
    /// Pivots in single precision.
    Approach,
    /// Units leaving, residuals, merging rows.
    Rows,
    /// Products with the weights.
    Products,
    /// Normal matrices.
    NormalMatrix,
    /// Cholesky.
    Factor,
    /// Directions: back-substitution and rows.
    Direction,
    /// The step lengths, and the step itself.
    Step,
    /// The attempts to end at a vertex.
    Vertex,
    /// The simplex from a vertex that the approach or the iteration came near to.
    Crossover,
    /// The check of the rows that left, and the answer.
    Finish,
}

/// All stages with their names, in the order of [`Stage`].
pub const STAGES: [(Stage, &str); 11] = [
    (Stage::Start, "start"),
    (Stage::Approach, "approach"),
    (Stage::Rows, "rows"),
    (Stage::Products, "products"),
    (Stage::NormalMatrix, "normal matrix"),
    (Stage::Factor, "factor"),
    (Stage::Direction, "direction"),
    (Stage::Step, "step"),
    (Stage::Vertex, "vertex"),
    (Stage::Crossover, "crossover"),
    (Stage::Finish, "finish"),
];

/// Adds up the time between laps.
#[derive(Debug, Default)]
pub struct StageClock {
    /// Time by stage.
    pub totals: [Duration; STAGES.len()],
    last: Option<Instant>,
}

impl StageClock {
    /// Switches the clock on.
    pub fn switch_on(&mut self) {
        self.last = Some(Instant::now());
    }

    /// Adds the time since the last lap to a stage.
    #[inline]
    pub fn lap(&mut self, stage: Stage) {
        if let Some(last) = self.last {
            let now = Instant::now();
            self.totals[stage as usize] += now - last;
            self.last = Some(now);
        }
    }
}
