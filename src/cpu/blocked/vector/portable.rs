//! Vectors of 128 bits in plain Rust, which the compiler of each architecture turns into its own
//! instructions.

use super::Vector;

/// Whether every processor of the compilation target has a fused multiply–add instruction;
/// otherwise it would be a call into the mathematical library.
const FUSED: bool = cfg!(target_arch = "aarch64") || cfg!(target_feature = "fma");

macro_rules! portable {
    ($name:ident, $number:ty, $lanes:literal) => {
        /// A register of 128 bits.
        #[derive(Clone, Copy)]
        pub struct $name([$number; $lanes]);

        impl Vector for $name {
            type Number = $number;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(number: $number) -> Self {
                $name([number; $lanes])
            }

            #[inline(always)]
            fn load(numbers: &[$number]) -> Self {
                let numbers = &numbers[..$lanes];
                $name(std::array::from_fn(|i| numbers[i]))
            }

            #[inline(always)]
            fn store(self, numbers: &mut [$number]) {
                numbers[..$lanes].copy_from_slice(&self.0);
            }

            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                $name(std::array::from_fn(|i| {
                    if FUSED { a.0[i].mul_add(b.0[i], self.0[i]) } else { a.0[i] * b.0[i] + self.0[i] }
                }))
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $name(std::array::from_fn(|i| self.0[i] - other.0[i]))
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $name(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }

            #[inline(always)]
            fn or_where_not_positive(self, judge: Self, other: Self) -> Self {
                $name(std::array::from_fn(|i| if judge.0[i] <= 0.0 { other.0[i] } else { self.0[i] }))
            }

            #[inline(always)]
            fn or_zero_where_nan(self, judge: Self) -> Self {
                $name(std::array::from_fn(|i| if judge.0[i].is_nan() { 0.0 } else { self.0[i] }))
            }
        }
    };
}

portable!(Double, f64, 2);
portable!(Single, f32, 4);
