//! Where the sum of violations changes its slope along an edge: the distance to the next kink of
//! every unit and to every bound, in one pass without a branch. The nearest are then taken one
//! after the other. Distances stand in blocks with their minima, because only a few are ever taken.

use super::kinks::Kinks;
use crate::linalg::lanes::vectorised;

/// Distances with a minimum of their own.
const BLOCK: usize = 32;

/// The kinks next to each position's piece, infinite where there is none or the unit is held.
#[derive(Debug, Default)]
pub struct Surroundings {
    below: Vec<f64>,
    above: Vec<f64>,
}

impl Surroundings {
    /// Starts with so many positions, all held.
    pub fn reset(&mut self, positions: usize) {
        self.below.clear();
        self.below.resize(positions, f64::NEG_INFINITY);
        self.above.clear();
        self.above.resize(positions, f64::INFINITY);
    }

    /// The unit at a position is on this piece.
    pub fn set(&mut self, kinks: &Kinks, place: usize, piece: u32) {
        let (of_unit, piece) = (kinks.of(place), piece as usize);
        self.below[place] = piece.checked_sub(1).map_or(f64::NEG_INFINITY, |kink| of_unit[kink].at);
        self.above[place] = of_unit.get(piece).map_or(f64::INFINITY, |kink| kink.at);
    }

    /// The unit at a position is held.
    pub fn hold(&mut self, place: usize) {
        (self.below[place], self.above[place]) = (f64::NEG_INFINITY, f64::INFINITY);
    }

    /// How far it is from `a` to the next kink in the direction of `rate`.
    fn distance(&self, place: usize, a: f64, rate: f64) -> f64 {
        let next = if rate > 0.0 { self.above[place] } else { self.below[place] };
        // A kink that was passed only by a rounding error counts as being at this point.
        ((next - a) / rate).max(0.0)
    }
}

/// The distances along one edge: one per position, then one per column.
#[derive(Debug, Default)]
pub struct Breakpoints {
    distances: Vec<f64>,
    nearest: Vec<f64>,
}

impl Breakpoints {
    /// Finds the next kink of every position, for rates above `still`. `bounds`: the columns that
    /// cannot fall below 0, with their rates and the rate above which they move; or nothing.
    pub fn find(
        &mut self,
        (around, a, rates, still): (&Surroundings, &[f64], &[f64], f64),
        (z, of_z, still_z): (&[f64], &[f64], f64),
    ) {
        let positions = a.len();
        self.distances.clear();
        self.distances.resize((positions + z.len()).next_multiple_of(BLOCK), f64::INFINITY);
        let (of_units, of_bounds) = self.distances.split_at_mut(positions);
        to_kinks([&around.below, &around.above], a, rates, still, of_units);
        to_bounds(z, of_z, still_z, &mut of_bounds[..z.len()]);
        self.nearest.clear();
        self.nearest.resize(self.distances.len() / BLOCK, f64::INFINITY);
        minima(&self.distances, &mut self.nearest);
    }

    /// The nearest breakpoint and its distance: a position, or the number of positions plus a
    /// column. The first of several at one distance.
    pub fn first(&self) -> Option<(usize, f64)> {
        let distance = self.nearest.iter().fold(f64::INFINITY, |least, x| if *x < least { *x } else { least });
        if distance == f64::INFINITY {
            return None;
        }
        let block = self.nearest.iter().position(|least| *least == distance)?;
        let inside = self.distances[block * BLOCK..(block + 1) * BLOCK].iter().position(|x| *x == distance)?;
        Some((block * BLOCK + inside, distance))
    }

    /// Goes on to the kink after the one that was passed, of the unit at this position.
    pub fn pass(&mut self, around: &Surroundings, place: usize, a: f64, rate: f64) {
        self.distances[place] = around.distance(place, a, rate);
        let block = place / BLOCK;
        minima(&self.distances[block * BLOCK..(block + 1) * BLOCK], &mut self.nearest[block..=block]);
    }
}

vectorised! {
    fn to_kinks(around: [&[f64]; 2], a: &[f64], rates: &[f64], still: f64, out: &mut [f64]) {
        let n = out.len();
        let ([below, above], a, rates) = (around.map(|x| &x[..n]), &a[..n], &rates[..n]);
        for i in 0..n {
            let next = if rates[i] > 0.0 { above[i] } else { below[i] };
            let distance = (next - a[i]) / rates[i];
            let distance = if distance > 0.0 { distance } else { 0.0 };
            out[i] = if rates[i].abs() > still { distance } else { f64::INFINITY };
        }
    }

    fn to_bounds(z: &[f64], rates: &[f64], still: f64, out: &mut [f64]) {
        let n = out.len();
        let (z, rates) = (&z[..n], &rates[..n]);
        for i in 0..n {
            let distance = z[i] / -rates[i];
            let distance = if distance > 0.0 { distance } else { 0.0 };
            out[i] = if rates[i] < -still { distance } else { f64::INFINITY };
        }
    }

    fn minima(distances: &[f64], out: &mut [f64]) {
        for (block, out) in distances.as_chunks::<BLOCK>().0.iter().zip(out) {
            let mut least = [f64::INFINITY; 8];
            for part in block.as_chunks::<8>().0 {
                for i in 0..8 {
                    least[i] = if part[i] < least[i] { part[i] } else { least[i] };
                }
            }
            *out = least.into_iter().fold(f64::INFINITY, |a, b| if b < a { b } else { a });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scaled_rows::ScaledRows;
    use super::*;
    use crate::random::{Domain, normal_vector};

    /// Units with one or two kinks each: all breakpoints ahead in the order of their distances.
    #[test]
    fn breakpoints_come_in_the_order_of_their_distances() {
        let (units, columns) = (75, 10);
        let numbers = normal_vector(3, Domain::Noise, 0, 4 * units + 2 * columns);
        let (values, z) = numbers.split_at(4 * units);
        let mut rows = ScaledRows::default();
        rows.units = (0..units as u32).collect();
        rows.slots = vec![0..units, units..2 * units];
        rows.side = (0..2 * units).map(|row| if row < units { 1.0 } else { -1.0 }).collect();
        rows.slack = vec![1.0; 2 * units];
        // Upper bounds above the lower ones for two kinks, below them for one.
        rows.bound = values[..2 * units].to_vec();
        let mut kinks = Kinks::default();
        kinks.load(&rows);
        let (a, rates) = (&values[2 * units..3 * units], &values[3 * units..]);
        let (z, of_z) = (z[..columns].iter().map(|z| z.abs()).collect::<Vec<_>>(), &z[columns..]);
        let mut around = Surroundings::default();
        around.reset(units);
        let mut pieces: Vec<u32> =
            (0..units).map(|place| kinks.of(place).partition_point(|kink| kink.at <= a[place]) as u32).collect();
        let mut expected: Vec<(f64, usize)> = Vec::new();
        for place in 0..units {
            if place % 7 == 0 {
                continue;
            }
            around.set(&kinks, place, pieces[place]);
            if rates[place].abs() > 0.1 {
                let distances = kinks.of(place).iter().map(|kink| (kink.at - a[place]) / rates[place]);
                expected.extend(distances.filter(|distance| *distance > 0.0).map(|distance| (distance, place)));
            }
        }
        let falling = (0..columns).filter(|&column| of_z[column] < -0.2);
        expected.extend(falling.map(|column| (z[column] / -of_z[column], units + column)));
        expected.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut breakpoints = Breakpoints::default();
        breakpoints.find((&around, a, rates, 0.1), (&z, of_z, 0.2));
        for (distance, index) in expected {
            assert_eq!(breakpoints.first(), Some((index, distance)));
            if index < units {
                pieces[index] = if rates[index] > 0.0 { pieces[index] + 1 } else { pieces[index] - 1 };
                around.set(&kinks, index, pieces[index]);
                breakpoints.pass(&around, index, a[index], rates[index]);
            } else {
                breakpoints.distances[index] = f64::INFINITY;
                let block = index / BLOCK;
                minima(&breakpoints.distances[block * BLOCK..][..BLOCK], &mut breakpoints.nearest[block..=block]);
            }
        }
        assert_eq!(breakpoints.first(), None);
    }
}
