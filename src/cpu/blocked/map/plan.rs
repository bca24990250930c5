//! How one axis of a convolution becomes sums over shifted copies of the input.
//!
//! Entry `narrow` meets entry `narrow·s − p + i·d` of the wide axis through entry `i` of the
//! kernel. From wide to narrow, the wide axis is split into `s` planes by the remainder: with `i·d
//! − p = s·o + r`, output `q` reads element `q + o` of plane `r`. From narrow to wide, the outputs
//! are split into `s` phases: with `φ + p − i·d = s·o`, output `s·q + φ` reads element `q + o`.
//! Either way, all outputs of a phase read the same shifts of their own place.

use crate::network::map::convolution::Axis;

/// One tap: an entry of the kernel, and what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// The entry of the kernel.
    pub entry: usize,
    /// The plane that it reads.
    pub plane: usize,
    /// The shift within the plane, counted from the first element, padding included.
    pub shift: usize,
}

/// The outputs `first + step·q`, `q < count`, and their taps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisPhase {
    /// The first output.
    pub first: usize,
    /// Number of outputs.
    pub count: usize,
    /// The taps, in the order of the kernel.
    pub taps: Vec<Tap>,
}

/// One axis of a convolution in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisPlan {
    /// Input `u·planes + r` is element `u` of plane `r`.
    pub planes: usize,
    /// Zeros before the first element of a plane.
    pub padding: usize,
    /// Length of a plane with its padding at both ends.
    pub length: usize,
    /// The distance between the outputs of a phase.
    pub step: usize,
    /// The phases that have outputs and taps. Other outputs are 0.
    pub phases: Vec<AxisPhase>,
}

/// A phase before its padding is known: the first output, the number of outputs, and for each tap
/// its entry of the kernel, its plane and its shift.
type Unpadded = (usize, usize, Vec<(usize, usize, i64)>);

impl AxisPlan {
    /// From the wide axis to the narrow one.
    pub fn down(axis: &Axis, wide: usize, narrow: usize) -> Self {
        let stride = axis.stride as i64;
        let reads = |tap: usize| {
            let place = (tap * axis.dilation) as i64 - axis.padding as i64;
            (tap, place.rem_euclid(stride) as usize, place.div_euclid(stride))
        };
        let taps: Vec<_> = (0..axis.kernel).map(reads).collect();
        // Planes beyond the input have no elements.
        Self::new(axis.stride.min(wide), wide, 1, vec![(0, narrow, taps)])
    }

    /// From the narrow axis to the wide one.
    pub fn up(axis: &Axis, wide: usize, narrow: usize) -> Self {
        let stride = axis.stride;
        let of_phase = |phase: usize| {
            let reads = |tap: usize| {
                let place = (phase + axis.padding) as i64 - (tap * axis.dilation) as i64;
                (place.rem_euclid(stride as i64) == 0).then(|| (tap, 0, place.div_euclid(stride as i64)))
            };
            let taps: Vec<_> = (0..axis.kernel).filter_map(reads).collect();
            (phase, wide.saturating_sub(phase).div_ceil(stride), taps)
        };
        // Only phases with taps: the stride may be large.
        let reached = |tap: usize| {
            let place = (tap * axis.dilation) as i64 - axis.padding as i64;
            place.rem_euclid(stride as i64) as usize
        };
        let mut phases: Vec<usize> = (0..axis.kernel).map(reached).collect();
        phases.sort_unstable();
        phases.dedup();
        Self::new(1, narrow, stride, phases.into_iter().map(of_phase).collect())
    }

    /// Shifts that read only zeros are left out.
    fn new(planes: usize, inputs: usize, step: usize, phases: Vec<Unpadded>) -> Self {
        let elements = |plane: usize| inputs.saturating_sub(plane).div_ceil(planes) as i64;
        let is_used = |count: usize, plane: usize, shift: i64| {
            plane < inputs && shift > -(count as i64) && shift < elements(plane)
        };
        let phases = phases.into_iter().filter(|(_, count, _)| *count > 0).map(|(first, count, taps)| {
            let used = taps.into_iter().filter(|(_, plane, shift)| is_used(count, *plane, *shift));
            (first, count, used.collect::<Vec<_>>())
        });
        let phases: Vec<_> = phases.filter(|(.., taps)| !taps.is_empty()).collect();
        let shifts = || phases.iter().flat_map(|(_, count, taps)| taps.iter().map(move |tap| (*count as i64, tap.2)));
        let padding = shifts().map(|(_, shift)| -shift).fold(0, i64::max);
        let end = shifts().map(|(count, shift)| count + shift).fold(elements(0), i64::max);
        let tap = |(entry, plane, shift)| Tap { entry, plane, shift: (shift + padding) as usize };
        AxisPlan {
            planes,
            padding: padding as usize,
            length: (padding + end) as usize,
            step,
            phases: phases
                .into_iter()
                .map(|(first, count, taps)| AxisPhase { first, count, taps: taps.into_iter().map(tap).collect() })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of a narrow and a wide place that meets by definition, with its tap.
    fn defined(axis: &Axis, wide: usize, narrow: usize) -> Vec<(usize, usize, usize)> {
        let mut pairs = Vec::new();
        for q in 0..narrow {
            pairs.extend((0..axis.kernel).filter_map(|tap| Some((q, axis.wide(q, tap, wide)?, tap))));
        }
        pairs.sort_unstable();
        pairs
    }

    /// The pairs (output, input, tap) that a plan reads inside the input.
    fn read(plan: &AxisPlan, inputs: usize) -> Vec<(usize, usize, usize)> {
        let mut pairs = Vec::new();
        for phase in &plan.phases {
            for (q, tap) in (0..phase.count).flat_map(|q| phase.taps.iter().map(move |tap| (q, tap))) {
                assert!(q + tap.shift < plan.length);
                let Some(element) = (q + tap.shift).checked_sub(plan.padding) else { continue };
                let input = element * plan.planes + tap.plane;
                if input < inputs {
                    pairs.push((phase.first + plan.step * q, input, tap.entry));
                }
            }
        }
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn plans_read_what_the_definition_says() {
        for (kernel, stride, padding, dilation) in [
            (3, 1, 1, 1),
            (4, 2, 1, 1),
            (5, 2, 2, 1),
            (3, 3, 0, 2),
            (1, 2, 0, 1),
            (2, 4, 3, 3),
            (7, 1, 6, 1),
            (3, 2, 4, 2),
            (2, 1_000_000_000_000, 1, 1),
        ] {
            let axis = Axis { kernel, stride, padding, dilation };
            for (wide, narrow) in [(9, 5), (12, 4), (4, 7), (1, 1), (30, 2), (6, 1)] {
                let pairs = defined(&axis, wide, narrow);
                assert_eq!(read(&AxisPlan::down(&axis, wide, narrow), wide), pairs, "{axis:?} {wide} → {narrow}");
                let mut turned: Vec<_> = pairs.iter().map(|(q, place, tap)| (*place, *q, *tap)).collect();
                turned.sort_unstable();
                assert_eq!(read(&AxisPlan::up(&axis, wide, narrow), narrow), turned, "{axis:?} {narrow} → {wide}");
            }
        }
    }
}
