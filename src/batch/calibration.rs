//! The stop rule of `best` for a stated miss rate: drawn outputs of the network, and the search by
//! the rule that was measured on them ([`calibrate`]).

use nalgebra::DMatrix;

use super::code_law::CodeLaw;
use super::noise_law::NoiseLaw;
use super::options::{BestMethod, Options};
use crate::cpu;
use crate::error::{Error, Result};
use crate::multistart::{BestAnswer, MeasuredRule, Objective, PackedNetwork, calibrate};
use crate::network::Network;
use crate::random::{Domain, Noise, normal_vector, uniform_vector};

/// The index of the first output that is drawn, far from those of observations.
const FIRST: u64 = 1 << 47;
/// The fewest and the most outputs.
const OUTPUTS: (usize, usize) = (32, 1024);
/// Outputs times miss rate: the one of which nothing is known then counts for less than half of the
/// rate.
const OUTPUTS_TIMES_RATE: f64 = 0.64;

/// The number of outputs that are drawn for a miss rate.
pub(crate) fn outputs_for(rate: f64) -> usize {
    ((OUTPUTS_TIMES_RATE / rate).ceil() as usize).clamp(OUTPUTS.0, OUTPUTS.1)
}

/// Measures the rule for these options; `None` if none keeps the rate.
pub(super) fn measure(
    network: &PackedNetwork,
    options: &Options,
    best: &BestMethod,
    rate: f64,
) -> Option<MeasuredRule> {
    let generator = network.network();
    let seed = best.search.seed;
    let count = outputs_for(rate);
    let code = |index: u64| -> Vec<f64> {
        let length = generator.code_length();
        match options.code_law {
            CodeLaw::Normal(size) => {
                normal_vector(seed, Domain::Code, index, length).iter().map(|z| size * z).collect()
            }
            CodeLaw::Uniform(size) => {
                uniform_vector(seed, Domain::Code, index, length).iter().map(|u| size * (2.0 * u - 1.0)).collect()
            }
        }
    };
    let codes: Vec<f64> = (FIRST..).take(count).flat_map(code).collect();
    let codes = DMatrix::from_vec(generator.code_length(), count, codes);
    let mut outputs = cpu::forward::forward(generator, 0..generator.depth(), &codes);
    let noise = options.drawn_noise(best.search.objective)?;
    for (index, mut output) in (FIRST..).zip(outputs.column_iter_mut()) {
        noise.apply(seed, index, output.as_mut_slice());
    }
    calibrate(network, (&codes, &outputs), FIRST, &best.search, rate)
}

/// Whether a rule has decided this observation: the search has converged by it, and the loss is one
/// of those that the rule was measured on.
pub(super) fn has_decided(rule: &MeasuredRule, answer: &BestAnswer, observation: &[f64]) -> bool {
    answer.converged && answer.loss <= rule.highest_loss && observation.iter().all(|x| x.is_finite())
}

/// What is said of a rule before the work starts.
pub(super) fn words(rule: Option<&MeasuredRule>, rate: f64) -> String {
    let outputs = outputs_for(rate);
    match rule {
        Some(MeasuredRule { found, share_missed, .. }) => format!(
            "a search ends when {found} runs have found the lowest loss: that misses an estimated {:.2} % of the lowest \
             minima, measured on {outputs} outputs",
            100.0 * share_missed
        ),
        None => format!(
            "searches end by the usual rule: none for few runs keeps the miss rate {rate}, measured on {outputs} outputs"
        ),
    }
}

impl Options {
    /// The noise that is drawn: of the named law, or of that of the norm. `None` where it cannot
    /// be.
    fn drawn_noise(&self, objective: Objective) -> Option<Noise> {
        let size = self.noise?;
        let of_norm = match objective {
            Objective::L2 => NoiseLaw::Gaussian,
            Objective::L1 => NoiseLaw::Laplace,
            Objective::Linf => NoiseLaw::Uniform,
        };
        match self.noise_law.unwrap_or(of_norm) {
            NoiseLaw::Uniform => Some(Noise::Uniform(size)),
            NoiseLaw::Gaussian => Some(Noise::Gaussian(size)),
            NoiseLaw::Laplace => Some(Noise::Laplace(size)),
            NoiseLaw::Gross => None,
        }
    }

    /// Refuses a miss rate that cannot be measured.
    pub(super) fn check_miss_rate(&self, rate: f64, network: &Network) -> Result<()> {
        let refuse = |found: String, expected: &str| Err(Error::option("miss_rate", found, expected));
        if !(rate > 0.0 && rate <= 0.5) {
            return refuse(rate.to_string(), "a share above 0, at most 0.5, such as 0.01");
        }
        if network.goes_by_agreement() {
            let found = format!("{rate} for a network with convolutions or curved hidden layers");
            return refuse(found, "no miss rate: there a search ends when three runs agree (docs/BEST.md)");
        }
        if self.reach().is_some() {
            let found = format!("{rate} with option `uncertainty` or `alternatives`");
            return refuse(found, "one of them: other minima are found by many runs, which a miss rate saves");
        }
        match (self.noise, self.noise_law) {
            (_, Some(NoiseLaw::Gross)) => refuse(
                format!("{rate} with option `noise: gross`"),
                "uniform, gaussian or laplace noise, which can be drawn",
            ),
            (None, _) => refuse(
                format!("{rate} without a size of the noise"),
                "option `noise` with a law and a size, such as gaussian:0.05; without noise a search ends at the first \
                 run that reproduces its observation, and needs no miss rate",
            ),
            (Some(_), _) => Ok(()),
        }
    }
}
