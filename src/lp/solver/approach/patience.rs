//! How many pivots an approach makes: a problem that takes many pivots, or many that do not move,
//! is degenerate, and another way serves it better.

/// The pivots of one problem.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Patience {
    /// Number of pivots.
    pub pivots: u32,
    /// Pivots in a row with a step of 0.
    standing: u32,
    most: u32,
    most_standing: u32,
}

impl Patience {
    /// That for problems of so many columns. With uniform noise, an approach takes about 1.3 pivots
    /// per column.
    pub fn new(columns: usize) -> Self {
        let columns = columns as u32;
        Patience { pivots: 0, standing: 0, most: 3 * columns + 60, most_standing: columns / 2 + 20 }
    }

    /// Counts a pivot with its step; `false` where it was the last.
    pub fn lasts(&mut self, step: f32) -> bool {
        self.pivots += 1;
        self.standing = if step > 0.0 { 0 } else { self.standing + 1 };
        self.pivots < self.most && self.standing < self.most_standing
    }
}
