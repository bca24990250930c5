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
        "hardness: networks that have a code for a given output exactly where a formula can be satisfied. Of {} formulas {} can, by \
         trying every assignment. Theorem 1 asks for codes of +1 and -1; others that reproduce the output, such as 0, do not count.",
        formulas(&|_| true),
        formulas(&|row| row.solutions > 0),
    );
    for (theorem, form) in [(Theorem::PaperBinary, "the paper's network"), (Theorem::Binary, "ours")] {
        let of = |row: &&Row| row.theorem == theorem;
        text.push_str(&format!(
            "\nTheorem 1, {form}: {} of {} answers reproduce the output, also for {} of the {} formulas that cannot be satisfied; {} of \
             them are codes of +1 and -1.",
            count(&|row| of(row) && row.reproduces),
            count(&of),
            formulas(&|row| of(row) && row.reproduces && row.solutions == 0),
            formulas(&|row| row.solutions == 0),
            count(&|row| of(row) && row.claims()),
        ));
    }
    for (theorem, form) in
        [(Theorem::PaperReal, "the paper's network, x = (0, n)"), (Theorem::Real, "ours, x = (0, 0)")]
    {
        text.push_str(&format!(
            "\nTheorem 2, {form}, real codes: answers that reproduce the output, where the formula can be satisfied and where it cannot:"
        ));
        for way in Way::ALL {
            let of = |row: &&Row| row.theorem == theorem && row.method == way;
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
        let lowest = rows.iter().filter(|row| row.theorem == theorem && row.solutions == 0).map(|row| row.residual);
        if let Some(gap) = theorem.gap() {
            text.push_str(&format!(
                "\n  If a formula cannot be satisfied, one entry of the residual is at least {gap} (proven); the lowest largest entry found \
                 is {:.9}.",
                lowest.fold(f64::INFINITY, f64::min)
            ));
        }
    }
    let claims = |row: &&Row| row.claims();
    let elsewhere =
        |row: &&Row| !row.theorem.is_binary() && row.method.searches() && row.solutions > 0 && !row.reproduces;
    let converged = count(&|row| elsewhere(row) && row.status == "converged");
    let no_proof = if converged > 0 { ": its stop rule is no proof" } else { "" };
    let told = count(&|row| !row.method.is_random() && row.determined == Some(true));
    text.push_str(&format!(
        "\nOf {} searches of `best` that did not reproduce the output of Theorem 2, {converged} report convergence{no_proof}.\n\
         The signs of {} of the {} codes that count as solutions satisfy their formula, checked clause by clause.\n\
         The linear programs' answers are certified and explain the output in {} of {}; {told} are determined.\n\
         example1: the codes of one output are not a convex set.",
        count(&elsewhere),
        count(&|row| claims(row) && row.is_confirmed()),
        count(&claims),
        count(&|row| !row.method.is_random() && row.status == "solved"),
        count(&|row| !row.method.is_random()),
    ));
    text
}
