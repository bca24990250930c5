//! How codes are found: options of `unrelu recover`.

use crate::batch::{BestMethod, Method};
use crate::descent::DescentOptions;
use crate::error::{Error, Result};
use crate::lp::formulation::{self, Tolerances};
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::{BestOptions, Objective};
use crate::recover::{ProjectedOptions, Strategy};

/// How codes are found.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Method")]
pub(super) struct StrategyArgs {
    /// Minimise ½‖A G(z) − y‖² directly: by Levenberg–Marquardt from many starts (best) or by
    /// gradient descent. If pixels were measured, the layer-wise methods work too [default: best]
    #[arg(
        long,
        value_name = "best|descent|linf|l1|relaxed|exact",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "best",
        value_parser = parse_direct,
        conflicts_with = "inner"
    )]
    pub(super) direct: Option<Direct>,

    /// Use projected gradient descent, with this method as the projection onto the generator's
    /// range
    #[arg(long, value_name = "linf|l1|relaxed|exact|descent|best", value_parser = parse_inner)]
    pub(super) inner: Option<Inner>,

    /// Refine each code by least squares on its linear region (with --inner, after every
    /// projection)
    #[arg(long)]
    pub(super) refine: bool,

    /// Maximum number of starts per observation, with --direct or --inner best [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) starts: Option<u32>,

    /// Step size. With --inner, 1 is the step for an A that preserves lengths [default: 0.5]. With
    /// --direct=descent, the step size of the descent
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(super) step: Option<f64>,

    /// Maximum number of iterations per run; with --inner, of outer iterations [default: 300; with
    /// --direct=descent 1000]
    #[arg(long, value_name = "N")]
    pub(super) iterations: Option<usize>,

    /// Momentum: the share of the last change that is added to each step, with --inner [default: 0]
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    pub(super) momentum: Option<f64>,

    /// Further runs from random codes; the best is kept [default: 0]
    #[arg(long, value_name = "N")]
    pub(super) restarts: Option<usize>,

    /// Maximum number of iterations per projection, with --inner descent [default: 1000]
    #[arg(long, value_name = "N")]
    pub(super) inner_iterations: Option<usize>,

    /// Factor by which the tolerance of a layer-wise method grows [default: 1.2]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(super) growth: Option<f64>,
}

/// `--direct`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Direct {
    Best,
    By(Inner),
}

/// A method of inversion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Inner {
    Layerwise(formulation::LayerwiseMethod),
    Descent,
    Best,
}

const EXPECTED: &str = "expected best, descent, linf, l1, relaxed or exact";

fn parse_inner(text: &str) -> Result<Inner, String> {
    match text {
        "descent" => Ok(Inner::Descent),
        "best" => Ok(Inner::Best),
        _ => text.parse().map(Inner::Layerwise).map_err(|_| EXPECTED.to_owned()),
    }
}

fn parse_direct(text: &str) -> Result<Direct, String> {
    match text {
        "best" => Ok(Direct::Best),
        _ => parse_inner(text).map(Direct::By),
    }
}

impl StrategyArgs {
    pub(super) fn direct(&self) -> Option<Direct> {
        self.direct.or(if self.inner.is_none() { Some(Direct::Best) } else { None })
    }

    /// Refuses options that the chosen strategy does not use: the user expects an effect of them.
    pub(super) fn refuse_idle_options(&self) -> Result<()> {
        let direct = self.direct();
        let (is_best, is_inner) = (direct == Some(Direct::Best), self.inner.is_some());
        let descends = direct == Some(Direct::By(Inner::Descent));
        let layerwise =
            matches!(direct, Some(Direct::By(Inner::Layerwise(_)))) || matches!(self.inner, Some(Inner::Layerwise(_)));
        let given = [
            ("--refine", self.refine, !is_best, "--inner, or --direct with another method than best"),
            ("--starts", self.starts.is_some(), is_best || self.inner == Some(Inner::Best), "--direct or --inner best"),
            ("--step", self.step.is_some(), is_inner || descends, "--inner or --direct=descent"),
            ("--iterations", self.iterations.is_some(), is_inner || descends, "--inner or --direct=descent"),
            ("--momentum", self.momentum.is_some(), is_inner, "--inner"),
            ("--restarts", self.restarts.is_some(), is_inner || descends, "--inner or --direct=descent"),
            (
                "--inner-iterations",
                self.inner_iterations.is_some(),
                self.inner == Some(Inner::Descent),
                "--inner descent",
            ),
            ("--growth", self.growth.is_some(), layerwise, "a layer-wise method"),
        ];
        match given.into_iter().find(|(_, is_given, has_use, _)| *is_given && !has_use) {
            Some((option, .., wanted)) => {
                let expected = format!("{wanted}; or leave out {option}");
                Err(Error::option(option, "given, but the chosen method does not use it", expected))
            }
            None => Ok(()),
        }
    }

    /// `objective`: that of the law of the noise, if one was named.
    pub(super) fn search(&self, seed: u64, objective: Option<Objective>) -> BestOptions {
        let starts = self.starts.map_or(BestOptions::default().starts, |starts| starts as usize);
        BestOptions::default().starts(starts).seed(seed).objective(objective.unwrap_or_default())
    }

    pub(super) fn strategy(&self, seed: u64, objective: Option<Objective>) -> Strategy {
        match self.direct() {
            Some(Direct::Best) => Strategy::Search(self.search(seed, objective)),
            Some(Direct::By(_)) => Strategy::Direct,
            None => {
                let default = ProjectedOptions::default();
                Strategy::Projected(ProjectedOptions {
                    step: self.step.unwrap_or(default.step),
                    momentum: self.momentum.unwrap_or(default.momentum),
                    iterations: self.iterations.unwrap_or(default.iterations),
                    restarts: self.restarts.unwrap_or(default.restarts),
                    seed,
                    ..default
                })
            }
        }
    }

    pub(super) fn method(&self, tolerances: Tolerances, seed: u64) -> Method {
        let default = DescentOptions::default();
        match (self.direct(), self.inner) {
            (Some(Direct::By(Inner::Layerwise(method))), _) | (None, Some(Inner::Layerwise(method))) => {
                Method::Layerwise(LayerwiseOptions { method, tolerances, ..LayerwiseOptions::default() })
            }
            (Some(Direct::By(Inner::Descent)), _) => Method::Descent(DescentOptions {
                step: self.step,
                iterations: self.iterations.unwrap_or(default.iterations),
                restarts: self.restarts.unwrap_or(default.restarts),
                seed,
                ..default
            }),
            (None, Some(Inner::Descent)) => {
                let iterations = self.inner_iterations.unwrap_or(default.iterations);
                Method::Descent(DescentOptions { iterations, seed, ..default })
            }
            (Some(Direct::By(Inner::Best)), _) | (None, Some(Inner::Best)) => {
                // A projection is the nearest image, whatever the noise of the measurements is.
                Method::Best(BestMethod { search: self.search(seed, None), tolerances, ..BestMethod::default() })
            }
            // The search does not use a method.
            (Some(Direct::Best), _) | (None, None) => Method::Layerwise(LayerwiseOptions::default()),
        }
    }
}
