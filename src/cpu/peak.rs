//! Measures the peak arithmetic of a device: the recurrence `x ← a·x + b`, one fused multiply–add
//! per step, in registers only. [`peak`] is the twin of `shaders/peak.wgsl`, chain by chain.
//! [`vectorised`] keeps a core's widest registers full and measures the peak of this machine,
//! [`vectorised_single`] does so in f32.
//!
//! With `0 < a < 1` the chains converge to `b / (1 − a)`. After `r` steps, a chain that started at
//! `x₀` is at `aʳ·x₀ + b·(1 − aʳ)/(1 − a)`.

/// Independent chains per invocation of the kernel, so that no chain waits for its own previous
/// step.
pub const CHAINS: usize = 8;
/// Steps of every chain in one round of the kernel's loop.
pub const STEPS: u32 = 32;
/// Registers that [`vectorised`] advances side by side: more than two units can process at the same
/// time, but fewer than the 16 registers of AVX2.
pub const REGISTERS: usize = 12;

/// The recurrence `x ← factor·x + addend`, for `rounds` times [`STEPS`] steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recurrence {
    /// `a`.
    pub factor: f64,
    /// `b`.
    pub addend: f64,
    /// Number of rounds of [`STEPS`] steps.
    pub rounds: u32,
}

impl Recurrence {
    /// `a = 1 − 2⁻¹⁰`, `b = 2⁻¹⁰`: the chains converge to 1 and stay between 1 and 2 from [`start`]
    /// on. Both numbers are exact in f32.
    pub fn towards_one(rounds: u32) -> Self {
        Recurrence { factor: 1.0 - 1.0 / 1024.0, addend: 1.0 / 1024.0, rounds }
    }

    /// Number of steps of one chain.
    pub fn steps(&self) -> u64 {
        u64::from(self.rounds) * u64::from(STEPS)
    }
}

/// The start value of chain `chain`: one of 1,024 numbers from 1 to below 2.
pub fn start(chain: usize) -> f64 {
    1.0 + (chain % 1024) as f64 / 1024.0
}

/// The final values of the [`CHAINS`] chains of each invocation, one after the other.
pub fn peak(invocations: usize, recurrence: &Recurrence) -> Vec<f64> {
    let mut ends: Vec<f64> = (0..invocations * CHAINS).map(start).collect();
    for x in &mut ends {
        for _ in 0..recurrence.steps() {
            *x = recurrence.factor * *x + recurrence.addend;
        }
    }
    ends
}

/// Runs the same chains on one thread: one chain per register, the same in each of its lanes.
/// Returns the final values, and the number of `f64` per register. It is compiled for AVX-512, for
/// AVX2 with fused multiply–add, and for any processor; the widest supported variant runs. Costs
/// two operations per `f64` and step.
pub fn vectorised(recurrence: &Recurrence) -> ([f64; REGISTERS], usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function is compiled for.
            #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
            return (unsafe { x86::of_eight(recurrence) }, 8);
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "as above")]
            return (unsafe { x86::of_four(recurrence) }, 4);
        }
    }
    (portable(recurrence), PORTABLE_LANES)
}

/// [`vectorised`] in `f32`, with twice as many numbers per register.
pub fn vectorised_single(recurrence: &Recurrence) -> ([f32; REGISTERS], usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function is compiled for.
            #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
            return (unsafe { x86::of_sixteen_single(recurrence) }, 16);
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "as above")]
            return (unsafe { x86::of_eight_single(recurrence) }, 8);
        }
    }
    (portable_single(recurrence), 2 * PORTABLE_LANES)
}

/// Register size of the portable variant of [`vectorised`]: two numbers, as in SSE2 and NEON.
const PORTABLE_LANES: usize = 2;

macro_rules! portable {
    ($name:ident, $number:ty, $lanes:expr) => {
        fn $name(recurrence: &Recurrence) -> [$number; REGISTERS] {
            let (factor, addend) = (recurrence.factor as $number, recurrence.addend as $number);
            let mut registers: [[$number; $lanes]; REGISTERS] =
                std::array::from_fn(|chain| [start(chain) as $number; $lanes]);
            for _ in 0..recurrence.steps() {
                for x in registers.as_flattened_mut() {
                    // Fused if every processor of the architecture has the instruction; otherwise
                    // it would be a function call.
                    *x = if cfg!(target_arch = "aarch64") { x.mul_add(factor, addend) } else { *x * factor + addend };
                }
            }
            registers.map(|register| register[0])
        }
    };
}

portable!(portable, f64, PORTABLE_LANES);
portable!(portable_single, f32, 2 * PORTABLE_LANES);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_cvtsd_f64, _mm256_cvtss_f32, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_set1_pd, _mm256_set1_ps,
        _mm512_cvtsd_f64, _mm512_cvtss_f32, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_set1_pd, _mm512_set1_ps,
    };

    use super::{REGISTERS, Recurrence, start};

    /// The chains, in registers of one instruction set.
    macro_rules! chains {
        ($name:ident, $features:literal, $number:ty, $set:ident, $fused:ident, $first:ident) => {
            #[target_feature(enable = $features)]
            pub fn $name(recurrence: &Recurrence) -> [$number; REGISTERS] {
                let (factor, addend) = ($set(recurrence.factor as $number), $set(recurrence.addend as $number));
                let mut registers = [factor; REGISTERS];
                for (chain, register) in registers.iter_mut().enumerate() {
                    *register = $set(start(chain) as $number);
                }
                for _ in 0..recurrence.steps() {
                    for register in &mut registers {
                        *register = $fused(*register, factor, addend);
                    }
                }
                let mut ends = [0.0; REGISTERS];
                for (end, register) in ends.iter_mut().zip(registers) {
                    *end = $first(register);
                }
                ends
            }
        };
    }

    chains!(of_eight, "avx512f", f64, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_cvtsd_f64);
    chains!(of_four, "avx2,fma", f64, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_cvtsd_f64);
    chains!(of_sixteen_single, "avx512f", f32, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32);
    chains!(of_eight_single, "avx2,fma", f32, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_runs_the_recurrence() {
        let recurrence = Recurrence::towards_one(9);
        let expected = peak(REGISTERS.div_ceil(CHAINS), &recurrence);
        let mut variants = vec![portable(&recurrence), vectorised(&recurrence).0];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has what the function is compiled for.
            #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
            variants.push(unsafe { x86::of_four(&recurrence) });
        }
        for ends in variants {
            for (end, expected) in ends.iter().zip(&expected) {
                assert!((end - expected).abs() < 1e-13, "{end} instead of {expected}");
            }
        }
        let mut variants = vec![portable_single(&recurrence), vectorised_single(&recurrence).0];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "as above")]
            variants.push(unsafe { x86::of_eight_single(&recurrence) });
        }
        // Each of the 288 steps has a rounding error of at most 2⁻²³.
        for ends in variants {
            for (end, expected) in ends.iter().zip(&expected) {
                let apart = (f64::from(*end) - expected).abs();
                assert!(apart < 288.0 / 8_388_608.0, "{end} instead of {expected}");
            }
        }
    }
}
