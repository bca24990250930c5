//! The sentences that users read, judged in exact arithmetic: the objective, *certified*, what is
//! determined entry by entry, and infeasibility, over plain, degenerate, nearly dependent and
//! mixed-scale layers.
//!
//! `UNRELU_EXACT_PROBLEMS=100000 cargo test --release --test lp exact -- --nocapture` judges more
//! than the usual 1,200.

mod families;
mod judge;
mod refusals;
mod simplex;

use rayon::prelude::*;

use crate::comparison::wanted;
use families::{FAMILIES, Scale};
use judge::Count;
use refusals::Refusals;

/// Limits per scale: the share of problems that are not certified, and of entries that are
/// determined and not said to be.
fn limits(scale: Scale) -> (f64, f64) {
    match scale {
        Scale::Plain => (1e-4, 1e-3),
        Scale::Mixed => (0.02, 1.0),
        Scale::Far => (1.0, 1.0),
    }
}

#[test]
fn no_sentence_is_wrong() {
    let each = wanted("UNRELU_EXACT_PROBLEMS", 1200).div_ceil(4 * FAMILIES.len() as u64);
    let mut wrong = Vec::new();
    for family in FAMILIES {
        let counts = (0..each).into_par_iter().map(|seed| judge::judge(&(family.instance)(seed)));
        let count = counts.reduce(Count::default, Count::and);
        println!("{:<28} {count}", family.name);
        let (not_certified, unsaid) = limits(family.scale);
        let allowed = |share: f64, of: usize| (share * of as f64).ceil() as usize;
        if count.not_certified.len() > allowed(not_certified, count.problems) {
            wrong.push(format!("not certified: {}", count.not_certified.join("\n")));
        }
        if count.unsaid.len() > allowed(unsaid, count.determined) {
            wrong.push(format!("determined and not said to be: {}", count.unsaid.join("\n")));
        }
        wrong.extend(count.wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `UNRELU_PERTURBED_PAIRS=200000` perturbs as many instead of the usual 2,000.
#[test]
fn perturbed_pairs_are_refused_where_they_are_wrong() {
    let seeds = wanted("UNRELU_PERTURBED_PAIRS", 2000).div_ceil(500);
    let found = (0..seeds).into_par_iter().map(refusals::perturb).reduce(Refusals::default, Refusals::and);
    let Refusals { pairs, refused_unchanged, perturbed, accepted, wrong } = found;
    println!(
        "{pairs} pairs, {refused_unchanged} refused unchanged; {perturbed} perturbed, {accepted} accepted, {} wrong",
        wrong.len()
    );
    assert!(accepted < perturbed && pairs > 0);
    assert!(refused_unchanged <= pairs.div_ceil(1000), "{refused_unchanged} of {pairs} are refused as they are");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
