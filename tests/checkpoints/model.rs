//! A model as a list of steps, computed one code at a time by plain loops.

/// One step of a model.
#[derive(Debug, Clone)]
pub enum Step {
    /// `W a + b`.
    Linear {
        weight: Vec<Vec<f64>>,
        bias: Vec<f64>,
    },
    /// `γ (a − μ) / √(v + ε) + β`.
    BatchNorm {
        mean: Vec<f64>,
        variance: Vec<f64>,
        scale: Vec<f64>,
        shift: Vec<f64>,
        epsilon: f64,
    },
    /// `a` for `a > 0`, otherwise `slope · a`, with one slope per entry.
    Leaky(Vec<f64>),
    Sigmoid,
    Tanh,
    /// `γ (a − mean a) / √(var a + 1e-5) + β`.
    LayerNorm {
        scale: Vec<f64>,
        shift: Vec<f64>,
    },
    /// `scale · a + shift` for each entry.
    Scale {
        scale: Vec<f64>,
        shift: Vec<f64>,
    },
    /// Adds `W z`, with the code `z`.
    Skip {
        weight: Vec<Vec<f64>>,
    },
}

/// The outputs of the steps for a code.
pub fn forward(steps: &[Step], code: &[f64]) -> Vec<f64> {
    let mut a = code.to_vec();
    for step in steps {
        a = match step {
            Step::Linear { weight, bias } => times(weight, &a).iter().zip(bias).map(|(sum, b)| sum + b).collect(),
            Step::BatchNorm { mean, variance, scale, shift, epsilon } => {
                (0..a.len()).map(|i| scale[i] * (a[i] - mean[i]) / (variance[i] + epsilon).sqrt() + shift[i]).collect()
            }
            Step::Leaky(slopes) => (0..a.len()).map(|i| if a[i] > 0.0 { a[i] } else { slopes[i] * a[i] }).collect(),
            Step::Sigmoid => a.iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect(),
            Step::Tanh => a.iter().map(|a| a.tanh()).collect(),
            Step::LayerNorm { scale, shift } => {
                let mean = a.iter().sum::<f64>() / a.len() as f64;
                let variance = a.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / a.len() as f64;
                (0..a.len()).map(|i| scale[i] * (a[i] - mean) / (variance + 1e-5).sqrt() + shift[i]).collect()
            }
            Step::Scale { scale, shift } => (0..a.len()).map(|i| scale[i] * a[i] + shift[i]).collect(),
            Step::Skip { weight } => times(weight, code).iter().zip(&a).map(|(sum, a)| sum + a).collect(),
        };
    }
    a
}

fn times(weight: &[Vec<f64>], a: &[f64]) -> Vec<f64> {
    weight.iter().map(|row| row.iter().zip(a).map(|(w, a)| w * a).sum()).collect()
}
