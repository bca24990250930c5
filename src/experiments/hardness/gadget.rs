//! Networks that represent a formula of `n` variables and `m` clauses: they have a code for a given
//! output if and only if the formula is satisfiable. Two forms, with biases as the paper builds
//! them ([`paper_binary`], [`paper_real`]), and ours, where codes off ±1 are told from them by a
//! wider gap.
//!
//! # The paper's
//!
//! A code entry of 1 is true, −1 is false; the value of a literal is `l = ±v_i`. The unit of a
//! clause is `u = relu(−(l₁ + l₂ + l₃) − 2)`: for literals of ±1 it is 1 if all three are false,
//! and 0 otherwise.
//!
//! **Theorem 1**, codes in {−1, 1}, `v = z`: layers of `m` units and 1, output 0.
//!
//! **Theorem 2**, real codes: two layers of `n` units clamp, `a = relu(z + 1)`, `b = relu(2 − a)`,
//! `v = 1 − b = min(max(z, −1), 1)`. The third layer has the clauses' units, `relu(v_i)` and
//! `relu(−v_i)`: `m + 2n` units, not the printed `m + 2`, since a sum of absolute values is not the
//! relu of an affine map. The outputs are `Σ u` and `Σ|v_i|`; `x = (0, n)`.
//!
//! **The gap** ([`PAPER_GAP`]). If the formula is not satisfiable, the signs of `v` make some
//! clause false, so `l_j = −|l_j|` there, and `u ≥ Σ|l_j| − 2 = 1 − Σ(1 − |l_j|) ≥ 1 − (n −
//! Σ|v_i|)`. The two entries of the residual have a sum of at least 1, and one of them is at least
//! ½. It is attained with one of that clause's variables at half its sign, if the others make no
//! clause false.
//!
//! # Ours, without biases in Theorem 1
//!
//! A code entry of 1 is true, −1 is false; the value of a literal is `l = ±z_i`. With
//! `p_i = relu(z_i)`, `q_i = relu(−z_i)` and, per clause, `h = relu(−(l₁ + l₂ + l₃))`, the unit of
//! the clause is `c = relu(1.5 h − Σ relu(−l))`. For literals of ±1 it gives 1.5 if all three are
//! false (4.5 − 3), and 0 otherwise (two false: 1.5 − 2; one: 0 − 1; none: 0).
//!
//! **Theorem 1**, codes in {−1, 1}: layers of `m + 2n` and `m` units, no biases, output 0. Over the
//! reals, `z = 0` always gives this output.
//!
//! **Theorem 2**, real codes: layers of `2n`, `m + 2n`, `m + 2n` and 2 units. In addition to the
//! clauses' units, the third layer has `relu(p_i + q_i − 1)` and `relu(1 − p_i − q_i)` for each
//! `i`: `m + 2n` in total, not the `m + 2` of the paper's text. The outputs are `G₁ = Σ c` and
//! `G₂ = Σ_i ||z_i| − 1|`. Both are 0 exactly at codes of ±1 that satisfy the formula.
//!
//! **The gap.** If the formula is not satisfiable, `G₁ + ½G₂ ≥ 3/2` for every real `z`, so
//! `max(G₁, G₂) ≥ 1`: [`GAP`]. Proof: round `z` to its signs. They make some clause false, so all
//! its literals are `l_j ≤ 0`, and `c = ½ Σ|l_j| ≥ ½ (3 − Σ|1 − |l_j||) ≥ ½ (3 − G₂)`, because they
//! belong to different variables. If the signs make only one clause false, the bound is attained
//! with that clause's variables at ⅔ of their signs. There `c = G₂ = 1`. Every other clause has a
//! literal of at least ⅔ and two of at least −1, so its unit is off.

use nalgebra::{DMatrix, DVector};

use super::formula::Formula;
use crate::error::Result;
use crate::network::{Activation, DenseLayer, Network};

/// The least `‖G(z)‖_∞` of Theorem 2's network if the formula is not satisfiable.
pub const GAP: f64 = 1.0;
/// The least `‖G(z) − (0, n)‖_∞` of the paper's network of Theorem 2 if the formula is not
/// satisfiable.
pub const PAPER_GAP: f64 = 0.5;
/// Weight of `h` in a clause's unit.
const WEIGHT: f64 = 1.5;

/// The paper's network of Theorem 1: `n` → `m` → 1.
///
/// # Errors
/// Those of [`Network::new`].
pub fn paper_binary(formula: &Formula) -> Result<Network> {
    let m = formula.clauses.len();
    let clauses = DenseLayer { bias: DVector::from_element(m, -2.0), ..plain(false_literals(formula)) };
    let sum = DenseLayer { activation: Activation::Identity, ..plain(DMatrix::from_element(1, m, 1.0)) };
    Network::new(vec![clauses, sum], "the paper's network of Theorem 1")
}

/// The paper's network of Theorem 2: `n` → `n` → `n` → `m + 2n` → 2.
///
/// # Errors
/// Those of [`Network::new`].
pub fn paper_real(formula: &Formula) -> Result<Network> {
    let (n, m) = (formula.variables, formula.clauses.len());
    let identity = DMatrix::<f64>::identity(n, n);
    let above = DenseLayer { bias: DVector::from_element(n, 1.0), ..plain(identity.clone()) };
    let below = DenseLayer { bias: DVector::from_element(n, 2.0), ..plain(-&identity) };
    // Of `v` first; then `v = 1 − b` is put in.
    let mut of_values = DMatrix::zeros(m + 2 * n, n);
    of_values.rows_mut(0, m).copy_from(&false_literals(formula));
    of_values.rows_mut(m, n).copy_from(&identity);
    of_values.rows_mut(m + n, n).copy_from(&-&identity);
    let mut bias = of_values.column_sum();
    bias.rows_mut(0, m).add_scalar_mut(-2.0);
    let third = DenseLayer { bias, ..plain(-of_values) };
    let mut outputs = DMatrix::zeros(2, m + 2 * n);
    outputs.view_mut((0, 0), (1, m)).fill(1.0);
    outputs.view_mut((1, m), (1, 2 * n)).fill(1.0);
    Network::new(vec![above, below, third, plain(outputs)], "the paper's network of Theorem 2")
}

/// `−(l₁ + l₂ + l₃)` of each clause, from the values of the variables.
fn false_literals(formula: &Formula) -> DMatrix<f64> {
    let mut weight = DMatrix::zeros(formula.clauses.len(), formula.variables);
    for (row, clause) in formula.clauses.iter().enumerate() {
        clause.iter().for_each(|literal| weight[(row, literal.variable)] = -literal.sign());
    }
    weight
}

/// Theorem 1's network: `n` → `m + 2n` → `m`.
///
/// # Errors
/// Those of [`Network::new`].
pub fn binary(formula: &Formula) -> Result<Network> {
    let n = formula.variables;
    let layers = vec![plain(sums_and_parts(formula, &DMatrix::identity(n, n))), plain(clauses(formula))];
    Network::new(layers, "Theorem 1's network")
}

/// Theorem 2's network: `n` → `2n` → `m + 2n` → `m + 2n` → 2.
///
/// # Errors
/// Those of [`Network::new`].
pub fn real(formula: &Formula) -> Result<Network> {
    let (n, m) = (formula.variables, formula.clauses.len());
    let identity = DMatrix::<f64>::identity(n, n);
    let mut parts = DMatrix::zeros(2 * n, n);
    parts.rows_mut(0, n).copy_from(&identity);
    parts.rows_mut(n, n).copy_from(&-&identity);
    // z = p − q.
    let mut difference = DMatrix::zeros(n, 2 * n);
    difference.columns_mut(0, n).copy_from(&identity);
    difference.columns_mut(n, n).copy_from(&-&identity);
    let mut third = plain(clauses(formula).insert_rows(m, 2 * n, 0.0));
    for variable in 0..n {
        for (first, sign) in [(m, 1.0), (m + n, -1.0)] {
            third.weight[(first + variable, m + variable)] = sign;
            third.weight[(first + variable, m + n + variable)] = sign;
            third.bias[first + variable] = -sign;
        }
    }
    let mut outputs = DMatrix::zeros(2, m + 2 * n);
    outputs.view_mut((0, 0), (1, m)).fill(1.0);
    outputs.view_mut((1, m), (1, 2 * n)).fill(1.0);
    let layers = vec![plain(parts), plain(sums_and_parts(formula, &difference)), third, plain(outputs)];
    Network::new(layers, "Theorem 2's network")
}

/// `m + 2n` rows: `−(l₁ + l₂ + l₃)` of each clause, then the pre-activations of `p` and `q`.
/// `codes` maps the layer's input to `z`.
fn sums_and_parts(formula: &Formula, codes: &DMatrix<f64>) -> DMatrix<f64> {
    let (n, m) = (formula.variables, formula.clauses.len());
    let mut of_codes = DMatrix::zeros(m + 2 * n, n);
    of_codes.rows_mut(0, m).copy_from(&false_literals(formula));
    for variable in 0..n {
        of_codes[(m + variable, variable)] = 1.0;
        of_codes[(m + n + variable, variable)] = -1.0;
    }
    of_codes * codes
}

/// `1.5 h − Σ relu(−l)` of each clause, from its `h`, `p` and `q`: `relu(−l)` is `q` of a variable
/// and `p` of a negated one.
fn clauses(formula: &Formula) -> DMatrix<f64> {
    let (n, m) = (formula.variables, formula.clauses.len());
    let mut weight = DMatrix::zeros(m, m + 2 * n);
    for (row, clause) in formula.clauses.iter().enumerate() {
        weight[(row, row)] = WEIGHT;
        for literal in clause {
            let part = if literal.negated { m } else { m + n };
            weight[(row, part + literal.variable)] = -1.0;
        }
    }
    weight
}

/// A ReLU layer without biases.
fn plain(weight: DMatrix<f64>) -> DenseLayer {
    DenseLayer { bias: DVector::zeros(weight.nrows()), weight, activation: Activation::Relu }
}
