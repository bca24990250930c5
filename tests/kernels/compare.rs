//! Comparisons that report where two sides differ and write both to a file, and proof that each
//! comparison can fail.

use std::fmt::Write as _;
use std::path::Path;

use nalgebra::DMatrix;
use unrelu::internals::configuration::Configurations;

/// The result of a comparison: success, or the place of the difference and the file with both
/// sides.
pub type Outcome = Result<(), String>;

/// Entry by entry `|left − right| ≤ allowed`; `NaN` equals `NaN` and an infinity itself.
pub fn matrices(name: &str, left: &DMatrix<f64>, right: &DMatrix<f64>, allowed: &DMatrix<f64>) -> Outcome {
    if left.shape() != right.shape() || left.shape() != allowed.shape() {
        return Err(format!("{name}: shapes {:?}, {:?}, allowed {:?}", left.shape(), right.shape(), allowed.shape()));
    }
    let differs = |l: f64, r: f64, allowed: f64| {
        // Written so that a NaN on one side differs.
        !(l == r || (l.is_nan() && r.is_nan()) || (l - r).abs() <= allowed)
    };
    for column in 0..left.ncols() {
        for row in 0..left.nrows() {
            let at = (row, column);
            if differs(left[at], right[at], allowed[at]) {
                let file = write_both(name, &format!("{left:.17e}"), &format!("{right:.17e}"));
                return Err(format!(
                    "{name}: entry {row} of observation {column} is {:e} on the left and {:e} on the right, {:e} \
                     apart, allowed {:e}; both sides in {file}",
                    left[at],
                    right[at],
                    (left[at] - right[at]).abs(),
                    allowed[at]
                ));
            }
        }
    }
    Ok(())
}

/// Bit by bit, and the counts.
pub fn configurations(name: &str, left: &Configurations, right: &Configurations) -> Outcome {
    if left == right {
        return Ok(());
    }
    let file = write_both(name, &format!("{left:?}"), &format!("{right:?}"));
    if left.rows() != right.rows() || left.count() != right.count() {
        return Err(format!("{name}: shapes differ; both sides in {file}"));
    }
    for observation in 0..left.count() {
        for row in 0..left.rows() {
            if left.is_active(observation, row) != right.is_active(observation, row) {
                return Err(format!("{name}: row {row} of observation {observation}; both sides in {file}"));
            }
        }
        if left.active_count(observation) != right.active_count(observation) {
            return Err(format!("{name}: the count of observation {observation}; both sides in {file}"));
        }
    }
    Err(format!("{name}: unused bits; both sides in {file}"))
}

/// Fails the test if the comparison failed.
#[track_caller]
pub fn expect(outcome: Outcome) {
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

fn write_both(name: &str, left: &str, right: &str) -> String {
    let file_name: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    // On another machine than that of the build, this folder is not there.
    let folder = Some(Path::new(env!("CARGO_TARGET_TMPDIR"))).filter(|folder| folder.is_dir());
    let path = folder.map_or_else(std::env::temp_dir, Path::to_path_buf).join(format!("{file_name}.txt"));
    let mut text = String::new();
    let _ = write!(text, "left\n{left}\nright\n{right}\n");
    match std::fs::write(&path, text) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("no file ({error})"),
    }
}

#[test]
fn one_perturbed_entry_is_found() {
    let left = DMatrix::from_fn(5, 3, |row, column| (row + 10 * column) as f64);
    let allowed = DMatrix::from_element(5, 3, 1e-5);
    assert!(matrices("equal", &left, &left, &allowed).is_ok());
    for (row, column) in [(0, 0), (4, 2), (3, 1)] {
        for wrong in [left[(row, column)] + 2e-5, f64::NAN, f64::INFINITY] {
            let mut right = left.clone();
            right[(row, column)] = wrong;
            let found = matrices("perturbed entry", &left, &right, &allowed).unwrap_err();
            assert!(found.contains(&format!("entry {row} of observation {column}")), "{found}");
            let file = found.rsplit(' ').next().unwrap();
            assert!(std::fs::read_to_string(file).unwrap().contains("right"));
        }
        let mut within = left.clone();
        within[(row, column)] += 5e-6;
        assert!(matrices("within", &left, &within, &allowed).is_ok());
    }
    assert!(matrices("shapes", &left, &left.transpose(), &allowed).is_err());
}

#[test]
fn one_flipped_bit_is_found() {
    let left = Configurations::from_words(40, vec![5, 1, 0, 2], vec![3, 1]);
    for (observation, row) in [(0, 0), (0, 39), (1, 32)] {
        let mut right = left.clone();
        assert!(configurations("equal bits", &left, &right).is_ok());
        right.flip(observation, row);
        let found = configurations("flipped bit", &left, &right).unwrap_err();
        assert!(found.contains(&format!("row {row} of observation {observation}")), "{found}");
    }
}

#[test]
fn a_wrong_count_or_unused_bit_is_found() {
    let left = Configurations::from_words(40, vec![5, 1], vec![3]);
    let count = Configurations::from_words(40, vec![5, 1], vec![2]);
    assert!(configurations("count", &left, &count).unwrap_err().contains("count of observation 0"));
    let unused = Configurations::from_words(40, vec![5, 1 | 1 << 20], vec![3]);
    assert!(configurations("unused", &left, &unused).unwrap_err().contains("unused bits"));
}
