//! BatchNorm in evaluation mode is affine: `s (a − μ) + β` for each entry, with `s = γ / √(v + ε)`
//! (Ioffe and Szegedy 2015, section 3.1). It is folded into a neighbouring layer. Between a linear
//! layer and its activation: `W ← diag(s) W`, `b ← s (b − μ) + β`. Directly before a linear layer:
//! `b ← b + W (β − s μ)`, then `W ← W diag(s)`.

use nalgebra::{DMatrix, DVector};

/// `ε`, PyTorch's default. A state_dict does not contain it.
pub const EPSILON: f64 = 1e-5;

/// The statistics and parameters of a BatchNorm, one entry per feature.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// `μ`, the running mean.
    pub mean: Vec<f64>,
    /// `v`, the running variance.
    pub variance: Vec<f64>,
    /// `γ`; `None` if the BatchNorm has no affine parameters.
    pub scale: Option<Vec<f64>>,
    /// `β`; `None` if the BatchNorm has no affine parameters.
    pub shift: Option<Vec<f64>>,
    /// `ε`.
    pub epsilon: f64,
}

impl BatchNorm {
    /// Number of features; `None` if its vectors have different lengths.
    pub fn features(&self) -> Option<usize> {
        let lengths = [Some(&self.variance), self.scale.as_ref(), self.shift.as_ref()];
        let features = self.mean.len();
        lengths.into_iter().flatten().all(|vector| vector.len() == features).then_some(features)
    }

    /// `s` of a feature.
    fn factor(&self, feature: usize) -> f64 {
        self.scale.as_ref().map_or(1.0, |scale| scale[feature]) / (self.variance[feature] + self.epsilon).sqrt()
    }

    /// `β` of a feature.
    fn shift(&self, feature: usize) -> f64 {
        self.shift.as_ref().map_or(0.0, |shift| shift[feature])
    }

    /// Folds a BatchNorm after the linear map into the layer. `weight`: units × inputs; `bias`:
    /// units.
    ///
    /// # Panics
    /// If the number of units differs from [`features`](Self::features).
    pub fn fold_after(&self, weight: &mut DMatrix<f64>, bias: &mut DVector<f64>) {
        assert!(self.features() == Some(weight.nrows()) && bias.len() == weight.nrows(), "features and units");
        for (unit, mut row) in weight.row_iter_mut().enumerate() {
            let factor = self.factor(unit);
            row *= factor;
            bias[unit] = factor * (bias[unit] - self.mean[unit]) + self.shift(unit);
        }
    }

    /// Folds a BatchNorm of the inputs into the layer. `weight`: units × inputs; `bias`: units.
    ///
    /// # Panics
    /// If the number of inputs differs from [`features`](Self::features).
    pub fn fold_before(&self, weight: &mut DMatrix<f64>, bias: &mut DVector<f64>) {
        assert!(self.features() == Some(weight.ncols()) && bias.len() == weight.nrows(), "features and inputs");
        for (input, mut column) in weight.column_iter_mut().enumerate() {
            let factor = self.factor(input);
            bias.axpy(self.shift(input) - factor * self.mean[input], &column, 1.0);
            column *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm() -> BatchNorm {
        BatchNorm {
            mean: vec![0.5, -1.0],
            variance: vec![4.0, 0.25],
            scale: Some(vec![2.0, -3.0]),
            shift: Some(vec![0.1, 0.2]),
            epsilon: 0.8,
        }
    }

    /// The formula of the BatchNorm above.
    fn apply(a: [f64; 2]) -> [f64; 2] {
        [2.0 * (a[0] - 0.5) / 4.8f64.sqrt() + 0.1, -3.0 * (a[1] + 1.0) / 1.05f64.sqrt() + 0.2]
    }

    #[test]
    fn a_norm_after_the_layer_is_folded() {
        let mut weight = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
        let mut bias = DVector::from_vec(vec![0.3, -0.4]);
        let input = DVector::from_vec(vec![0.7, -0.2, 1.1]);
        let linear = &weight * &input + &bias;
        let expected = apply([linear[0], linear[1]]);
        norm().fold_after(&mut weight, &mut bias);
        let found = weight * input + bias;
        assert!((found[0] - expected[0]).abs() < 1e-14 && (found[1] - expected[1]).abs() < 1e-14);
    }

    #[test]
    fn a_norm_before_the_layer_is_folded() {
        let mut weight = DMatrix::from_row_slice(3, 2, &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
        let mut bias = DVector::from_vec(vec![0.3, -0.4, 1.0]);
        let expected = &weight * DVector::from_vec(apply([0.7, -0.2]).to_vec()) + &bias;
        norm().fold_before(&mut weight, &mut bias);
        let found = weight * DVector::from_vec(vec![0.7, -0.2]) + bias;
        assert!((found - expected).amax() < 1e-14);
    }
}
