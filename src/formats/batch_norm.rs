//! BatchNorm in evaluation mode is affine: `γ (a − μ) / √(v + ε) + β` for each entry. Between a
//! linear layer and its activation, it is folded into the layer: `W ← diag(s) W`, `b ← s (b − μ) +
//! β` with `s = γ / √(v + ε)` (Ioffe and Szegedy 2015, section 3.1).

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
}

impl BatchNorm {
    /// Number of features; `None` if its vectors have different lengths.
    pub fn features(&self) -> Option<usize> {
        let lengths = [Some(&self.variance), self.scale.as_ref(), self.shift.as_ref()];
        let features = self.mean.len();
        lengths.into_iter().flatten().all(|vector| vector.len() == features).then_some(features)
    }

    /// Folds the BatchNorm into a layer. `weight`: units × inputs; `bias`: units.
    ///
    /// # Panics
    /// If the number of units differs from [`features`](Self::features).
    pub fn fold_into(&self, weight: &mut DMatrix<f64>, bias: &mut DVector<f64>) {
        assert!(self.features() == Some(weight.nrows()) && bias.len() == weight.nrows(), "features and units");
        for (unit, mut row) in weight.row_iter_mut().enumerate() {
            let scale = self.scale.as_ref().map_or(1.0, |scale| scale[unit]) / (self.variance[unit] + EPSILON).sqrt();
            row *= scale;
            bias[unit] = scale * (bias[unit] - self.mean[unit]) + self.shift.as_ref().map_or(0.0, |shift| shift[unit]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_layer_computes_what_both_did() {
        let norm = BatchNorm {
            mean: vec![0.5, -1.0],
            variance: vec![4.0, 0.25],
            scale: Some(vec![2.0, -3.0]),
            shift: Some(vec![0.1, 0.2]),
        };
        let weight = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
        let bias = DVector::from_vec(vec![0.3, -0.4]);
        let input = DVector::from_vec(vec![0.7, -0.2, 1.1]);
        let linear = &weight * &input + &bias;
        let expected = [
            2.0 * (linear[0] - 0.5) / (4.0 + EPSILON).sqrt() + 0.1,
            -3.0 * (linear[1] + 1.0) / (0.25 + EPSILON).sqrt() + 0.2,
        ];
        let (mut folded_weight, mut folded_bias) = (weight, bias);
        norm.fold_into(&mut folded_weight, &mut folded_bias);
        let found = folded_weight * input + folded_bias;
        assert!((found[0] - expected[0]).abs() < 1e-14 && (found[1] - expected[1]).abs() < 1e-14);
    }
}
