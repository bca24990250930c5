//! The stop rule of `best` for a stated miss rate: drawn outputs of the network, and the search by
//! the rule that was measured on them ([`calibrate`]).

use std::ops::Range;

use nalgebra::DMatrix;

use super::code_law::CodeLaw;
use super::miss_rate::MissRate;
use super::noise_law::NoiseLaw;
use super::options::{BestMethod, Method, Options};
use crate::cancel::CancelToken;
use crate::cpu;
use crate::error::{Error, Result};
use crate::multistart::calibration::missed_times_outputs;
use crate::multistart::{BestAnswer, MeasuredRule, Objective, PackedNetwork, calibrate};
use crate::network::Network;
use crate::random::{Domain, Noise, normal_vector, uniform_vector};

/// The index of the first output that is drawn, far from those of observations.
const FIRST: u64 = 1 << 47;
/// The fewest outputs: the largest loss that a rule is for comes from theirs.
const FEWEST: usize = 16;
/// The least miss rate: it takes 6,260 outputs.
const LEAST_RATE: f64 = 1e-4;

/// The number of outputs that are drawn for a miss rate.
pub(crate) fn outputs_for(rate: f64) -> usize {
    ((missed_times_outputs() / rate).ceil() as usize).max(FEWEST)
}

/// Measures the rule for these options; `None` if there is none, or after `cancel`.
pub(super) fn measure(
    network: &PackedNetwork,
    options: &Options,
    best: &BestMethod,
    rate: f64,
    cancel: &CancelToken,
) -> Option<MeasuredRule> {
    let generator = network.network();
    let (seed, length) = (best.search.seed, generator.code_length());
    let code = |index: u64| -> Vec<f64> {
        match options.code_law {
            CodeLaw::Normal(size) => {
                normal_vector(seed, Domain::Code, index, length).iter().map(|z| size * z).collect()
            }
            CodeLaw::Uniform(size) => {
                uniform_vector(seed, Domain::Code, index, length).iter().map(|u| size * (2.0 * u - 1.0)).collect()
            }
        }
    };
    let noise = options.drawn_noise(best.search.objective)?;
    let draw = |range: Range<usize>| {
        let indices = FIRST + range.start as u64..FIRST + range.end as u64;
        let codes = DMatrix::from_vec(length, range.len(), indices.clone().flat_map(code).collect());
        let mut outputs = cpu::forward::forward(generator, 0..generator.depth(), &codes);
        for (index, mut output) in indices.zip(outputs.column_iter_mut()) {
            noise.apply(seed, index, output.as_mut_slice());
        }
        (codes, outputs)
    };
    calibrate(network, outputs_for(rate), draw, FIRST, &best.search, cancel)
}

/// Whether a rule has decided this observation: the search has converged by it, and the loss is one
/// of those that the rule was measured on.
pub(super) fn has_decided(rule: &MeasuredRule, answer: &BestAnswer, observation: &[f64]) -> bool {
    answer.converged && answer.loss <= rule.highest_loss && observation.iter().all(|x| x.is_finite())
}

/// What is said of a rule before the work starts.
pub(super) fn words(rule: Option<&MeasuredRule>, rate: f64) -> String {
    let (outputs, percent) = (outputs_for(rate), 100.0 * rate);
    match rule {
        Some(MeasuredRule { found, .. }) => format!(
            "a search ends when {found} runs have found the lowest loss: that misses at most {percent} % of the lowest \
             minima, by {outputs} outputs that were inverted"
        ),
        None => format!(
            "searches end by the usual rule: too few runs find the lowest loss on outputs of this network for a miss \
             rate of {rate}"
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

    /// The miss rate that is measured; `None` for the usual search.
    pub(crate) fn measured_rate(&self, network: &Network) -> Option<f64> {
        let Method::Best(best) = &self.method else { return None };
        match best.miss_rate {
            MissRate::None => None,
            MissRate::Share(rate) => Some(rate),
            MissRate::WherePossible => {
                let is_wanted = best.search.objective == Objective::L2 && self.drawn_noise(Objective::L2).is_some();
                (is_wanted && self.reach().is_none() && !network.goes_by_agreement()).then_some(MissRate::USUAL)
            }
        }
    }

    /// Refuses a miss rate that cannot be measured.
    pub(super) fn check_miss_rate(&self, rate: MissRate, network: &Network) -> Result<()> {
        let refuse = |found: String, expected: &str| Err(Error::option("miss_rate", found, expected));
        let MissRate::Share(rate) = rate else { return Ok(()) };
        if !(LEAST_RATE..=0.5).contains(&rate) {
            return refuse(rate.to_string(), "a share from 0.0001 to 0.5, such as 0.01; or none for the usual search");
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
