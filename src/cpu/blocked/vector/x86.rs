//! Vectors of 256 and 512 bits for x86-64; each method is one or two instructions. Only
//! `for_instructions!` uses them, and it compiles the surrounding code for the required
//! instructions.

use std::arch::x86_64::*;

use super::Vector;

macro_rules! x86 {
    (
        $name:ident, $number:ty, $lanes:literal, $register:ty,
        $splat:ident, $load:ident, $store:ident, $fma:ident, $sub:ident, $mul:ident,
        |$judge:ident, $yes:ident, $no:ident| $low:expr, $unordered:expr
    ) => {
        /// A register.
        #[derive(Clone, Copy)]
        pub struct $name($register);

        // SAFETY of everything that follows: such a value is used only in functions compiled for
        // its instructions, and these run only if the processor has them. All reads and writes are
        // within the slices.
        #[allow(unsafe_code, reason = "instructions that the functions around are compiled for")]
        impl Vector for $name {
            type Number = $number;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(number: $number) -> Self {
                $name(unsafe { $splat(number) })
            }

            #[inline(always)]
            fn load(numbers: &[$number]) -> Self {
                let numbers = &numbers[..$lanes];
                $name(unsafe { $load(numbers.as_ptr()) })
            }

            #[inline(always)]
            fn store(self, numbers: &mut [$number]) {
                let numbers = &mut numbers[..$lanes];
                unsafe { $store(numbers.as_mut_ptr(), self.0) }
            }

            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                $name(unsafe { $fma(a.0, b.0, self.0) })
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $name(unsafe { $sub(self.0, other.0) })
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $name(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            fn or_where_not_positive(self, judge: Self, other: Self) -> Self {
                let ($judge, $yes, $no) = (judge.0, other.0, self.0);
                $name(unsafe { $low })
            }

            #[inline(always)]
            fn or_zero_where_nan(self, judge: Self) -> Self {
                let ($judge, $yes, $no) = (judge.0, Self::splat(0.0).0, self.0);
                $name(unsafe { $unordered })
            }
        }
    };
}

x86!(
    Double256,
    f64,
    4,
    __m256d,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_fmadd_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    |judge, yes, no| _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_LE_OQ>(judge, _mm256_setzero_pd())),
    _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_UNORD_Q>(judge, judge))
);
x86!(
    Single256,
    f32,
    8,
    __m256,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    |judge, yes, no| _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LE_OQ>(judge, _mm256_setzero_ps())),
    _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_UNORD_Q>(judge, judge))
);
x86!(
    Double512,
    f64,
    8,
    __m512d,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    |judge, yes, no| _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask::<_CMP_LE_OQ>(judge, _mm512_setzero_pd()), yes),
    _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(judge, judge), yes)
);
x86!(
    Single512,
    f32,
    16,
    __m512,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    |judge, yes, no| _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_LE_OQ>(judge, _mm512_setzero_ps()), yes),
    _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(judge, judge), yes)
);
