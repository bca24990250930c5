//! What decides between exit codes 0 and 3.

use std::fmt;
use std::str::FromStr;

use clap::Args;

use crate::batch::summary::Summary;

use super::{Outcome, print};

/// The verdict on a finished run.
#[derive(Debug, Args)]
pub struct VerdictArgs {
    /// Exit with 3 if a share of the observations is below what is asked, and say which: solved
    /// (solved or converged), reproduced or determined, each with a share from 0 to 1, such as
    /// solved:0.99,reproduced:1
    #[arg(long, value_name = "WHAT:SHARE,…", value_delimiter = ',')]
    require: Vec<Requirement>,

    /// Exit with 0 also where some observations have no certified (or converged) answer. What
    /// --require asks for still counts
    #[arg(long)]
    allow_incomplete: bool,
}

impl VerdictArgs {
    /// The outcome of a run with these totals. Prints the requirements that are not met.
    pub fn outcome(&self, totals: &Summary) -> Outcome {
        let missed: Vec<String> = self.require.iter().filter_map(|required| required.missed(totals)).collect();
        missed.iter().for_each(|missed| print::complaint(missed));
        let is_incomplete = !totals.all_solved() && !self.allow_incomplete;
        if is_incomplete || !missed.is_empty() { Outcome::Incomplete } else { Outcome::Complete }
    }
}

/// A share of the observations that has to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Requirement {
    what: What,
    share: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Solved,
    Reproduced,
    Determined,
}

impl Requirement {
    /// What to say if it is not met.
    fn missed(self, totals: &Summary) -> Option<String> {
        let count = match self.what {
            What::Solved => totals.solved,
            What::Reproduced => totals.reproduced,
            What::Determined => totals.determined,
        };
        let all = totals.observations;
        // `0.29 · 100` is 28.999…: a count that is near enough meets it.
        let wanted = self.share * all as f64 * (1.0 - 1e-9);
        ((count as f64) < wanted)
            .then(|| format!("required {self}: found {count} of {all} observations, {:.6}", count as f64 / all as f64))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Solved => "solved",
            What::Reproduced => "reproduced",
            What::Determined => "determined",
        };
        write!(f, "{what}:{}", self.share)
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected solved, reproduced or determined, and a share from 0 to 1, such as solved:0.99";
        let (what, share) = text.split_once(':').ok_or(expected)?;
        let what = match what.trim() {
            "solved" => What::Solved,
            "reproduced" => What::Reproduced,
            "determined" => What::Determined,
            _ => return Err(expected.to_owned()),
        };
        let share: f64 = share.trim().parse().map_err(|_| expected)?;
        if (0.0..=1.0).contains(&share) { Ok(Requirement { what, share }) } else { Err(expected.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_compared_as_counts() {
        let totals = Summary { observations: 100, solved: 99, reproduced: 29, ..Summary::default() };
        let missed = |text: &str| text.parse::<Requirement>().unwrap().missed(&totals);
        for met in ["solved:0.99", "solved:0", "reproduced:0.29", "determined:0"] {
            assert_eq!(missed(met), None, "{met}");
        }
        let solved = missed("solved:0.991").unwrap();
        assert_eq!(solved, "required solved:0.991: found 99 of 100 observations, 0.990000");
        assert!(missed("solved:1").is_some() && missed("determined:0.001").is_some());
        let nothing = Summary::default();
        assert_eq!("solved:1".parse::<Requirement>().unwrap().missed(&nothing), None);
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["solved", "solved:", "solved:2", "solved:-0.1", "solved:nan", "good:1", ""] {
            assert!(text.parse::<Requirement>().is_err(), "{text}");
        }
    }
}
