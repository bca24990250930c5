//! Theorems 1 and 2 of the paper: inverting is NP-hard, because satisfying a formula can be
//! expressed as inverting a network ([`gadget`]). Every method gets the networks of small formulas,
//! half of which are unsatisfiable. Its answers are rounded to signs and checked against the
//! formula. Trying all assignments tells which formulas are satisfiable.
//!
//! [`example1`] draws the paper's Example 1: the set of codes of one output, which is not convex.

mod example1;
mod formula;
mod gadget;
mod picture;
mod pieces;
mod runs;
#[cfg(test)]
mod tests;

use super::study::Study;
use crate::error::Result;
use gadget::GAP;
use runs::{Row, Theorem, Way, jobs};

const NAME: &str = "hardness";

/// Runs the experiment, draws its picture and that of Example 1, and summarises the results.
pub fn run(study: &Study) -> Result<String> {
    let rows = study.runs(NAME, &jobs(study)?, 1, |job| Ok(vec![job.carry_out(study)?]))?;
    study.draw(NAME, &picture::plot(&rows))?;
    example1::draw(study)?;
    study.tell(NAME, text(&rows))
}

fn text(rows: &[Row]) -> String {
    let count = |of: &dyn Fn(&&Row) -> bool| rows.iter().filter(of).count();
    let formulas = |of: &dyn Fn(&&Row) -> bool| {
        let mut names: Vec<&str> = rows.iter().filter(of).map(|row| row.formula.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    let mut text = format!(
        "hardness: networks that have a code for the output 0 exactly where a formula can be satisfied. Of {} formulas {} can, by \
         trying every assignment.\n\
         Theorem 1 (the code must be of +1 and -1): {} of {} answers reproduce the output, also for {} of the {} formulas that cannot be \
         satisfied; {} of them are such codes. Over the reals, the code 0 always reproduces it.\n\
         Theorem 2 (real codes), answers that reproduce the output, where the formula can be satisfied and where it cannot:",
        formulas(&|_| true),
        formulas(&|row| row.solutions > 0),
        count(&|row| row.theorem == Theorem::Binary && row.reproduces),
        count(&|row| row.theorem == Theorem::Binary),
        formulas(&|row| row.theorem == Theorem::Binary && row.reproduces && row.solutions == 0),
        formulas(&|row| row.solutions == 0),
        count(&|row| row.theorem == Theorem::Binary && row.claims()),
    );
    for way in Way::ALL {
        let of = |row: &&Row| row.theorem == Theorem::Real && row.method == way;
        let can = |row: &&Row| of(row) && row.solutions > 0;
        let cannot = |row: &&Row| of(row) && row.solutions == 0;
        text.push_str(&format!(
            "\n  {:<21}  can: {:>2} of {:<2} ({} of {} formulas)  cannot: {} of {}",
            way.name(),
            count(&|row| can(row) && row.claims()),
            count(&can),
            formulas(&|row| can(row) && row.claims()),
            formulas(&can),
            count(&|row| cannot(row) && row.claims()),
            count(&cannot),
        ));
    }
    let claims = |row: &&Row| row.claims();
    let elsewhere =
        |row: &&Row| row.theorem == Theorem::Real && row.method.searches() && row.solutions > 0 && !row.reproduces;
    let converged = count(&|row| elsewhere(row) && row.status == "converged");
    let no_proof = if converged > 0 { ": its stop rule is no proof" } else { "" };
    let told = count(&|row| !row.method.is_random() && row.determined == Some(true));
    let nothing_told = if told == 0 {
        ": the output 0 has no active entry, so no layer determines its input, and the answers say so"
    } else {
        ", although the output 0 has no active entry that could determine anything"
    };
    let lowest = rows.iter().filter(|row| row.theorem == Theorem::Real && row.solutions == 0).map(|row| row.residual);
    text.push_str(&format!(
        "\nOf {} searches of `best` that did not reproduce the output, {converged} report convergence{no_proof}.\n\
         The signs of {} of the {} codes that count as solutions satisfy their formula, checked clause by clause. If a formula \
         cannot be satisfied, no output has both entries below {GAP} (proven); the lowest found is {:.9}.\n\
         The linear programs are certified in {} of {} answers, and determined in {told}{nothing_told}.\n\
         example1: the codes of one output are not a convex set.",
        count(&elsewhere),
        count(&|row| claims(row) && row.is_confirmed()),
        count(&claims),
        lowest.fold(f64::INFINITY, f64::min),
        count(&|row| !row.method.is_random() && row.status == "solved"),
        count(&|row| !row.method.is_random()),
    ));
    text
}
