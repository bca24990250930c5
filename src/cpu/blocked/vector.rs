//! Numbers and vectors of them: the operations that a product's tile needs in f64 and f32, in the
//! instructions of the current processor. AVX-512 and AVX2 fuse a multiplication with the following
//! addition, so they give the same bits. The portable variant fuses only if every processor of the
//! architecture can.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::{Add, Mul};

use bytemuck::Pod;

/// The precision of a product.
pub trait Number: Pod + Send + Sync + PartialOrd + std::fmt::Debug + Add<Output = Self> + Mul<Output = Self> {
    /// Vectors for any processor.
    type Portable: Vector<Number = Self>;
    /// Vectors of 256 bits.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Number = Self>;
    /// Vectors of 512 bits.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Number = Self>;

    /// `0`.
    const ZERO: Self;
    /// Not a number.
    const NAN: Self;

    /// The nearest number of this precision.
    fn narrowed(number: f64) -> Self;
    /// The same number in f64.
    fn widened(self) -> f64;
    /// `1 / (1 + exp(−a))`.
    fn sigmoid(self) -> Self;
    /// `tanh a`.
    fn hyperbolic_tangent(self) -> Self;
}

macro_rules! number {
    ($number:ty, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl Number for $number {
            type Portable = portable::$portable;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = x86::$avx2;
            #[cfg(target_arch = "x86_64")]
            type Avx512 = x86::$avx512;

            const ZERO: Self = 0.0;
            const NAN: Self = <$number>::NAN;

            #[inline(always)]
            fn narrowed(number: f64) -> Self {
                number as Self
            }

            #[inline(always)]
            fn widened(self) -> f64 {
                self as f64
            }

            fn sigmoid(self) -> Self {
                1.0 / (1.0 + (-self).exp())
            }

            fn hyperbolic_tangent(self) -> Self {
                self.tanh()
            }
        }
    };
}

number!(f64, Double, Double256, Double512);
number!(f32, Single, Single256, Single512);

/// A register full of numbers. Vectors of special instructions may be used only in functions
/// compiled for these instructions.
pub trait Vector: Copy {
    /// The type of its numbers.
    type Number: Number;
    /// Its number of lanes.
    const LANES: usize;

    /// The same number in all lanes.
    fn splat(number: Self::Number) -> Self;
    /// Loads the first [`Self::LANES`] numbers; panics if there are fewer.
    fn load(numbers: &[Self::Number]) -> Self;
    /// Writes to the first [`Self::LANES`] numbers; panics if there are fewer.
    fn store(self, numbers: &mut [Self::Number]);
    /// `self + a·b`, entry by entry.
    fn plus_product(self, a: Self, b: Self) -> Self;
    /// `self − other`.
    fn minus(self, other: Self) -> Self;
    /// `self · other`.
    fn times(self, other: Self) -> Self;
    /// `self`, replaced by `other` where `judge ≤ 0`.
    fn or_where_not_positive(self, judge: Self, other: Self) -> Self;
    /// `self`, replaced by 0 where `judge` is `NaN`.
    fn or_zero_where_nan(self, judge: Self) -> Self;
}

/// The vector instructions that a product uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// The instructions of any processor.
    Portable,
    /// AVX2 with fused multiply–add: 16 registers of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512: 32 registers of 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The best instructions of this processor.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub fn best() -> Self {
        if std::arch::is_x86_feature_detected!("avx512f") {
            Instructions::Avx512
        } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            Instructions::Avx2
        } else {
            Instructions::Portable
        }
    }

    /// The best instructions of this processor.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    pub fn best() -> Self {
        Instructions::Portable
    }
}

/// Calls a function that is generic over a [`Vector`] and over the maximum number of columns in its
/// registers, compiled for the chosen instructions.
macro_rules! for_instructions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$number:ident>($($arg:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "the parts of one product")]
        $vis fn $name<$number: Number>(instructions: Instructions, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            #[target_feature(enable = "avx2,fma")]
            fn middle<$number: Number>($($arg: $type),*) {
                $body::<$number::Avx2, 4>($($arg),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            #[target_feature(enable = "avx512f")]
            fn wide<$number: Number>($($arg: $type),*) {
                $body::<$number::Avx512, 8>($($arg),*);
            }
            match instructions {
                // SAFETY: the value is created only if the processor has the instructions of the
                // function.
                #[cfg(target_arch = "x86_64")]
                #[allow(unsafe_code, reason = "calling a function compiled for features found on this processor")]
                Instructions::Avx512 => unsafe { wide::<$number>($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                #[allow(unsafe_code, reason = "as above")]
                Instructions::Avx2 => unsafe { middle::<$number>($($arg),*) },
                Instructions::Portable => $body::<$number::Portable, 4>($($arg),*),
            }
        }
    };
}
pub(crate) use for_instructions;
