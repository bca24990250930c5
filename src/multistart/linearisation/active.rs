//! The units of a layer with a nonzero derivative, and which rows of its map they keep from the
//! last linearisation.

use std::cmp::Ordering;

use super::super::packed_layer::PackedLayer;
use super::super::region::slope;
use crate::linalg::lanes::Lane;
use crate::network::Activation;

/// The units of a layer with a nonzero derivative, ascending, and that derivative.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Active {
    pub units: Vec<u32>,
    pub slopes: Vec<f64>,
}

impl Active {
    pub fn take(&mut self, activation: Activation, received: &[f64], region: &[bool], observed: Option<&[f64]>) {
        self.units.clear();
        self.slopes.clear();
        // On a kink, the slope depends on the side alone.
        let of_sides = activation.has_kink().then(|| [false, true].map(|on| slope(activation, 0.0, on)));
        for (unit, (a, on)) in received.iter().zip(region).enumerate() {
            let slope = match of_sides {
                Some(slopes) => slopes[usize::from(*on)],
                None => slope(activation, *a, *on),
            };
            if slope != 0.0 && observed.is_none_or(|x| !x[unit].is_nan()) {
                self.units.push(unit as u32);
                self.slopes.push(slope);
            }
        }
    }
}

/// What a layer's map is made of: the layer, the active units and the map of the layer below, and
/// the number `k` of columns.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    pub layer: &'a PackedLayer,
    pub below: &'a Active,
    pub inner: &'a [Lane],
    pub columns: usize,
}

/// Rows of a map that are computed apart from those that stay.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    wanted: Active,
    computed: Vec<Lane>,
    merged: Vec<Lane>,
}

impl Rows {
    /// Brings `map`, rows of `stride` lanes of the units `before`, to the units `now`. A unit that
    /// is in both with the same slope keeps its row, which is what would be computed again.
    pub fn update(&mut self, chain: Chain<'_>, (before, now): (&Active, &Active), map: &mut Vec<Lane>, stride: usize) {
        let Rows { wanted, computed, merged } = self;
        wanted.units.clear();
        wanted.slopes.clear();
        for (unit, slope, stays) in places(before, now) {
            if stays.is_none() {
                wanted.units.push(unit);
                wanted.slopes.push(slope);
            }
        }
        computed.clear();
        computed.resize(wanted.units.len() * stride, Lane::ZERO);
        if !wanted.units.is_empty() {
            let Chain { layer, below, inner, columns } = chain;
            layer.chain(&wanted.units, &wanted.slopes, &below.units, inner, columns, computed, stride);
        }
        merged.clear();
        let mut fresh = computed.chunks_exact(stride);
        for (_, _, stays) in places(before, now) {
            let row = match stays {
                Some(place) => map.get(place * stride..(place + 1) * stride),
                None => fresh.next(),
            };
            merged.extend_from_slice(row.unwrap_or_default());
        }
        std::mem::swap(map, merged);
    }
}

/// The units of `now` with their slopes, and the place in `before` of those that have not changed.
fn places<'a>(before: &'a Active, now: &'a Active) -> impl Iterator<Item = (u32, f64, Option<usize>)> {
    let mut place = 0;
    now.units.iter().zip(&now.slopes).map(move |(&unit, &slope)| {
        while before.units.get(place).is_some_and(|former| former.cmp(&unit) == Ordering::Less) {
            place += 1;
        }
        let is_same = before.units.get(place) == Some(&unit) && before.slopes[place] == slope;
        (unit, slope, is_same.then_some(place))
    })
}
