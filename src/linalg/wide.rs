//! Sixteen problems side by side: the same number of each of them in one value, so that what is
//! done for all of them takes whole registers, however few numbers one of them has.
//!
//! As in [`super::lanes`], `FUSED` is for functions that `vectorised!` defines. The operations are
//! written with intrinsics there: of plain loops, the compiler may join the same entry of several
//! values to a register, which it then has to scatter.

use bytemuck::{Pod, Zeroable};

use super::lanes::SingleLane;

/// Entries of a [`Wide`].
pub const WIDE: usize = 16;

/// One `f32` of each of sixteen problems.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Wide(pub [f32; WIDE]);

/// Defines an operation on pairs of entries.
macro_rules! entry_by_entry {
    ($($(#[$meta:meta])* $name:ident, $intrinsic:ident, $plain:expr;)+) => {$(
        $(#[$meta])*
        #[inline(always)]
        pub fn $name<const FUSED: bool>(self, other: Wide) -> Self {
            #[cfg(target_arch = "x86_64")]
            if FUSED {
                let ([a0, a1], [b0, b1]) = (self.halves(), other.halves());
                // SAFETY: `FUSED` is true in functions compiled for AVX2 + FMA only.
                #[allow(unsafe_code, reason = "an instruction that the function around is compiled for")]
                return Wide::of_halves(unsafe {
                    [std::arch::x86_64::$intrinsic(a0, b0), std::arch::x86_64::$intrinsic(a1, b1)]
                });
            }
            let plain: fn(f32, f32) -> f32 = $plain;
            Wide(std::array::from_fn(|i| plain(self.0[i], other.0[i])))
        }
    )+};
}

impl Wide {
    /// Sixteen zeros.
    pub const ZERO: Wide = Wide([0.0; WIDE]);
    /// No limit.
    pub const INFINITE: Wide = Wide([f32::INFINITY; WIDE]);

    /// One number sixteen times.
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Wide([value; WIDE])
    }

    /// Sixteen whole numbers, as bits: only for [`Self::where_greater`] and back.
    #[inline(always)]
    pub fn of_bits(bits: [u32; WIDE]) -> Self {
        Wide(bits.map(f32::from_bits))
    }

    /// The whole numbers of [`Self::of_bits`].
    #[inline(always)]
    pub fn bits(self) -> [u32; WIDE] {
        self.0.map(f32::to_bits)
    }

    /// `self + a·b`, entry by entry, as [`SingleLane::plus_product`].
    #[inline(always)]
    pub fn plus_product<const FUSED: bool>(self, a: Wide, b: Wide) -> Self {
        let ([a0, a1], [b0, b1], [c0, c1]): ([SingleLane; 2], [SingleLane; 2], [SingleLane; 2]) =
            (bytemuck::cast(a), bytemuck::cast(b), bytemuck::cast(self));
        bytemuck::cast([c0.plus_product::<FUSED>(a0, b0), c1.plus_product::<FUSED>(a1, b1)])
    }

    entry_by_entry! {
        /// The sum.
        plus, _mm256_add_ps, |a, b| a + b;
        /// The difference.
        minus, _mm256_sub_ps, |a, b| a - b;
        /// The product.
        times, _mm256_mul_ps, |a, b| a * b;
        /// The quotient.
        over, _mm256_div_ps, |a, b| a / b;
        /// The larger one; `other` where one is not a number.
        or_more, _mm256_max_ps, |a, b| if a > b { a } else { b };
    }

    /// `yes` where `self > other`, otherwise `no`.
    #[inline(always)]
    pub fn where_greater<const FUSED: bool>(self, other: Wide, yes: Wide, no: Wide) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            use std::arch::x86_64::{_CMP_GT_OQ, _mm256_blendv_ps, _mm256_cmp_ps};
            let ([a0, a1], [b0, b1]) = (self.halves(), other.halves());
            let ([y0, y1], [n0, n1]) = (yes.halves(), no.halves());
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "as above")]
            return Wide::of_halves(unsafe {
                [
                    _mm256_blendv_ps(n0, y0, _mm256_cmp_ps::<_CMP_GT_OQ>(a0, b0)),
                    _mm256_blendv_ps(n1, y1, _mm256_cmp_ps::<_CMP_GT_OQ>(a1, b1)),
                ]
            });
        }
        Wide(std::array::from_fn(|i| if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn halves(self) -> [std::arch::x86_64::__m256; 2] {
        bytemuck::cast(self)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn of_halves(halves: [std::arch::x86_64::__m256; 2]) -> Self {
        bytemuck::cast(halves)
    }
}
