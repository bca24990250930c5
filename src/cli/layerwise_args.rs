//! The options of `invert`'s layer-wise methods.

use crate::lp::formulation::{LayerwiseMethod, RowRule, Stop, Tolerances};
use crate::lp::layer::{HiddenEpsilon, HiddenSign, LayerwiseOptions, RelaxedWeights, RowTolerances};
use crate::network::{Activation, Network};

/// How layers are inverted. The defaults are the paper's form, but for its rule to stop, with z ≥ 0
/// behind a ReLU.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of the layer-wise methods")]
pub struct LayerwiseArgs {
    /// LeakyReLU constraints near and below zero: corrected, printed (as in the paper), or inactive
    /// (the paper's first option) [default: corrected]
    #[arg(long, value_name = "corrected|printed|inactive")]
    rows: Option<RowRule>,

    /// Which tolerance l1 and relaxed choose: the one with the lowest loss, or the first at which
    /// the paper's rule stops [default: lowest]
    #[arg(long, value_name = "lowest|first")]
    stop: Option<Stop>,

    /// Maximum number of passes over the layers. In each further pass, hidden units that the last
    /// code turns off are fixed at 0; its code is kept if its error is lower. Without hidden ReLU
    /// layers there is nothing to fix [default: 1]
    #[arg(long, value_name = "N")]
    passes: Option<usize>,

    /// How much each row of a hidden layer may be violated: all alike (equal), or in proportion to
    /// how far its target may be off (proportional) [default: equal]
    #[arg(long, value_name = "equal|proportional")]
    row_tolerances: Option<RowTolerances>,

    /// Initial tolerance of the hidden layers: that of the last layer again (restart), the one at
    /// which the layer after it ended (carried), or that times the typical error of the entries of
    /// its target (enlarged) [default: restart]
    #[arg(long, value_name = "restart|carried|enlarged")]
    hidden_epsilon: Option<HiddenEpsilon>,

    /// Which entries have a weight in the objective of relaxed: the positive ones, or only those
    /// clear of the tolerance, above 2ε, as in the authors' program [default: positive]
    #[arg(long, value_name = "positive|clear")]
    relaxed_weights: Option<RelaxedWeights>,

    /// What a layer may receive from a ReLU: numbers of at least 0 (nonnegative, as in the authors'
    /// program), or any (free, as in the paper's printed algorithms) [default: nonnegative]
    #[arg(long, value_name = "nonnegative|free")]
    hidden_sign: Option<HiddenSign>,
}

impl LayerwiseArgs {
    /// The options that were given, in the command line's words: whether each is, and whether only
    /// `l1` and `relaxed` have it.
    pub fn given(&self) -> [(&'static str, bool, bool); 7] {
        [
            ("--rows", self.rows.is_some(), false),
            ("--stop", self.stop.is_some(), true),
            ("--passes", self.passes.is_some(), false),
            ("--row-tolerances", self.row_tolerances.is_some(), false),
            ("--hidden-epsilon", self.hidden_epsilon.is_some(), false),
            ("--relaxed-weights", self.relaxed_weights.is_some(), false),
            ("--hidden-sign", self.hidden_sign.is_some(), false),
        ]
    }

    /// The options that were given and change nothing with this network and method, each with the
    /// reason.
    pub fn without_effect(
        &self,
        method: LayerwiseMethod,
        network: &Network,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        let hidden = || network.layers().iter().rev().skip(1);
        let is_leaky = |activation: Activation| matches!(activation, Activation::LeakyRelu(_));
        let has_leaky = network.layers().iter().any(|layer| is_leaky(layer.activation));
        let has_hidden_relu = hidden().any(|layer| layer.activation == Activation::Relu);
        let is_deep = network.depth() > 1;
        let is_relaxed = method == LayerwiseMethod::Relaxed;
        let without = "the network has no hidden layer with a ReLU";
        let rules = [
            (
                "--rows",
                self.rows.is_some(),
                has_leaky && !is_relaxed,
                "its rules are for LeakyReLU, and not for relaxed",
            ),
            ("--passes", self.passes.is_some(), has_hidden_relu, without),
            ("--hidden-sign", self.hidden_sign.is_some(), has_hidden_relu, without),
            ("--row-tolerances", self.row_tolerances.is_some(), is_deep, "the network has no hidden layer"),
            ("--hidden-epsilon", self.hidden_epsilon.is_some(), is_deep, "the network has no hidden layer"),
            ("--relaxed-weights", self.relaxed_weights.is_some(), is_relaxed, "only --method relaxed has weights"),
        ];
        rules.into_iter().filter(|(_, is_given, has_effect, _)| *is_given && !has_effect).map(|rule| (rule.0, rule.3))
    }

    /// The options of this method.
    pub fn options(&self, method: LayerwiseMethod, tolerances: Tolerances) -> LayerwiseOptions {
        LayerwiseOptions {
            method,
            tolerances,
            rows: self.rows.unwrap_or_default(),
            stop: self.stop.unwrap_or_default(),
            passes: self.passes.unwrap_or(LayerwiseOptions::default().passes),
            row_tolerances: self.row_tolerances.unwrap_or_default(),
            hidden_epsilon: self.hidden_epsilon.unwrap_or_default(),
            relaxed_weights: self.relaxed_weights.unwrap_or_default(),
            hidden_sign: self.hidden_sign.unwrap_or_default(),
        }
    }
}
