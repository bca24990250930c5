//! 3-CNF formulas: read from DIMACS text, and solved by trying every assignment.
//!
//! The reader is strict, because the gadgets rely on it: one clause per line, three literals of
//! different variables per clause, and few enough variables to try all assignments.

use crate::error::{Error, Result};

/// Limit of the variables, because every assignment is tried: a million at most.
const MOST_VARIABLES: usize = 20;

/// A variable or its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// The variable, from 0.
    pub variable: usize,
    pub negated: bool,
}

impl Literal {
    /// `1` or `−1`: the literal's value is this times its variable.
    pub fn sign(self) -> f64 {
        if self.negated { -1.0 } else { 1.0 }
    }

    fn is_true(self, assignment: &[bool]) -> bool {
        assignment[self.variable] != self.negated
    }
}

/// A conjunction of clauses of three literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    pub variables: usize,
    pub clauses: Vec<[Literal; 3]>,
}

impl Formula {
    /// Reads DIMACS text; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Input`], with the line.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let refuse = |line: usize, found: String, expected: &str| {
            Error::input(format!("{source}, line {line}"), found, expected, "correct the formula")
        };
        // The declared numbers of variables and clauses, and the line.
        let mut head: Option<(usize, usize, usize)> = None;
        let mut clauses = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> = text.split_whitespace().collect();
            match (words.as_slice(), head) {
                ([] | ["c", ..], _) => {}
                (["p", "cnf", variables, count], None) => {
                    let number = |word: &str| word.parse::<usize>().ok();
                    head = match (number(variables), number(count)) {
                        (Some(variables), Some(count)) if (3..=MOST_VARIABLES).contains(&variables) && count > 0 => {
                            Some((variables, count, line))
                        }
                        _ => {
                            let expected = format!("3 to {MOST_VARIABLES} variables and at least 1 clause");
                            return Err(refuse(line, format!("`{text}`"), &expected));
                        }
                    };
                }
                (_, None) => return Err(refuse(line, format!("`{text}`"), "`p cnf VARIABLES CLAUSES` first")),
                (words, Some((variables, ..))) => {
                    let expected = format!("three literals of different variables from 1 to {variables}, and a 0");
                    let clause = clause(words, variables);
                    clauses.push(clause.ok_or_else(|| refuse(line, format!("`{text}`"), &expected))?);
                }
            }
        }
        match head {
            None => Err(refuse(1, "no formula".into(), "`p cnf VARIABLES CLAUSES` first")),
            Some((_, count, line)) if count != clauses.len() => Err(refuse(
                line,
                format!("{count} clauses promised and {} given", clauses.len()),
                "as many as promised",
            )),
            Some((variables, ..)) => Ok(Formula { variables, clauses }),
        }
    }

    /// Number of clauses that an assignment satisfies.
    pub fn clauses_true(&self, assignment: &[bool]) -> usize {
        let holds = |clause: &&[Literal; 3]| clause.iter().any(|literal| literal.is_true(assignment));
        self.clauses.iter().filter(holds).count()
    }

    /// Whether an assignment satisfies all clauses.
    pub fn is_satisfied(&self, assignment: &[bool]) -> bool {
        self.clauses_true(assignment) == self.clauses.len()
    }

    /// All `2ⁿ` assignments.
    pub fn assignments(&self) -> impl Iterator<Item = Vec<bool>> + use<> {
        let variables = self.variables;
        (0..1_u32 << variables).map(move |bits| (0..variables).map(|variable| bits >> variable & 1 == 1).collect())
    }

    /// Number of satisfying assignments, by trying all.
    pub fn solutions(&self) -> usize {
        self.assignments().filter(|assignment| self.is_satisfied(assignment)).count()
    }
}

/// Parses a clause; `None` unless it is three literals of different variables and a 0.
fn clause(words: &[&str], variables: usize) -> Option<[Literal; 3]> {
    let &[a, b, c, "0"] = words else { return None };
    let literal = |word: &str| {
        let number = word.parse::<i32>().ok()?;
        let variable = (number.unsigned_abs() as usize).checked_sub(1).filter(|variable| *variable < variables)?;
        Some(Literal { variable, negated: number < 0 })
    };
    let clause = [literal(a)?, literal(b)?, literal(c)?];
    let [a, b, c] = clause.map(|literal| literal.variable);
    (a != b && a != c && b != c).then_some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_read() {
        let formula = Formula::parse("c of two clauses\np cnf 4 2\n\n1 -2 3 0\n -4 2\t1 0\n", "two.cnf").unwrap();
        assert_eq!((formula.variables, formula.clauses.len()), (4, 2));
        assert_eq!(formula.clauses[0][1], Literal { variable: 1, negated: true });
        assert_eq!(formula.clauses[1].map(Literal::sign), [-1.0, 1.0, 1.0]);
        // By hand: the second clause is false where 4 is true and 1 and 2 are false.
        assert_eq!(formula.clauses_true(&[false, false, false, true]), 1);
        assert!(formula.is_satisfied(&[false, false, false, false]));
        // Each clause excludes two of the 16 assignments, and no assignment twice.
        assert_eq!(formula.solutions(), 12);
    }

    #[test]
    fn what_is_no_formula_is_refused_with_its_line() {
        for (text, line, about) in [
            ("", 1, "no formula"),
            ("c nothing\n1 2 3 0\n", 2, "p cnf"),
            ("p cnf 2 1\n1 2 1 0\n", 1, "3 to 20"),
            ("p cnf 21 1\n1 2 3 0\n", 1, "3 to 20"),
            ("p cnf 3 0\n", 1, "at least 1"),
            ("p cnf 3 2\n1 2 3 0\n", 1, "2 clauses promised and 1 given"),
            ("p cnf 3 1\n1 2 0\n", 2, "three literals"),
            ("p cnf 3 1\n1 2 3\n", 2, "three literals"),
            ("p cnf 3 1\n1 2 3 0 0\n", 2, "three literals"),
            ("p cnf 3 1\n1 2 -2 0\n", 2, "different variables"),
            ("p cnf 3 1\n1 2 4 0\n", 2, "from 1 to 3"),
            ("p cnf 3 1\n1 0 3 0\n", 2, "from 1 to 3"),
            ("p cnf 3 1\n1 2 x 0\n", 2, "`1 2 x 0`"),
            ("p cnf 3 1\n1 2 -2147483649 0\n", 2, "from 1 to 3"),
            ("p cnf 3 1\n1 2 -2147483648 0\n", 2, "from 1 to 3"),
            ("p cnf 3 1\np cnf 3 1\n1 2 3 0\n", 2, "three literals"),
        ] {
            let error = Formula::parse(text, "bad.cnf").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("bad.cnf, line {line}: ")) && error.contains(about),
                "{text:?}: {error}"
            );
        }
    }
}
