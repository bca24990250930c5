//! Runs every method on the networks of both theorems, for every formula in the repository.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::formula::Formula;
use super::gadget;
use crate::batch::{Inverter, Method};
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::experiments::contender::Contender;
use crate::experiments::study::Study;
use crate::multistart::{BestOptions, Objective};
use crate::network::Network;

/// Pairs of a satisfiable and an unsatisfiable formula. The first word of a pair is its label in
/// the picture.
pub const FORMULAS: [(&str, &str); 12] = [
    ("signs_seven", include_str!("../../../examples/formulas/signs_seven.cnf")),
    ("signs_eight", include_str!("../../../examples/formulas/signs_eight.cnf")),
    ("pigeons_two", include_str!("../../../examples/formulas/pigeons_two.cnf")),
    ("pigeons_three", include_str!("../../../examples/formulas/pigeons_three.cnf")),
    ("parity_even", include_str!("../../../examples/formulas/parity_even.cnf")),
    ("parity_odd", include_str!("../../../examples/formulas/parity_odd.cnf")),
    ("progressions_eight", include_str!("../../../examples/formulas/progressions_eight.cnf")),
    ("progressions_nine", include_str!("../../../examples/formulas/progressions_nine.cnf")),
    ("random_before", include_str!("../../../examples/formulas/random_before.cnf")),
    ("random_after", include_str!("../../../examples/formulas/random_after.cnf")),
    ("triangles_five", include_str!("../../../examples/formulas/triangles_five.cnf")),
    ("triangles_six", include_str!("../../../examples/formulas/triangles_six.cnf")),
];
/// Maximum residual, and maximum distance of a code's entries from ±1.
pub const TOLERANCE: f64 = 1e-6;

/// Reads the formulas.
///
/// # Errors
/// Those of [`Formula::parse`].
pub fn formulas() -> Result<Vec<(&'static str, Formula)>> {
    FORMULAS.iter().map(|(name, text)| Ok((*name, Formula::parse(text, &format!("{name}.cnf"))?))).collect()
}

/// The theorem of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theorem {
    /// Theorem 1: the code must be ±1.
    #[serde(rename = "1")]
    Binary,
    /// Theorem 2: the code is real.
    #[serde(rename = "2")]
    Real,
    /// Theorem 1 as the paper builds it.
    #[serde(rename = "1, the paper's")]
    PaperBinary,
    /// Theorem 2 as the paper builds it.
    #[serde(rename = "2, the paper's")]
    PaperReal,
}

impl Theorem {
    /// Both theorems in both forms, the paper's first.
    pub const ALL: [Theorem; 4] = [Theorem::PaperBinary, Theorem::PaperReal, Theorem::Binary, Theorem::Real];

    /// Whether only codes of ±1 count.
    pub fn is_binary(self) -> bool {
        matches!(self, Theorem::Binary | Theorem::PaperBinary)
    }

    /// The least residual where the formula cannot be satisfied, proven; `None` for Theorem 1.
    pub fn gap(self) -> Option<f64> {
        match self {
            Theorem::Binary | Theorem::PaperBinary => None,
            Theorem::Real => Some(gadget::GAP),
            Theorem::PaperReal => Some(gadget::PAPER_GAP),
        }
    }

    /// The output whose code is sought.
    pub fn observation(self, formula: &Formula) -> DMatrix<f64> {
        match self {
            Theorem::Binary => DMatrix::zeros(formula.clauses.len(), 1),
            Theorem::Real => DMatrix::zeros(2, 1),
            Theorem::PaperBinary => DMatrix::zeros(1, 1),
            Theorem::PaperReal => DMatrix::from_column_slice(2, 1, &[0.0, formula.variables as f64]),
        }
    }

    /// The theorem's network of a formula.
    ///
    /// # Errors
    /// Those of [`Network::new`].
    pub fn network(self, formula: &Formula) -> Result<Network> {
        match self {
            Theorem::Binary => gadget::binary(formula),
            Theorem::Real => gadget::real(formula),
            Theorem::PaperBinary => gadget::paper_binary(formula),
            Theorem::PaperReal => gadget::paper_real(formula),
        }
    }
}

/// A method, with its objective if it has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    #[serde(rename = "linf")]
    Linf,
    #[serde(rename = "l1")]
    L1,
    #[serde(rename = "relaxed")]
    Relaxed,
    #[serde(rename = "exact")]
    Exact,
    #[serde(rename = "descent")]
    Descent,
    #[serde(rename = "best")]
    Best,
    #[serde(rename = "best with l1")]
    BestL1,
    #[serde(rename = "best with linf")]
    BestLinf,
}

impl Way {
    /// All methods.
    pub const ALL: [Way; 8] =
        [Way::Linf, Way::L1, Way::Relaxed, Way::Exact, Way::Descent, Way::Best, Way::BestL1, Way::BestLinf];

    /// The name on the command line.
    pub fn name(self) -> String {
        match self {
            Way::BestL1 => "best with l1".to_owned(),
            Way::BestLinf => "best with linf".to_owned(),
            other => other.contender().to_string(),
        }
    }

    /// Whether it starts at random codes.
    pub fn is_random(self) -> bool {
        matches!(self.contender(), Contender::Descent | Contender::Best)
    }

    /// Whether it is `best`.
    pub fn searches(self) -> bool {
        self.contender() == Contender::Best
    }

    fn contender(self) -> Contender {
        match self {
            Way::Linf => Contender::Linf,
            Way::L1 => Contender::L1,
            Way::Relaxed => Contender::Relaxed,
            Way::Exact => Contender::Exact,
            Way::Descent => Contender::Descent,
            Way::Best | Way::BestL1 | Way::BestLinf => Contender::Best,
        }
    }

    fn objective(self) -> Objective {
        match self {
            Way::BestL1 => Objective::L1,
            Way::BestLinf => Objective::Linf,
            _ => Objective::L2,
        }
    }
}

/// The answer of one method for one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub theorem: Theorem,
    pub formula: String,
    pub variables: usize,
    pub clauses: usize,
    /// Number of satisfying assignments, of all assignments.
    pub solutions: usize,
    pub method: Way,
    pub run: u64,
    pub status: String,
    /// Whether the residual is at most the tolerance.
    pub reproduces: bool,
    /// `‖G(z) − x‖_∞`.
    pub residual: f64,
    /// Whether the method claims that no other code nearby is as good.
    pub determined: Option<bool>,
    /// `max_i ||z_i| − 1|`: how far from a code of ±1.
    pub from_signs: f64,
    /// Number of clauses that the signs of the code satisfy.
    pub clauses_true: usize,
    /// The run of the search that found the code, and the number of runs.
    pub first_found: Option<usize>,
    pub starts: Option<usize>,
}

impl Row {
    /// Whether, by the theorem, the answer claims that the formula is satisfiable.
    pub fn claims(&self) -> bool {
        self.reproduces && (!self.theorem.is_binary() || self.from_signs <= TOLERANCE)
    }

    /// Whether the signs of the code satisfy the formula.
    pub fn is_confirmed(&self) -> bool {
        self.clauses_true == self.clauses
    }
}

/// One inversion to make.
pub struct Job {
    pub theorem: Theorem,
    pub name: &'static str,
    pub formula: Formula,
    pub solutions: usize,
    pub way: Way,
    pub run: u64,
}

/// All jobs of a study.
///
/// # Errors
/// Those of [`formulas`].
pub fn jobs(study: &Study) -> Result<Vec<Job>> {
    let runs = study.pick(10, 4);
    let mut jobs = Vec::new();
    for theorem in Theorem::ALL {
        for (name, formula) in formulas()? {
            let solutions = formula.solutions();
            for way in Way::ALL {
                // Linear programs involve no randomness.
                let runs = if way.is_random() { runs } else { 1 };
                jobs.extend((0..runs).map(|run| Job { theorem, name, formula: formula.clone(), solutions, way, run }));
            }
        }
    }
    Ok(jobs)
}

impl Job {
    /// Makes the inversion.
    ///
    /// # Errors
    /// Those of [`Inverter`].
    pub fn carry_out(&self, study: &Study) -> Result<Row> {
        let Job { theorem, name, formula, solutions, way, run } = self;
        let network = theorem.network(formula)?;
        let seed = study.seed(&[8, *run]);
        let descent = DescentOptions { iterations: study.pick(10_000, 1000), restarts: 4, seed, ..Default::default() };
        let mut options = way.contender().options(TOLERANCE, descent, 1);
        if let Method::Best(best) = &mut options.method {
            let starts = if *way == Way::Best { best.search.starts } else { study.pick(1000, 100) };
            best.search = BestOptions::default().seed(seed).objective(way.objective()).starts(starts);
        }
        let found = Inverter::new(network, options)?.invert(&theorem.observation(formula))?;
        let (code, answer) = (found.codes.column(0), &found.rows[0]);
        let signs: Vec<bool> = code.iter().map(|z| *z > 0.0).collect();
        let search = answer.search.as_ref();
        let layers = (!answer.layers.is_empty()).then(|| answer.layers.iter().all(|layer| layer.determined));
        Ok(Row {
            theorem: *theorem,
            formula: (*name).to_owned(),
            variables: formula.variables,
            clauses: formula.clauses.len(),
            solutions: *solutions,
            method: *way,
            run: *run,
            status: answer.status.to_string(),
            reproduces: answer.reproduces,
            residual: answer.residual.linf,
            determined: search.map(|search| search.determined).or(layers),
            // Not f64::max, which would ignore a NaN.
            from_signs: code
                .iter()
                .map(|z| (z.abs() - 1.0).abs())
                .fold(0.0, |most, d| if d <= most { most } else { d }),
            clauses_true: if code.iter().all(|z| z.is_finite()) { formula.clauses_true(&signs) } else { 0 },
            first_found: search.map(|search| search.first_found),
            starts: search.map(|search| search.runs),
        })
    }
}
