//! Four numbers at a time, and functions compiled three times: for any processor, for AVX2 with
//! fused multiply–add (16 registers) and for AVX-512 (32 of them), chosen when the program runs. So
//! one build on one machine always gives the same numbers.

use bytemuck::{Pod, Zeroable};

/// Four `f64`, aligned so that a load never crosses a cache line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(32))]
pub struct Lane(pub [f64; LANE]);

/// Entries of a [`Lane`].
pub const LANE: usize = 4;

impl Lane {
    /// Four zeros.
    pub const ZERO: Lane = Lane([0.0; LANE]);

    /// One number four times.
    #[inline(always)]
    pub fn splat(value: f64) -> Self {
        Lane([value; LANE])
    }

    /// `self + a·b`, entry by entry. `FUSED`: with one rounding, where the processor can; for use
    /// only in functions that `vectorised!` defines.
    #[inline(always)]
    pub fn plus_product<const FUSED: bool>(self, a: Lane, b: Lane) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            // Written with intrinsics: in larger tiles, the compiler mixes vector widths and adds
            // shuffles. SAFETY: `FUSED` is true in functions compiled for AVX2 + FMA only.
            #[allow(unsafe_code, reason = "an instruction that the function around is compiled for")]
            return bytemuck::cast(unsafe {
                std::arch::x86_64::_mm256_fmadd_pd(bytemuck::cast(a), bytemuck::cast(b), bytemuck::cast(self))
            });
        }
        Lane(std::array::from_fn(|i| multiply_add::<FUSED>(a.0[i], b.0[i], self.0[i])))
    }

    /// The sum of the four.
    #[inline(always)]
    pub fn sum(self) -> f64 {
        let [a, b, c, d] = self.0;
        (a + b) + (c + d)
    }
}

/// Eight `f32`: the same register as a [`Lane`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(32))]
pub struct SingleLane(pub [f32; 2 * LANE]);

impl SingleLane {
    /// Eight zeros.
    pub const ZERO: SingleLane = SingleLane([0.0; 2 * LANE]);

    /// As [`Lane::plus_product`].
    #[inline(always)]
    pub fn plus_product<const FUSED: bool>(self, a: SingleLane, b: SingleLane) -> Self {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "as above")]
            return bytemuck::cast(unsafe {
                std::arch::x86_64::_mm256_fmadd_ps(bytemuck::cast(a), bytemuck::cast(b), bytemuck::cast(self))
            });
        }
        SingleLane(std::array::from_fn(|i| a.0[i] * b.0[i] + self.0[i]))
    }
}

/// `a·b + c`.
#[inline(always)]
pub fn multiply_add<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    // Without the instruction, `mul_add` is a call into the mathematical library.
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Lanes that hold `entries` numbers.
pub fn lanes_for(entries: usize) -> usize {
    entries.div_ceil(LANE)
}

/// The numbers of some lanes.
pub fn numbers(lanes: &[Lane]) -> &[f64] {
    bytemuck::cast_slice(lanes)
}

/// The numbers of some lanes, mutable.
pub fn numbers_mut(lanes: &mut [Lane]) -> &mut [f64] {
    bytemuck::cast_slice_mut(lanes)
}

/// Defines a function whose body is compiled for any processor, for AVX2 + FMA and for AVX-512. The
/// body may use the constants `FUSED` and `TALL`, the rows of a tile that the registers hold.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "slices of one structure of arrays")]
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[allow(clippy::too_many_arguments, reason = "as above")]
            #[inline(always)]
            fn body<const FUSED: bool, const TALL: usize>($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments, reason = "as above")]
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    body::<true, 4>($($arg),*)
                }
                #[allow(clippy::too_many_arguments, reason = "as above")]
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq")]
                fn wider($($arg: $type),*) $(-> $result)? {
                    body::<true, 8>($($arg),*)
                }
                match $crate::linalg::lanes::registers() {
                    // SAFETY: the processor has what the function is compiled for.
                    #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
                    32 => return unsafe { wider($($arg),*) },
                    // SAFETY: as above.
                    #[allow(unsafe_code, reason = "as above")]
                    16 => return unsafe { wide($($arg),*) },
                    _ => {}
                }
            }
            body::<false, 4>($($arg),*)
        }
    )+};
}
pub(crate) use vectorised;

/// Number of this processor's registers that hold at least a [`Lane`] and that its instructions can
/// use: 32, 16 or 0.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn registers() -> u32 {
    if !(std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")) {
        return 0;
    }
    let more = std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512dq");
    if more { 32 } else { 16 }
}
