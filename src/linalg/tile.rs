//! The one kernel of normal matrices and factorisations: a tile of a symmetric product `Σ_k x_k x_kᵀ`, held in registers while
//! the rows `x_k` pass by.

use bytemuck::Pod;

use super::lanes::{LANE, Lane, SingleLane};

/// Numbers that fill a register.
pub trait Register: Pod {
    /// One of them.
    type Number: Pod;
    /// Nothing but zeros.
    const ZERO: Self;

    /// `self + a·b`.
    fn plus_product<const FUSED: bool>(self, a: Self::Number, b: Self) -> Self;
}

impl Register for Lane {
    type Number = f64;
    const ZERO: Self = Lane::ZERO;

    #[inline(always)]
    fn plus_product<const FUSED: bool>(self, a: f64, b: Self) -> Self {
        Lane::plus_product::<FUSED>(self, Lane::splat(a), b)
    }
}

impl Register for SingleLane {
    type Number = f32;
    const ZERO: Self = SingleLane::ZERO;

    #[inline(always)]
    fn plus_product<const FUSED: bool>(self, a: f32, b: Self) -> Self {
        SingleLane::plus_product::<FUSED>(self, SingleLane([a; 2 * LANE]), b)
    }
}

/// `Σ_k x_k[left..left + TALL] ⊗ x_k[at..at + N]` for the rows `x_k` of `width` registers: `left` counts
/// numbers, `at` registers.
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
