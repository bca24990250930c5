//! The gadgets are checked against the formulas, on every assignment and on random codes, and the
//! answers are checked against both.

use std::path::Path;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::formula::Formula;
use super::gadget::{self, GAP, PAPER_GAP};
use super::runs::{Row, Theorem, Way, formulas, jobs};
use super::*;
use crate::cpu::forward::forward;
use crate::experiments::{Nobody, Options};
use crate::network::Network;
use crate::random::{Domain, normal_vector};

fn outputs(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    forward(network, 0..network.depth(), codes)
}

fn all_codes(formula: &Formula) -> (Vec<Vec<bool>>, DMatrix<f64>) {
    let assignments: Vec<Vec<bool>> = formula.assignments().collect();
    let codes =
        DMatrix::from_fn(
            formula.variables,
            assignments.len(),
            |variable, column| {
                if assignments[column][variable] { 1.0 } else { -1.0 }
            },
        );
    (assignments, codes)
}

#[test]
fn half_of_the_formulas_can_be_satisfied() {
    for (index, (name, formula)) in formulas().unwrap().into_iter().enumerate() {
        assert_eq!(formula.solutions() > 0, index % 2 == 0, "{name}");
    }
}

/// For every code of ±1, the outputs tell the number of false clauses.
#[test]
fn gadgets_have_the_truth_of_their_formulas() {
    for (name, formula) in formulas().unwrap() {
        let (n, m) = (formula.variables, formula.clauses.len());
        let (assignments, codes) = all_codes(&formula);
        let networks = [gadget::binary(&formula).unwrap(), gadget::real(&formula).unwrap()];
        let sizes =
            networks.each_ref().map(|network| network.layers().iter().map(|layer| layer.units()).collect::<Vec<_>>());
        assert_eq!(sizes, [vec![m + 2 * n, m], vec![2 * n, m + 2 * n, m + 2 * n, 2]], "{name}");
        let [binary, real] = networks.map(|network| outputs(&network, &codes));
        for (column, assignment) in assignments.iter().enumerate() {
            let broken = 1.5 * (m - formula.clauses_true(assignment)) as f64;
            let clauses = binary.column(column);
            assert!(clauses.iter().all(|output| *output == 0.0 || *output == 1.5), "{name}: {assignment:?}");
            assert_eq!((clauses.sum(), real[(0, column)], real[(1, column)]), (broken, broken, 0.0), "{name}");
        }
    }
}

/// The same of the paper's: the sum of false clauses, and of absolute values.
#[test]
fn the_papers_gadgets_have_the_truth_of_their_formulas() {
    for (name, formula) in formulas().unwrap() {
        let (n, m) = (formula.variables, formula.clauses.len());
        let (assignments, codes) = all_codes(&formula);
        let networks = [gadget::paper_binary(&formula).unwrap(), gadget::paper_real(&formula).unwrap()];
        let sizes =
            networks.each_ref().map(|network| network.layers().iter().map(|layer| layer.units()).collect::<Vec<_>>());
        assert_eq!(sizes, [vec![m, 1], vec![n, n, m + 2 * n, 2]], "{name}");
        let [binary, real] = networks.each_ref().map(|network| outputs(network, &codes));
        // Beyond ±1 the clamps hold.
        let beyond = outputs(&networks[1], &(3.5 * &codes));
        for (column, assignment) in assignments.iter().enumerate() {
            let broken = (m - formula.clauses_true(assignment)) as f64;
            assert_eq!(binary[(0, column)], broken, "{name}: {assignment:?}");
            assert_eq!(real.column(column).as_slice(), [broken, n as f64], "{name}: {assignment:?}");
            assert_eq!(beyond.column(column).as_slice(), [broken, n as f64], "{name}: {assignment:?}");
        }
        // Between them the second output tells the distance.
        let codes = DMatrix::from_vec(n, 500, normal_vector(7, Domain::Code, 1, 500 * n));
        for (output, code) in outputs(&networks[1], &codes).column_iter().zip(codes.column_iter()) {
            let sum: f64 = code.iter().map(|z| z.abs().min(1.0)).sum();
            assert!((output[1] - sum).abs() < 1e-12, "{name}");
        }
    }
}

/// `G₁ + (n − G₂) ≥ 1`, and a largest entry of ½ where the module's text says it is attained.
#[test]
fn the_papers_gap_holds_and_is_attained() {
    let mut attained = 0;
    for (name, formula) in formulas().unwrap().into_iter().filter(|(_, formula)| formula.solutions() == 0) {
        let network = gadget::paper_real(&formula).unwrap();
        let n = formula.variables;
        let residual = |output: nalgebra::DVectorView<f64>| [output[0], n as f64 - output[1]];
        for (kind, spread) in [(0, 0.05), (1, 0.5), (2, 1.5)] {
            let mut codes = DMatrix::from_vec(n, 5000, normal_vector(3, Domain::Code, kind, n * 5000));
            codes.apply(|z| *z = if kind < 2 { z.signum() - spread * z.abs() * z.signum() } else { spread * *z });
            for output in outputs(&network, &codes).column_iter() {
                let [clauses, missing] = residual(output);
                assert!(clauses + missing >= 1.0 - 1e-9 && clauses.max(missing) >= PAPER_GAP - 1e-9, "{name}");
            }
        }
        let nearly = |assignment: &Vec<bool>| formula.clauses_true(assignment) + 1 == formula.clauses.len();
        let Some(assignment) = formula.assignments().find(nearly) else { continue };
        let mut code: Vec<f64> = assignment.iter().map(|truth| if *truth { 1.0 } else { -1.0 }).collect();
        let holds = |clause: &[formula::Literal; 3]| clause.iter().any(|l| assignment[l.variable] != l.negated);
        let broken = formula.clauses.iter().find(|clause| !holds(clause)).unwrap();
        code[broken[0].variable] *= 0.5;
        let [clauses, missing] = residual(outputs(&network, &DMatrix::from_vec(n, 1, code)).column(0));
        assert!((clauses - PAPER_GAP).abs() < 1e-12 && (missing - PAPER_GAP).abs() < 1e-12, "{name}");
        attained += 1;
    }
    assert_eq!(attained, 5);
}

#[test]
fn over_the_reals_nothing_solves_theorem_1_whatever_the_formula() {
    for (name, formula) in formulas().unwrap() {
        let codes = DMatrix::zeros(formula.variables, 1);
        assert_eq!(outputs(&gadget::binary(&formula).unwrap(), &codes).amax(), 0.0, "{name}");
        assert_eq!(outputs(&gadget::paper_binary(&formula).unwrap(), &codes).amax(), 0.0, "{name}");
        let real = outputs(&gadget::real(&formula).unwrap(), &codes);
        assert_eq!(real.as_slice(), [0.0, formula.variables as f64], "{name}");
    }
}

/// `G₁ + ½G₂ ≥ 3/2` on codes of many kinds, and `max = 1` where the module's text says it is.
#[test]
fn the_gap_holds_and_is_attained() {
    let mut attained = 0;
    for (name, formula) in formulas().unwrap().into_iter().filter(|(_, formula)| formula.solutions() == 0) {
        let network = gadget::real(&formula).unwrap();
        let n = formula.variables;
        for (kind, spread) in [(0, 0.05), (1, 0.5), (2, 1.5), (3, 10.0)] {
            let count = 5000;
            let mut codes = DMatrix::from_vec(n, count, normal_vector(3, Domain::Code, kind, n * count));
            // Near ±1, and anywhere.
            codes.apply(|z| *z = if kind < 2 { z.signum() + spread * *z } else { spread * *z });
            for output in outputs(&network, &codes).column_iter() {
                assert!(output[0] + 0.5 * output[1] >= 1.5 - 1e-9 && output.amax() >= GAP - 1e-9, "{name}: {output}");
            }
        }
        let nearly = |assignment: &Vec<bool>| formula.clauses_true(assignment) + 1 == formula.clauses.len();
        let Some(assignment) = formula.assignments().find(nearly) else { continue };
        let mut code: Vec<f64> = assignment.iter().map(|truth| if *truth { 1.0 } else { -1.0 }).collect();
        let holds = |clause: &[formula::Literal; 3]| clause.iter().any(|l| assignment[l.variable] != l.negated);
        let broken = formula.clauses.iter().find(|clause| !holds(clause)).unwrap();
        broken.iter().for_each(|literal| code[literal.variable] *= 2.0 / 3.0);
        let output = outputs(&network, &DMatrix::from_vec(n, 1, code));
        assert!((output[0] - GAP).abs() < 1e-12 && (output[1] - GAP).abs() < 1e-12, "{name}: {output}");
        attained += 1;
    }
    // Two colours of the edges of six corners always give two triangles of one colour (Goodman
    // 1959).
    assert_eq!(attained, 5);
}

fn study(out: &Path) -> Study<'static> {
    let options = Options { out: out.to_owned(), quick: true, seed: 1, network: None, threads: Some(1) };
    Study::open(options, &Nobody).unwrap()
}

#[test]
fn nothing_that_cannot_be_satisfied_is_reproduced_and_best_satisfies_what_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let rows: Vec<Row> = jobs(&study).unwrap().par_iter().map(|job| job.carry_out(&study).unwrap()).collect();
    for row in &rows {
        assert!(!row.claims() || row.is_confirmed(), "{row:?}");
        if let (Some(gap), 0) = (row.theorem.gap(), row.solutions) {
            assert!(!row.reproduces && row.residual >= gap - 1e-9, "{row:?}");
        }
    }
    // The search's default objective, and the one that is nearest to the theorem's requirement.
    for way in [Way::Best, Way::BestLinf] {
        for (name, formula) in formulas().unwrap().into_iter().filter(|(_, formula)| formula.solutions() > 0) {
            let of = |row: &&Row| row.theorem == Theorem::Real && row.formula == name && row.method == way;
            let found = rows.iter().filter(of).filter(|row| row.claims()).count();
            assert!(found > 0, "{name} by {}: {formula:?}", way.name());
        }
    }
}

/// Answers are checked against the formula, so a wrong answer would be detected.
#[test]
fn a_wrong_answer_would_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let jobs = jobs(&study).unwrap();
    let job = jobs.iter().find(|job| job.theorem == Theorem::Real && job.name == "signs_seven" && job.way == Way::Best);
    let mut row = job.unwrap().carry_out(&study).unwrap();
    assert!(row.claims() && row.is_confirmed() && row.solutions == 1, "{row:?}");
    // The same code, as if it were an answer for the formula with the clause that it does not
    // satisfy.
    let whole = formulas().unwrap().into_iter().find(|(name, _)| *name == "signs_eight").unwrap().1;
    row.clauses = whole.clauses.len();
    assert!(!row.is_confirmed());
    assert!(text(&[row.clone()]).contains("The signs of 0 of the 1 codes"));
}
