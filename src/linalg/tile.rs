//! The kernel of all normal matrices and factorisations: a tile of a symmetric product `Σ_k x_k
//! x_kᵀ`, held in registers while the rows `x_k` are read.
//!
//! A tile is eight numbers tall and up to three registers wide where the processor has 32
//! registers, otherwise four tall and up to two wide. With 16 registers a tile of 4 × 3 leaves one
//! for everything else. The compiler then kept one of its sums in memory, and every product waited
//! for the sum to be stored and loaded again.

use bytemuck::Pod;

use super::lanes::{LANE, Lane, SingleLane};

/// Numbers that fill a register.
pub trait Register: Pod {
    /// One of them.
    type Number: Pod;
    /// All entries zero.
    const ZERO: Self;
    /// How many lanes of double precision hold as many numbers.
    const LANES: usize;

    /// The numbers of up to [`Self::LANES`] lanes times a factor; zeros where there are fewer.
    fn scaled(lanes: &[Lane], factor: f64) -> Self;

    /// Adds the sums to the first `N` times [`Self::LANES`] lanes, in double precision.
    fn add_to<const N: usize>(sums: [Self; N], lanes: &mut [Lane]);

    /// `self + a·b`.
    fn plus_product<const FUSED: bool>(self, a: Self::Number, b: Self) -> Self;
}

impl Register for Lane {
    type Number = f64;
    const ZERO: Self = Lane::ZERO;
    const LANES: usize = 1;

    #[inline(always)]
    fn scaled(lanes: &[Lane], factor: f64) -> Self {
        Lane(lanes[0].0.map(|w| w * factor))
    }

    #[inline(always)]
    fn add_to<const N: usize>(sums: [Self; N], lanes: &mut [Lane]) {
        // If this is cut to `N` lanes beforehand, the compiled code is a fifth slower.
        for (lane, sum) in lanes.iter_mut().zip(sums) {
            *lane = Lane(std::array::from_fn(|i| lane.0[i] + sum.0[i]));
        }
    }

    #[inline(always)]
    fn plus_product<const FUSED: bool>(self, a: f64, b: Self) -> Self {
        Lane::plus_product::<FUSED>(self, Lane::splat(a), b)
    }
}

impl Register for SingleLane {
    type Number = f32;
    const ZERO: Self = SingleLane::ZERO;
    const LANES: usize = 2;

    #[inline(always)]
    fn scaled(lanes: &[Lane], factor: f64) -> Self {
        let single = |lane: &Lane| lane.0.map(|w| (w * factor) as f32);
        SingleLane(bytemuck::cast([single(&lanes[0]), lanes.get(1).map_or([0.0; LANE], single)]))
    }

    #[inline(always)]
    fn add_to<const N: usize>(sums: [Self; N], lanes: &mut [Lane]) {
        // Without the cut to as many lanes as there are sums, the compiled loop is a third slower.
        for (pair, sum) in lanes[..2 * N].chunks_exact_mut(2).zip(sums) {
            let halves: [[f32; LANE]; 2] = bytemuck::cast(sum.0);
            for (lane, half) in pair.iter_mut().zip(halves) {
                *lane = Lane(std::array::from_fn(|i| lane.0[i] + f64::from(half[i])));
            }
        }
    }

    #[inline(always)]
    fn plus_product<const FUSED: bool>(self, a: f32, b: Self) -> Self {
        SingleLane::plus_product::<FUSED>(self, SingleLane([a; 2 * LANE]), b)
    }
}

/// `Σ_k x_k[left..left + TALL] ⊗ x_k[at..at + N]` for the rows `x_k` of `width` registers: `left`
/// counts numbers, `at` registers.
#[inline(always)]
pub fn accumulate<R: Register, const FUSED: bool, const TALL: usize, const N: usize>(
    rows: &[R],
    width: usize,
    left: usize,
    at: usize,
) -> [[R; N]; TALL] {
    let mut sums = [[R::ZERO; N]; TALL];
    for row in rows.chunks_exact(width) {
        let numbers: &[R::Number] = bytemuck::cast_slice(row);
        let (Some(left), Some(right)) = (numbers.get(left..left + TALL), row.get(at..at + N)) else { return sums };
        let right: [R; N] = std::array::from_fn(|j| right[j]);
        for i in 0..TALL {
            for j in 0..N {
                sums[i][j] = sums[i][j].plus_product::<FUSED>(left[i], right[j]);
            }
        }
    }
    sums
}
