//! Four numbers at a time, and functions compiled twice: once for any processor and once for AVX2 with fused
//! multiply–add, chosen when the program runs. The numbers of one build on one machine never depend on anything else.

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

    /// `self + a·b`, entry by entry; `FUSED` where the processor does it in one rounding.
    #[inline(always)]
    pub fn plus_product<const FUSED: bool>(self, a: Lane, b: Lane) -> Self {
        Lane(std::array::from_fn(|i| multiply_add::<FUSED>(a.0[i], b.0[i], self.0[i])))
    }

    /// The sum of the four.
    #[inline(always)]
    pub fn sum(self) -> f64 {
        let [a, b, c, d] = self.0;
        (a + b) + (c + d)
    }
}

/// `a·b + c`.
#[inline(always)]
pub fn multiply_add<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    // Without the instruction `mul_add` is a call into the mathematical library.
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Lanes that hold `entries` numbers.
pub fn lanes_for(entries: usize) -> usize {
    entries.div_ceil(LANE)
}

/// The numbers in lanes.
pub fn numbers(lanes: &[Lane]) -> &[f64] {
    bytemuck::cast_slice(lanes)
}

/// The numbers in lanes, to write.
pub fn numbers_mut(lanes: &mut [Lane]) -> &mut [f64] {
    bytemuck::cast_slice_mut(lanes)
}

/// Defines a function whose body is compiled for any processor and for AVX2 + FMA. The body may use the constant `FUSED`.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "slices of one structure of arrays")]
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[allow(clippy::too_many_arguments, reason = "as above")]
            #[inline(always)]
            fn body<const FUSED: bool>($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments, reason = "as above")]
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    body::<true>($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has what the function is compiled for.
                    #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
                return unsafe { wide($($arg),*) };
                }
            }
            body::<false>($($arg),*)
        }
    )+};
}
pub(crate) use vectorised;
