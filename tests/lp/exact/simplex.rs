//! A simplex method over the rationals, by Bland's rule: `max c·x` over `A x ≤ b`, `x ≥ 0`. Slow
//! and exact; every `f64` is a rational number.

use num_rational::BigRational;

pub type Q = BigRational;

pub fn exact(value: f64) -> Q {
    Q::from_float(value).expect("the oracle is asked about finite numbers")
}

pub fn zero() -> Q {
    exact(0.0)
}

/// A feasible dictionary: each basic variable is `constant + Σ coefficients · nonbasic`.
#[derive(Clone)]
pub struct Dictionary {
    /// Constant first, then one coefficient per nonbasic variable.
    rows: Vec<Vec<Q>>,
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
}

impl Dictionary {
    /// Of no variables.
    pub fn empty() -> Self {
        Dictionary { rows: Vec::new(), basic: Vec::new(), nonbasic: Vec::new() }
    }

    /// The vertex of `A x ≤ b`, `x ≥ 0` that the first phase ends at; `None` if there is none.
    /// `rows`: `b` first, then the row of `A`. Variables are numbered `x`, then slacks.
    pub fn feasible(rows: &[Vec<Q>]) -> Option<Self> {
        let columns = rows.first().map_or(0, |row| row.len() - 1);
        let artificial = columns + rows.len();
        let mut dictionary = Dictionary {
            rows: rows
                .iter()
                .map(|row| {
                    let mut negated: Vec<Q> = row.iter().map(|a| -a.clone()).collect();
                    negated[0] = row[0].clone();
                    negated.push(exact(1.0));
                    negated
                })
                .collect(),
            basic: (columns..columns + rows.len()).collect(),
            nonbasic: (0..columns).chain([artificial]).collect(),
        };
        let lowest = (0..rows.len()).min_by(|&a, &b| dictionary.rows[a][0].cmp(&dictionary.rows[b][0]));
        if let Some(lowest) = lowest.filter(|&row| dictionary.rows[row][0] < zero()) {
            dictionary.pivot(lowest, columns);
            let mut objective = vec![zero(); artificial + 1];
            objective[artificial] = exact(-1.0);
            if dictionary.maximise(&objective)? < zero() {
                return None;
            }
        }
        if let Some(row) = dictionary.basic.iter().position(|&variable| variable == artificial) {
            let entering = (0..dictionary.nonbasic.len()).find(|&place| dictionary.rows[row][place + 1] != zero())?;
            dictionary.pivot(row, entering);
        }
        let place = dictionary.nonbasic.iter().position(|&variable| variable == artificial)?;
        dictionary.drop(place);
        Some(dictionary)
    }

    fn drop(&mut self, place: usize) {
        self.nonbasic.remove(place);
        self.rows.iter_mut().for_each(|row| drop(row.remove(place + 1)));
    }

    /// Exchanges the basic variable of a row with a nonbasic one.
    fn pivot(&mut self, row: usize, place: usize) {
        let pivot = self.rows[row][place + 1].clone();
        // x_row = … + pivot · x_place, solved for x_place.
        let mut solved: Vec<Q> = self.rows[row].iter().map(|a| -(a / &pivot)).collect();
        solved[place + 1] = pivot.recip();
        for (index, other) in self.rows.iter_mut().enumerate() {
            let factor = other[place + 1].clone();
            if index == row || factor == zero() {
                continue;
            }
            other[place + 1] = zero();
            for (entry, a) in other.iter_mut().zip(&solved) {
                if *a != zero() {
                    *entry += &factor * a;
                }
            }
        }
        self.rows[row] = solved;
        std::mem::swap(&mut self.basic[row], &mut self.nonbasic[place]);
    }

    /// The objective over the nonbasic variables: constant, then coefficients.
    fn reduced(&self, objective: &[Q]) -> Vec<Q> {
        let cost = |variable: usize| objective.get(variable).cloned().unwrap_or_else(zero);
        let mut reduced = vec![zero()];
        reduced.extend(self.nonbasic.iter().map(|&variable| cost(variable)));
        for (row, &variable) in self.rows.iter().zip(&self.basic) {
            let cost = cost(variable);
            if cost != zero() {
                reduced.iter_mut().zip(row).for_each(|(sum, a)| *sum += &cost * a);
            }
        }
        reduced
    }

    /// Moves to a vertex where `objective · x` is largest, and returns that; `None` if unbounded.
    pub fn maximise(&mut self, objective: &[Q]) -> Option<Q> {
        loop {
            let reduced = self.reduced(objective);
            let gains = (0..self.nonbasic.len()).filter(|&place| reduced[place + 1] > zero());
            let Some(place) = gains.min_by_key(|&place| self.nonbasic[place]) else {
                return Some(reduced[0].clone());
            };
            let falling = (0..self.rows.len()).filter(|&row| self.rows[row][place + 1] < zero());
            let ratio = |row: usize| -(&self.rows[row][0] / &self.rows[row][place + 1]);
            let first = falling.min_by(|&a, &b| ratio(a).cmp(&ratio(b)).then(self.basic[a].cmp(&self.basic[b])))?;
            self.pivot(first, place);
        }
    }

    /// Where the dictionary is optimal for `objective`: the same, only over the optimal face.
    pub fn face(mut self, objective: &[Q]) -> Self {
        let reduced = self.reduced(objective);
        for place in (0..self.nonbasic.len()).rev().filter(|&place| reduced[place + 1] != zero()) {
            self.drop(place);
        }
        self
    }
}
