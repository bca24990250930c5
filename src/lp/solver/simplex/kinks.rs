//! A unit's share of the sum of violations: `φ(a) = max(0, max_r (side_r a − bound_r)/slack_r)`,
//! convex and piecewise linear in `a = w·z`, as the kinks at which its slope changes.

use super::super::scaled_rows::ScaledRows;

/// Where two pieces meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kink {
    /// `a`.
    pub at: f64,
    /// The piece below the kink and the one above it.
    pub pieces: [Piece; 2],
}

/// One of the lines whose maximum is `φ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// `side/slack`, 0 for the constant 0.
    pub slope: f64,
    /// The row whose line it is; `None` for the constant 0.
    pub row: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    intercept: f64,
    row: Option<u32>,
}

impl Line {
    /// The point from which a line of larger slope is the maximum.
    fn meets(&self, steeper: &Line) -> f64 {
        (self.intercept - steeper.intercept) / (steeper.slope - self.slope)
    }
}

/// The kinks of all units of a problem, by position.
#[derive(Debug, Default)]
pub struct Kinks {
    kinks: Vec<Kink>,
    starts: Vec<u32>,
    lines: Vec<Line>,
    envelope: Vec<Line>,
}

impl Kinks {
    /// Finds the kinks of all units.
    pub fn load(&mut self, rows: &ScaledRows) {
        self.kinks.clear();
        self.starts.clear();
        for place in 0..rows.units.len() {
            self.starts.push(self.kinks.len() as u32);
            self.lines.clear();
            self.lines.push(Line { slope: 0.0, intercept: 0.0, row: None });
            for row in rows.at(place) {
                let (slope, intercept) = (rows.side[row] / rows.slack[row], -rows.bound[row] / rows.slack[row]);
                self.lines.push(Line { slope, intercept, row: Some(row as u32) });
            }
            self.add_envelope();
        }
        self.starts.push(self.kinks.len() as u32);
    }

    /// The upper envelope of `lines`, line by line in the order of their slopes.
    fn add_envelope(&mut self) {
        self.lines.sort_by(|a, b| a.slope.total_cmp(&b.slope).then(a.intercept.total_cmp(&b.intercept)));
        self.envelope.clear();
        for &line in &self.lines {
            if self.envelope.last().is_some_and(|last| last.slope == line.slope) {
                self.envelope.pop();
            }
            // A line that the next two overtake together never shows.
            while let [.., before, last] = self.envelope.as_slice()
                && before.meets(&line) <= before.meets(last)
            {
                self.envelope.pop();
            }
            self.envelope.push(line);
        }
        for pair in self.envelope.windows(2) {
            let piece = |line: &Line| Piece { slope: line.slope, row: line.row };
            self.kinks.push(Kink { at: pair[0].meets(&pair[1]), pieces: [piece(&pair[0]), piece(&pair[1])] });
        }
    }

    /// The kinks of the unit at a position, in ascending order; never empty.
    pub fn of(&self, place: usize) -> &[Kink] {
        &self.kinks[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// Piece `index` of the unit at a position, counted from below.
    pub fn piece(&self, place: usize, index: u32) -> Piece {
        let kinks = self.of(place);
        match index {
            0 => kinks[0].pieces[0],
            _ => kinks[index as usize - 1].pieces[1],
        }
    }

    /// The kink closest to `value`: its number and where it is.
    pub fn closest(&self, place: usize, value: f64) -> Option<(u32, f64)> {
        let kinks = self.of(place).iter().enumerate();
        let closest = kinks.min_by(|(_, a), (_, b)| (a.at - value).abs().total_cmp(&(b.at - value).abs()));
        closest.map(|(index, kink)| (index as u32, kink.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinks of one unit with rows `(side, slack, bound)`, against the maximum itself on a grid.
    fn check(rows: &[(f64, f64, f64)], expected: usize) {
        let column = |pick: fn(&(f64, f64, f64)) -> f64| rows.iter().map(pick).collect();
        let mut rows_in_slots = ScaledRows::default();
        rows_in_slots.units = vec![0];
        rows_in_slots.slots = (0..rows.len()).map(|row| row..row + 1).collect();
        rows_in_slots.side = column(|row| row.0);
        rows_in_slots.slack = column(|row| row.1);
        rows_in_slots.bound = column(|row| row.2);
        let mut kinks = Kinks::default();
        kinks.load(&rows_in_slots);
        assert_eq!(kinks.of(0).len(), expected);
        let phi = |a: f64| rows.iter().map(|(s, p, h)| (s * a - h) / p).fold(0.0, f64::max);
        for step in -400..400 {
            let a = f64::from(step) / 100.0 + 1e-3;
            let index = kinks.of(0).partition_point(|kink| kink.at <= a);
            let slope = (phi(a + 1e-7) - phi(a - 1e-7)) / 2e-7;
            assert!((kinks.piece(0, index as u32).slope - slope).abs() < 1e-6, "slope at {a}");
        }
    }

    #[test]
    fn slopes_are_those_of_the_maximum() {
        check(&[(1.0, 1.0, 0.5)], 1);
        check(&[(1.0, 1.0, 0.5), (-1.0, 1.0, -0.5)], 1);
        check(&[(1.0, 1.0, 0.5), (-1.0, 1.0, 0.5)], 2);
        check(&[(1.0, 1.0, 0.5), (-1.0, 10.0, -1.5)], 1);
        check(&[(1.0, 1.0, -0.5), (1.0, 10.0, -2.0), (-1.0, 10.0, 3.0)], 3);
        check(&[(1.0, 10.0, -2.0), (1.0, 10.0, -1.0)], 1);
    }
}
