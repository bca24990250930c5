//! The pieces of a network with two code entries, one hidden ReLU layer and one ReLU output: one
//! convex polygon per ReLU configuration. On it, the output unit's pre-activation is affine. From
//! the pieces, all codes of one output are computed exactly.

use crate::network::Network;

/// A code of two entries.
pub type Place = (f64, f64);

/// `slope·z + offset`.
#[derive(Debug, Clone, Copy)]
struct Affine {
    slope: Place,
    offset: f64,
}

impl Affine {
    fn at(self, z: Place) -> f64 {
        self.slope.0 * z.0 + self.slope.1 * z.1 + self.offset
    }

    /// This function plus `factor` times `other`.
    fn plus(self, factor: f64, other: Affine) -> Affine {
        let slope = (self.slope.0 + factor * other.slope.0, self.slope.1 + factor * other.slope.1);
        Affine { slope, offset: self.offset + factor * other.offset }
    }
}

/// The region of one ReLU configuration.
#[derive(Debug)]
pub struct Piece {
    /// The corners, in order around it.
    corners: Vec<Place>,
    /// The output unit's pre-activation there.
    received: Affine,
}

/// Computes the pieces within the convex polygon `window`.
///
/// # Panics
/// Unless the network has two code entries, one hidden layer and one output.
pub fn pieces(network: &Network, window: &[Place]) -> Vec<Piece> {
    let [hidden, output] = network.layers() else { panic!("one hidden layer") };
    assert_eq!((hidden.inputs(), output.units()), (2, 1), "two code entries and one output");
    let whole = Affine { slope: (0.0, 0.0), offset: output.bias[0] };
    let mut pieces = vec![Piece { corners: window.to_vec(), received: whole }];
    for unit in 0..hidden.units() {
        let slope = (hidden.weight()[(unit, 0)], hidden.weight()[(unit, 1)]);
        let sum = Affine { slope, offset: hidden.bias[unit] };
        let off = Affine { slope: (-sum.slope.0, -sum.slope.1), offset: -sum.offset };
        let split = |piece: &Piece| {
            let received = piece.received.plus(output.weight()[(0, unit)], sum);
            let on = Piece { corners: clip(&piece.corners, sum), received };
            [on, Piece { corners: clip(&piece.corners, off), received: piece.received }]
        };
        pieces = pieces.iter().flat_map(split).filter(|piece| piece.corners.len() > 2).collect();
    }
    pieces
}

impl Piece {
    /// The codes of output `x ≥ 0` in this piece, in order around them: a polygon for 0, otherwise
    /// the ends of a segment; empty if there are none.
    pub fn codes_of(&self, x: f64) -> Vec<Place> {
        let Affine { slope, offset } = self.received;
        let below = Affine { slope: (-slope.0, -slope.1), offset: x - offset };
        let mut codes = clip(&self.corners, below);
        if x > 0.0 {
            codes.retain(|z| below.at(*z).abs() <= ON_LINE * (1.0 + x));
        }
        codes
    }
}

/// The borders of the union of polygons that touch along whole edges and have the same orientation.
pub fn outlines(polygons: &[Vec<Place>]) -> Vec<Vec<Place>> {
    let meet = |p: Place, q: Place| (p.0 - q.0).hypot(p.1 - q.1) <= ON_LINE;
    let around = |corners: &Vec<Place>| -> Vec<[Place; 2]> {
        corners.iter().zip(corners.iter().cycle().skip(1)).map(|(from, to)| [*from, *to]).collect()
    };
    let all: Vec<[Place; 2]> = polygons.iter().flat_map(around).collect();
    // An edge between two polygons occurs in both directions.
    let is_inner = |edge: &[Place; 2]| all.iter().any(|other| meet(edge[0], other[1]) && meet(edge[1], other[0]));
    let mut edges: Vec<[Place; 2]> = all.iter().copied().filter(|edge| !is_inner(edge)).collect();
    let mut outlines = Vec::new();
    while let Some([first, mut end]) = edges.pop() {
        let mut outline = vec![first];
        while !meet(end, first) {
            outline.push(end);
            let Some(next) = edges.iter().position(|edge| meet(edge[0], end)) else { break };
            end = edges.swap_remove(next)[1];
        }
        outlines.push(outline);
    }
    outlines
}

/// Rounding tolerance for a corner that clipping has put on a line.
const ON_LINE: f64 = 1e-12;

/// The part of a convex polygon where `side` is not negative (Sutherland and Hodgman 1974).
fn clip(corners: &[Place], side: Affine) -> Vec<Place> {
    let mut kept: Vec<Place> = Vec::new();
    for (index, to) in corners.iter().enumerate() {
        let from = corners[(index + corners.len() - 1) % corners.len()];
        let (before, after) = (side.at(from), side.at(*to));
        if before * after < 0.0 {
            let share = before / (before - after);
            kept.push((from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)));
        }
        if after >= 0.0 {
            kept.push(*to);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::cpu::forward::forward;
    use crate::network::{Activation, DenseLayer};
    use crate::random::{Domain, normal_vector};

    const WINDOW: [Place; 4] = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];

    fn network(seed: u64) -> Network {
        let layer = |units: usize, inputs: usize, index: u64| DenseLayer {
            weight: DMatrix::from_vec(units, inputs, normal_vector(seed, Domain::Code, index, units * inputs)),
            bias: DVector::from_vec(normal_vector(seed, Domain::Code, index + 1, units)),
            activation: Activation::Relu,
        };
        Network::new(vec![layer(6, 2, 0), layer(1, 6, 2)], "random").unwrap()
    }

    /// Distance from `z` to the segment between the two ends.
    fn distance(z: Place, ends: &[Place]) -> f64 {
        let &[p, q] = ends else { return f64::INFINITY };
        let along =
            ((z.0 - p.0) * (q.0 - p.0) + (z.1 - p.1) * (q.1 - p.1)) / ((q.0 - p.0).powi(2) + (q.1 - p.1).powi(2));
        let share = along.clamp(0.0, 1.0);
        (p.0 + share * (q.0 - p.0) - z.0).hypot(p.1 + share * (q.1 - p.1) - z.1)
    }

    /// A code is among the codes of its own output, and points between the ends of a segment have
    /// the requested output.
    #[test]
    fn every_code_is_found_and_no_other() {
        let mut lit = 0;
        for seed in 0..10 {
            let network = network(seed);
            let pieces = pieces(&network, &WINDOW);
            let output = |z: Place| forward(&network, 0..2, &DMatrix::from_column_slice(2, 1, &[z.0, z.1]))[0];
            for number in 1..100 {
                let place = |factor: f64| 2.0 * (f64::from(number) * factor).fract() - 1.0;
                let z = (place(0.618), place(0.755));
                let x = output(z);
                if x == 0.0 {
                    continue;
                }
                lit += 1;
                let segments: Vec<Vec<Place>> = pieces.iter().map(|piece| piece.codes_of(x)).collect();
                let nearest = segments.iter().map(|ends| distance(z, ends)).fold(f64::INFINITY, f64::min);
                assert!(nearest < 1e-9, "{z:?} of {x}: {segments:?}");
                for ends in segments.iter().filter(|ends| !ends.is_empty()) {
                    let (p, q) = (ends[0], ends[ends.len() - 1]);
                    let between = output((0.7 * p.0 + 0.3 * q.0, 0.7 * p.1 + 0.3 * q.1));
                    assert!((between - x).abs() < 1e-9, "{between} and {x}");
                }
            }
        }
        assert!(lit > 200, "{lit}");
    }
}
