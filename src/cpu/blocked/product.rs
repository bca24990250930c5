//! Products of a packed weight with a block of observations, in f64 or f32.
//!
//! A tile of the output (some rows of a panel by some columns of the block) stays in registers from
//! its first term to its last. An entry is one sum over the inner dimension in its natural order,
//! whatever its position and the width of the output. So a column of the output depends only on its
//! column of the input; a test here checks this bit for bit. Libraries that use another algorithm
//! for a vector than for a matrix do not guarantee it. Operations after a product (bias,
//! activation, derivative) are applied while the tile is in registers.

use super::panels::{LINE, Panels, panel_rows};
use super::vector::{Instructions, Number, Vector, for_instructions};

/// The operation that is applied to the sums before they are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finish<T> {
    /// No operation: the sums are written unchanged.
    Plain,
    /// Replaces sums at most zero by `0`.
    Relu,
    /// Multiplies sums at most zero by the slope.
    LeakyRelu(T),
    /// Multiplies a sum by the slope if the number that it replaces is at most zero: `⊙ σ'`,
    /// computed from the outputs of `σ`.
    Derivative(T),
}

/// A block of columns; `stride` is the distance from one column to the next.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a, T> {
    /// The columns, one after the other.
    pub entries: &'a [T],
    /// Numbers from the beginning of a column to that of the next.
    pub stride: usize,
}

/// Writable [`Columns`].
#[derive(Debug)]
pub struct ColumnsMut<'a, T> {
    /// The columns, one after the other.
    pub entries: &'a mut [T],
    /// Numbers from the beginning of a column to that of the next.
    pub stride: usize,
}

/// The best stride for columns of `length` numbers: an odd number of whole cache lines. Columns at
/// a distance of a power of two would all use the same few places of a cache.
pub fn stride_of<T>(length: usize) -> usize {
    ((length * size_of::<T>()).div_ceil(LINE) | 1) * (LINE / size_of::<T>())
}

/// Computes `C ← finish(b + M A)`. `M` as packed: rows × inner; `start`, if given, is `b`: rows;
/// `inputs` is `A`: inner × count; `outputs` is `C`: rows × count. Costs `2·rows·inner·count`
/// flops.
///
/// # Panics
/// If the slices are too short for this.
pub fn product<T: Number>(
    panels: &Panels<T>,
    start: Option<&[T]>,
    inputs: Columns<'_, T>,
    outputs: ColumnsMut<'_, T>,
    count: usize,
    finish: Finish<T>,
) {
    assert!(start.is_none_or(|start| start.len() >= panels.rows()), "a bias that does not fit its layer");
    product_by(Instructions::best(), panels, start, inputs, outputs, count, finish);
}

for_instructions! {
    fn product_by<T>(
        panels: &Panels<T>,
        start: Option<&[T]>,
        inputs: Columns<'_, T>,
        outputs: ColumnsMut<'_, T>,
        count: usize,
        finish: Finish<T>,
    ) = all_rows
}

// From here on, the code uses loops where closures would be possible. A closure is compiled for any
// processor, and if it is not inlined, the vectors go through memory and calls.

/// Height of a tile, in registers.
const HIGH: usize = 3;

#[inline(always)]
fn all_rows<V: Vector, const MOST: usize>(
    panels: &Panels<V::Number>,
    start: Option<&[V::Number]>,
    inputs: Columns<'_, V::Number>,
    mut outputs: ColumnsMut<'_, V::Number>,
    count: usize,
    finish: Finish<V::Number>,
) {
    for first in (0..panels.rows()).step_by(HIGH * V::LANES) {
        let left = panels.rows() - first;
        let place = Place { panels, start, inputs, first, rows: left.min(HIGH * V::LANES), finish };
        match left.div_ceil(V::LANES) {
            1 => all_columns::<V, 1, MOST>(&place, &mut outputs, count),
            2 => all_columns::<V, 2, MOST>(&place, &mut outputs, count),
            _ => all_columns::<V, HIGH, MOST>(&place, &mut outputs, count),
        }
    }
}

/// Some rows of a product.
struct Place<'a, T> {
    panels: &'a Panels<T>,
    start: Option<&'a [T]>,
    inputs: Columns<'a, T>,
    /// The first of the rows.
    first: usize,
    rows: usize,
    finish: Finish<T>,
}

/// Computes the entries of these rows in all columns; meanwhile their weights stay in the nearest
/// cache.
#[inline(always)]
fn all_columns<V: Vector, const N: usize, const MOST: usize>(
    place: &Place<'_, V::Number>,
    outputs: &mut ColumnsMut<'_, V::Number>,
    count: usize,
) {
    let mut column = 0;
    while count - column >= MOST {
        tile::<V, N, MOST>(place, outputs, column);
        column += MOST;
    }
    while count - column >= 4 {
        tile::<V, N, 4>(place, outputs, column);
        column += 4;
    }
    while count - column >= 2 {
        tile::<V, N, 2>(place, outputs, column);
        column += 2;
    }
    if column < count {
        tile::<V, N, 1>(place, outputs, column);
    }
}

#[inline(always)]
fn tile<V: Vector, const N: usize, const C: usize>(
    place: &Place<'_, V::Number>,
    outputs: &mut ColumnsMut<'_, V::Number>,
    column: usize,
) {
    let inner = place.panels.inner();
    let begin: [V; N] = match place.start {
        Some(start) => vectors(&start[place.first..][..place.rows]),
        None => [V::splat(V::Number::ZERO); N],
    };
    let columns: [&[V::Number]; C] =
        std::array::from_fn(|j| &place.inputs.entries[(column + j) * place.inputs.stride..][..inner]);
    let sums = accumulate::<V, N, C>(place.panels.panel(place.first), place.first, columns, [begin; C]);
    for (j, sums) in sums.iter().enumerate() {
        let at = (column + j) * outputs.stride + place.first;
        write(sums, place.finish, &mut outputs.entries[at..][..place.rows]);
    }
}

/// `sums + M A`, for the rows of a panel from `first` on and the columns of `A`.
#[inline(always)]
fn accumulate<V: Vector, const N: usize, const C: usize>(
    panel: &[V::Number],
    first: usize,
    columns: [&[V::Number]; C],
    mut sums: [[V; N]; C],
) -> [[V; N]; C] {
    let high = panel_rows::<V::Number>();
    let first = first % high;
    for (k, weights) in panel.chunks_exact(high).enumerate() {
        let weights = &weights[first..][..N * V::LANES];
        let mut vectors = [V::splat(V::Number::ZERO); N];
        for i in 0..N {
            vectors[i] = V::load(&weights[i * V::LANES..]);
        }
        for j in 0..C {
            let entry = V::splat(columns[j][k]);
            for i in 0..N {
                sums[j][i] = sums[j][i].plus_product(vectors[i], entry);
            }
        }
    }
    sums
}

/// `numbers` as vectors, padded with zeros.
#[inline(always)]
fn vectors<V: Vector, const N: usize>(numbers: &[V::Number]) -> [V; N] {
    let mut vectors = [V::splat(V::Number::ZERO); N];
    for i in 0..N {
        vectors[i] = if (i + 1) * V::LANES <= numbers.len() {
            V::load(&numbers[i * V::LANES..])
        } else {
            let mut filled = [V::Number::ZERO; LINE / 4];
            let numbers = &numbers[(i * V::LANES).min(numbers.len())..];
            filled[..numbers.len()].copy_from_slice(numbers);
            V::load(&filled)
        };
    }
    vectors
}

/// Finishes a column of a tile and writes it up to the length of `outputs`.
#[inline(always)]
fn write<V: Vector, const N: usize>(sums: &[V; N], finish: Finish<V::Number>, outputs: &mut [V::Number]) {
    let judges: [V; N] = match finish {
        Finish::Derivative(_) => vectors(outputs),
        _ => *sums,
    };
    for i in 0..N {
        let (sum, judge) = (sums[i], judges[i]);
        let finished = match finish {
            Finish::Plain => sum,
            Finish::Relu => sum.or_where_not_positive(judge, V::splat(V::Number::ZERO)),
            Finish::LeakyRelu(slope) | Finish::Derivative(slope) => {
                sum.or_where_not_positive(judge, sum.times(V::splat(slope)))
            }
        };
        if (i + 1) * V::LANES <= outputs.len() {
            finished.store(&mut outputs[i * V::LANES..]);
        } else {
            let mut filled = [V::Number::ZERO; LINE / 4];
            finished.store(&mut filled);
            let outputs = &mut outputs[i * V::LANES..];
            outputs.copy_from_slice(&filled[..outputs.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    fn matrix(rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |row, column| ((row * 31 + column * 17 + 1) as f64 * scale).sin())
    }

    /// Rows × inner: below, at and above the sizes of registers and panels. Panels have 24 rows in
    /// f64 and 48 in f32.
    const SHAPES: [(usize, usize); 8] = [(1, 1), (3, 2), (8, 8), (17, 5), (24, 30), (65, 20), (300, 257), (70, 600)];

    /// The instructions that this processor has.
    fn instructions() -> Vec<Instructions> {
        let mut all = vec![Instructions::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if Instructions::best() == Instructions::Avx512 {
                all.push(Instructions::Avx512);
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                all.push(Instructions::Avx2);
            }
        }
        all
    }

    /// `M`, `b`, `A` and the previous `C`.
    type Parts<'a> = (&'a DMatrix<f64>, Option<&'a DMatrix<f64>>, &'a DMatrix<f64>, &'a DMatrix<f64>);

    /// `finish(b + M A)` for the columns `columns` of `A`.
    fn found<T: Number>(
        by: Instructions,
        (m, b, a, held): Parts,
        columns: std::ops::Range<usize>,
        finish: Finish<T>,
    ) -> Vec<T> {
        let narrowed = |m: &DMatrix<f64>| m.iter().map(|x| T::narrowed(*x)).collect::<Vec<T>>();
        let part = |m: &DMatrix<f64>| narrowed(&m.columns(columns.start, columns.len()).into_owned());
        let (panels, start, inputs, mut entries) = (Panels::of(m), b.map(narrowed), part(a), part(held));
        let inputs = Columns { entries: &inputs, stride: m.ncols() };
        let outputs = ColumnsMut { entries: &mut entries, stride: m.nrows() };
        product_by(by, &panels, start.as_deref(), inputs, outputs, columns.len(), finish);
        entries
    }

    fn check<T: Number>(tolerance: f64) {
        for (rows, inner) in SHAPES {
            let (m, b, a) = (matrix(rows, inner, 0.7), matrix(rows, 1, 0.3), matrix(inner, 15, 1.3));
            let held = matrix(rows, 15, 2.1);
            let mut sums = &m * &a;
            sums.column_iter_mut().for_each(|mut column| column += &b);
            let low = |x: f64, judge: f64, slope: f64| if judge <= 0.0 { slope * x } else { x };
            let cases = [
                (Finish::Plain, sums.clone()),
                (Finish::Relu, sums.map(|x| low(x, x, 0.0))),
                (Finish::LeakyRelu(T::narrowed(0.25)), sums.map(|x| low(x, x, 0.25))),
                (Finish::Derivative(T::narrowed(0.5)), sums.zip_map(&held, |x, judge| low(x, judge, 0.5))),
            ];
            for by in instructions() {
                for (finish, expected) in &cases {
                    let found = found::<T>(by, (&m, Some(&b), &a, &held), 0..15, *finish);
                    let worst = found.iter().zip(expected.iter()).map(|(f, e)| (f.widened() - e).abs());
                    let worst = worst.fold(0.0, f64::max);
                    assert!(worst <= tolerance * (1.0 + inner as f64), "{by:?} {rows}×{inner}: {worst:e}");
                }
                let without = found::<T>(by, (&m, None, &a, &held), 0..15, Finish::Plain);
                let product = &m * &a;
                let far = |(f, e): (&T, &f64)| (f.widened() - e).abs() > tolerance * (1.0 + inner as f64);
                assert!(!without.iter().zip(product.iter()).any(far), "{by:?} {rows}×{inner} without a start");
            }
        }
    }

    #[test]
    fn products_are_those_of_the_matrices() {
        check::<f64>(1e-15);
        check::<f32>(5e-7);
    }

    fn check_columns<T: Number>() {
        let bits = |numbers: &[T]| bytemuck::cast_slice::<T, u8>(numbers).to_vec();
        for (rows, inner) in SHAPES {
            let (m, b) = (matrix(rows, inner, 0.7), matrix(rows, 1, 0.3));
            let (a, held) = (matrix(inner, 131, 1.3), matrix(rows, 131, 2.1));
            for by in instructions() {
                let finish = Finish::Derivative(T::narrowed(0.5));
                let whole = found(by, (&m, Some(&b), &a, &held), 0..131, finish);
                for (first, count) in [(0, 1), (130, 1), (7, 2), (5, 9), (64, 67), (1, 130), (2, 3)] {
                    let part = found(by, (&m, Some(&b), &a, &held), first..first + count, finish);
                    let same = bits(&part) == bits(&whole[first * rows..][..count * rows]);
                    assert!(same, "{by:?} {rows}×{inner}: {count} from {first}");
                }
            }
        }
    }

    #[test]
    fn a_column_does_not_depend_on_the_others_bit_by_bit() {
        check_columns::<f64>();
        check_columns::<f32>();
    }

    #[cfg(target_arch = "x86_64")]
    fn check_bits<T: Number + std::fmt::Debug>() {
        for (rows, inner) in SHAPES {
            let (m, b, a) = (matrix(rows, inner, 0.7), matrix(rows, 1, 0.3), matrix(inner, 15, 1.3));
            let by = |by| found::<T>(by, (&m, Some(&b), &a, &matrix(rows, 15, 2.1)), 0..15, Finish::Relu);
            assert_eq!(by(Instructions::Avx512), by(Instructions::Avx2));
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn all_fused_instructions_give_the_same_bits() {
        use std::io::Write as _;

        if Instructions::best() != Instructions::Avx512 {
            // Not eprintln, whose output the test harness hides.
            let _ = writeln!(std::io::stderr(), "skipped the comparison of instructions: no AVX-512");
            return;
        }
        check_bits::<f64>();
        check_bits::<f32>();
    }

    #[test]
    fn what_is_not_a_number_stays_so_and_infinities_are_cut() {
        let m = DMatrix::from_element(30, 1, 1.0);
        let a = DMatrix::from_row_slice(1, 3, &[f64::NAN, f64::NEG_INFINITY, f64::INFINITY]);
        for by in instructions() {
            let found = found::<f64>(by, (&m, None, &a, &DMatrix::zeros(30, 3)), 0..3, Finish::Relu);
            assert!(found[..30].iter().all(|x| x.is_nan()), "{by:?}");
            assert!(found[30..60].iter().all(|x| *x == 0.0) && found[60..].iter().all(|x| *x == f64::INFINITY));
        }
    }
}
