//! The divisor `σ` of spectral normalisation, from the stored vectors `u` and `v` of the power
//! iteration. There is no iteration in evaluation mode.
//!
//! With PyTorch's `dim=0` it is `σ = uᵀ V v`, with `dim=1` it is `uᵀ Vᵀ v`. The lengths of the
//! vectors show which, except for a square weight. There the last step of the power iteration does:
//! it made `u` parallel to `V v`, or `v` parallel to `Vᵀ u`. A step of an optimizer afterwards
//! changes this a little.

/// Which entries of the weight the vector `u` belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `u` has one entry per unit, `v` one per input: `dim=0`.
    Rows,
    /// `u` has one entry per input, `v` one per unit: `dim=1`.
    Columns,
    /// Units and inputs are equally many.
    Square,
}

/// How far the vectors may be from parallel: 1 − cosine.
const PARALLEL: f64 = 0.1;
/// How much farther they have to be in the other layout.
const FARTHER: f64 = 4.0;

impl Layout {
    /// From the lengths of `u` and `v`; `None` if they do not fit the weight.
    pub fn of(left: usize, right: usize, units: usize, inputs: usize) -> Option<Self> {
        match (left == units && right == inputs, left == inputs && right == units) {
            (true, true) => Some(Layout::Square),
            (true, false) => Some(Layout::Rows),
            (false, true) => Some(Layout::Columns),
            (false, false) => None,
        }
    }
}

/// `σ` in a layout, and how far the vectors are from those of a power iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
struct InLayout {
    sigma: f64,
    distance: f64,
}

/// `σ` in each layout that the lengths allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigma {
    rows: Option<InLayout>,
    columns: Option<InLayout>,
}

impl Sigma {
    /// `weight`: row-major.
    pub fn of(weight: &[f64], inputs: usize, u: &[f64], v: &[f64]) -> Self {
        let units = weight.len() / inputs.max(1);
        let in_layout = |per_unit: &[f64], per_input: &[f64]| {
            if (per_unit.len(), per_input.len()) != (units, inputs) {
                return None;
            }
            let of_units: Vec<f64> = weight.chunks(inputs).map(|row| dot(row, per_input)).collect();
            let mut of_inputs = vec![0.0; inputs];
            for (row, entry) in weight.chunks(inputs).zip(per_unit) {
                of_inputs.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * entry);
            }
            let distance = |left: &[f64], right: &[f64]| 1.0 - dot(left, right) / (length(left) * length(right));
            let distance = distance(per_unit, &of_units).min(distance(per_input, &of_inputs));
            Some(InLayout { sigma: dot(per_unit, &of_units), distance })
        };
        Sigma { rows: in_layout(u, v), columns: in_layout(v, u) }
    }

    /// `σ` in this layout; of a square weight, in the one that the vectors fit. Says what was found
    /// if they fit none, or both.
    pub fn choose(&self, layout: Layout) -> Result<f64, String> {
        match (layout, self.rows, self.columns) {
            (Layout::Rows, Some(rows), _) => Ok(rows.sigma),
            (Layout::Columns, _, Some(columns)) => Ok(columns.sigma),
            (Layout::Square, Some(rows), Some(columns)) => {
                let fits = |one: InLayout, other: InLayout| {
                    one.distance <= PARALLEL && FARTHER * one.distance <= other.distance
                };
                if (rows.sigma - columns.sigma).abs() <= 1e-9 * rows.sigma.abs() || fits(rows, columns) {
                    Ok(rows.sigma)
                } else if fits(columns, rows) {
                    Ok(columns.sigma)
                } else {
                    Err(format!(
                        "vectors that show neither of two spectral norms, {:.3e} (dim=0) and {:.3e} (dim=1)",
                        rows.sigma, columns.sigma
                    ))
                }
            }
            _ => Err("vectors of other lengths".to_owned()),
        }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn length(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHT: [f64; 4] = [1.0, 2.0, -3.0, 0.5];

    /// `u` parallel to `V v`, for this `V` by rows.
    fn iterated(weight: [f64; 4]) -> ([f64; 2], [f64; 2]) {
        let v = [0.6, 0.8];
        let u = [weight[0] * v[0] + weight[1] * v[1], weight[2] * v[0] + weight[3] * v[1]];
        (u.map(|entry| entry / length(&u)), v)
    }

    #[test]
    fn a_square_weight_is_read_as_its_vectors_show() {
        let [a, b, c, d] = WEIGHT;
        for transposed in [false, true] {
            let seen = if transposed { [a, c, b, d] } else { WEIGHT };
            let (u, v) = iterated(seen);
            let expected = u[0] * (seen[0] * v[0] + seen[1] * v[1]) + u[1] * (seen[2] * v[0] + seen[3] * v[1]);
            let found = Sigma::of(&WEIGHT, 2, &u, &v).choose(Layout::Square).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
            // Either vector may be the last.
            let found = Sigma::of(&[a, c, b, d], 2, &v, &u).choose(Layout::Square).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        }
    }

    #[test]
    fn vectors_that_fit_neither_are_refused() {
        let refusal = Sigma::of(&WEIGHT, 2, &[1.0, 0.0], &[1.0, 0.1]).choose(Layout::Square).unwrap_err();
        assert!(refusal.contains("dim=0") && refusal.contains("dim=1"), "{refusal}");
        // Of a symmetric weight, both are the same.
        assert!(Sigma::of(&[1.0, 2.0, 2.0, 5.0], 2, &[1.0, 0.0], &[0.0, 1.0]).choose(Layout::Square).is_ok());
    }

    #[test]
    fn lengths_show_the_layout() {
        assert_eq!(Layout::of(3, 2, 3, 2), Some(Layout::Rows));
        assert_eq!(Layout::of(2, 3, 3, 2), Some(Layout::Columns));
        assert_eq!(Layout::of(3, 3, 3, 3), Some(Layout::Square));
        assert_eq!(Layout::of(3, 3, 3, 2), None);
        let sigma = Sigma::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, &[1.0, 0.0], &[0.0, 0.0, 1.0]);
        assert_eq!(sigma.choose(Layout::Columns), Ok(5.0));
    }
}
