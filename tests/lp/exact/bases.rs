//! The oracle's simplex method against the enumeration of all bases, in rationals, on tiny
//! programs and on tiny layers: whether there is a point, whether the optimum is finite, its value,
//! and the range of each entry over the optimal face, from its vertices and rays.

use unrelu::Activation;
use unrelu::internals::random::{Domain, uniform_vector};

use super::program::{Exact, Optimum};
use super::simplex::{Dictionary, Q, exact, zero};
use super::solvers::KINDS;
use crate::support::random_instance;

/// `max c·x` over `A x ≤ b`, `x ≥ 0`.
struct Program {
    /// `b` first, then the row of `A`.
    rows: Vec<Vec<Q>>,
    objective: Vec<Q>,
    /// Functions `f·x` whose ranges are asked for.
    functions: Vec<Vec<Q>>,
}

/// What a program has.
#[derive(Debug, PartialEq)]
enum Answer {
    Infeasible,
    Unbounded,
    /// The optimum, and the range of each function over the optimal face; `None` where it is
    /// unbounded.
    Optimal(Q, Vec<Option<(Q, Q)>>),
}

/// Small integers, so that ties, equal rows and degenerate vertices are common.
fn program(seed: u64) -> Program {
    let (rows, columns) = (1 + (seed % 4) as usize, 1 + (seed / 4 % 3) as usize);
    let numbers = uniform_vector(seed, Domain::Noise, 7, (rows + 1) * (columns + 1));
    let number = |row: usize, place: usize| {
        let (low, spread) = if place == 0 { (-1.0, 5.0) } else { (-2.0, 5.0) };
        exact(low + (spread * numbers[row * (columns + 1) + place]).floor())
    };
    let of_row = |row: usize| (0..=columns).map(|place| number(row, place)).collect();
    let objective: Vec<Q> = (1..=columns).map(|place| number(rows, place)).collect();
    let unit = |i: usize| (0..columns).map(|place| exact(if place == i { 1.0 } else { 0.0 })).collect();
    Program { rows: (0..rows).map(of_row).collect(), objective, functions: (0..columns).map(unit).collect() }
}

fn by_simplex(program: &Program) -> Answer {
    let Some(mut dictionary) = Dictionary::feasible(&program.rows) else { return Answer::Infeasible };
    let Some(optimum) = dictionary.maximise(&program.objective) else { return Answer::Unbounded };
    let face = dictionary.face(&program.objective);
    let range = |function: &Vec<Q>| {
        let negated: Vec<Q> = function.iter().map(|f| -f.clone()).collect();
        Some((-face.clone().maximise(&negated)?, face.clone().maximise(function)?))
    };
    Answer::Optimal(optimum, program.functions.iter().map(range).collect())
}

/// Vertices are feasible points with as many tight constraints as variables. Extreme rays are the
/// vertices of the directions `A d ≤ 0`, `d ≥ 0`, cut by `Σ d = 1`.
fn by_enumeration(program: &Program) -> Answer {
    let columns = program.objective.len();
    let bounds = |i: usize| (0..=columns).map(|place| exact(if place == i + 1 { -1.0 } else { 0.0 })).collect();
    let mut constraints = program.rows.clone();
    constraints.extend((0..columns).map(bounds));
    let vertices = points(&constraints, None, columns);
    // The rows keep to `x ≥ 0`, so where there is a point there is a vertex.
    if vertices.is_empty() {
        return Answer::Infeasible;
    }
    let mut directions = constraints;
    directions.iter_mut().for_each(|row| row[0] = zero());
    let rays = points(&directions, Some(vec![exact(1.0); columns + 1]), columns);
    let value = |x: &Vec<Q>| product(&program.objective, x);
    if rays.iter().any(|ray| value(ray) > zero()) {
        return Answer::Unbounded;
    }
    let optimum = vertices.iter().map(value).fold(value(&vertices[0]), Q::max);
    let range = |function: &Vec<Q>| {
        // The optimal face is spanned by the optimal vertices and the rays that cost nothing.
        if rays.iter().any(|ray| value(ray) == zero() && product(function, ray) != zero()) {
            return None;
        }
        let optimal = vertices.iter().filter(|x| value(x) == optimum).map(|x| product(function, x));
        let values: Vec<Q> = optimal.collect();
        let first = values[0].clone();
        let low = values.iter().cloned().fold(first.clone(), Q::min);
        Some((low, values.into_iter().fold(first, Q::max)))
    };
    let ranges = program.functions.iter().map(range).collect();
    Answer::Optimal(optimum, ranges)
}

fn product(a: &[Q], b: &[Q]) -> Q {
    a.iter().zip(b).fold(zero(), |sum, (a, b)| sum + a * b)
}

/// The points that hold `columns` of the constraints (`equation` always) with equality and violate
/// none.
fn points(constraints: &[Vec<Q>], equation: Option<Vec<Q>>, columns: usize) -> Vec<Vec<Q>> {
    let mut found = Vec::new();
    let wanted = columns - usize::from(equation.is_some());
    for chosen in 0u32..1 << constraints.len() {
        if chosen.count_ones() as usize != wanted {
            continue;
        }
        let is_chosen = |row: &usize| chosen >> row & 1 == 1;
        let mut tight: Vec<Vec<Q>> = (0..constraints.len()).filter(is_chosen).map(|r| constraints[r].clone()).collect();
        tight.extend(equation.clone());
        let Some(x) = solve(tight) else { continue };
        if constraints.iter().all(|row| product(&row[1..], &x) <= row[0]) {
            found.push(x);
        }
    }
    found
}

/// The only solution of square equations, right side first, by elimination.
fn solve(mut rows: Vec<Vec<Q>>) -> Option<Vec<Q>> {
    let count = rows.len();
    for column in 0..count {
        let pivot = (column..count).find(|row| rows[*row][column + 1] != zero())?;
        rows.swap(column, pivot);
        let factor = rows[column][column + 1].recip();
        rows[column].iter_mut().for_each(|a| *a *= &factor);
        let reduced = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = row[column + 1].clone();
            row.iter_mut().zip(&reduced).for_each(|(a, b)| *a -= &factor * b);
        }
    }
    Some(rows.into_iter().map(|row| row[0].clone()).collect())
}

#[test]
fn the_simplex_method_agrees_with_the_enumeration_of_all_bases() {
    let (mut infeasible, mut unbounded, mut free) = (0, 0, 0);
    for seed in 0..1200 {
        let program = program(seed);
        let answer = by_simplex(&program);
        assert_eq!(answer, by_enumeration(&program), "seed {seed}: {:?}, {:?}", program.rows, program.objective);
        match answer {
            Answer::Infeasible => infeasible += 1,
            Answer::Unbounded => unbounded += 1,
            Answer::Optimal(_, ranges) => {
                free += usize::from(ranges.iter().any(|range| range.as_ref().is_none_or(|(low, high)| low < high)));
            }
        }
    }
    println!("{infeasible} infeasible, {unbounded} unbounded, {free} with a face");
    assert!(infeasible > 100 && unbounded > 100 && free > 50, "{infeasible}, {unbounded}, {free}");
}

/// All objectives and row rules, `z` free and `z ≥ 0`: the judge's own optimum, and the ranges of
/// the entries of `z` by which it judges what is determined.
#[test]
fn exact_layers_agree_with_the_enumeration_of_all_bases() {
    let activations = [Activation::Relu, Activation::LeakyRelu(0.25), Activation::Identity];
    let (mut infeasible, mut determined, mut open) = (0, 0, 0);
    for seed in 0..36u64 {
        let nonnegative = seed.is_multiple_of(2);
        let columns = if nonnegative { 1 + (seed / 2 % 2) as usize } else { 1 };
        let activation = activations[(seed / 4 % 3) as usize];
        let mut instance = random_instance(3, columns, activation, nonnegative, 0.4, 9000 + 3 * seed);
        // Few digits, so that rationals stay short; integers now and then, so that there are ties.
        let digits = if seed.is_multiple_of(3) { 1.0 } else { 16.0 };
        let short = |x: &mut f64| *x = (digits * *x).round() / digits;
        instance.weight.apply(short);
        instance.bias.apply(short);
        instance.target.iter_mut().for_each(short);
        let system = instance.system();
        for (method, rule) in KINDS {
            let what = format!("{} {method} {rule}", instance.name);
            let problem = instance.problem(&system, method, rule);
            let exact_problem = Exact::of(&system, &problem);
            let function = |entry: usize| {
                let mut function = vec![zero(); exact_problem.objective.len()];
                exact_problem.add_entry(&mut function, entry, exact(1.0));
                function
            };
            let (rows, objective) = (exact_problem.rows.clone(), exact_problem.objective.clone());
            let program = Program { rows, objective, functions: (0..columns).map(function).collect() };
            let expected = by_enumeration(&program);
            let found = match exact_problem.optimum() {
                Optimum::Infeasible => Answer::Infeasible,
                Optimum::Unbounded => Answer::Unbounded,
                Optimum::At(optimum, face) => {
                    let maximum = if exact_problem.is_linear() { optimum } else { -optimum };
                    Answer::Optimal(maximum, (0..columns).map(|entry| exact_problem.range(&face, entry)).collect())
                }
            };
            assert_eq!(found, expected, "{what}");
            match expected {
                Answer::Infeasible => infeasible += 1,
                Answer::Unbounded => panic!("{what}: unbounded"),
                Answer::Optimal(_, ranges) => {
                    let is_point = |range: &Option<(Q, Q)>| range.as_ref().is_some_and(|(low, high)| low == high);
                    determined += ranges.iter().filter(|range| is_point(range)).count();
                    open += ranges.iter().filter(|range| !is_point(range)).count();
                }
            }
        }
    }
    println!("{infeasible} infeasible, {determined} entries determined, {open} open");
    assert!(infeasible > 3 && determined > 50 && open > 20, "{infeasible}, {determined}, {open}");
}

/// The comparison can fail: another right side is seen.
#[test]
fn the_enumeration_sees_another_right_side() {
    let optimal = |program: &Program| matches!(by_enumeration(program), Answer::Optimal(best, _) if best > zero());
    let mut program = (0..).map(program).find(optimal).unwrap();
    let before = by_simplex(&program);
    program.rows.iter_mut().for_each(|row| row[0] += exact(1.0));
    assert_ne!(before, by_enumeration(&program));
}
