//! `bench lp`: the machine-readable figures, and the exported LPs.

use std::collections::BTreeSet;

use crate::folder::Folder;
use serde_json::Value;

/// The smallest size, so that the test takes a second.
const SMALL: [&str; 8] = ["bench", "lp", "--quick", "--sizes", "100x20", "--batch", "4", "--json"];

#[test]
fn json_rows_have_the_documented_fields_and_agree_with_clarabel() {
    let rows: Vec<Value> = serde_json::from_str(&Folder::empty().succeeds(&SMALL)).unwrap();
    let fields = [
        "rows",
        "columns",
        "method",
        "nonnegative",
        "solver",
        "threads",
        "batch",
        "ms_per_lp",
        "iterations",
        "fallbacks",
        "objective_difference",
        "ratio_to_clarabel",
        "weights",
        "activation",
        "noise",
    ];
    let mut seen = BTreeSet::new();
    for row in &rows {
        let found: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, BTreeSet::from(fields), "{row}");
        assert!(row["ms_per_lp"].as_f64().unwrap() > 0.0 && row["ratio_to_clarabel"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["objective_difference"].as_f64().unwrap() < 1e-6, "{row}");
        assert_eq!((row["rows"].as_u64(), row["columns"].as_u64()), (Some(100), Some(20)));
        seen.insert((row["method"].as_str().unwrap(), row["solver"].as_str().unwrap(), row["batch"].as_u64().unwrap()));
    }
    for method in ["linf", "l1", "relaxed"] {
        assert!(seen.contains(&(method, "interior-point", 1)) && seen.contains(&(method, "interior-point", 4)));
        assert!(seen.iter().any(|(m, solver, _)| (*m, *solver) == (method, "clarabel")));
    }
}

#[test]
fn the_table_and_the_export() {
    let folder = Folder::empty();
    let text = folder.succeeds(&[
        "bench",
        "lp",
        "--quick",
        "--sizes",
        "100x20",
        "--batch",
        "4",
        "--methods",
        "relaxed",
        "--export",
        "lps",
    ]);
    assert!(text.contains("100x20") && text.contains("relaxed") && !text.contains("l1 "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let index: Value = serde_json::from_slice(&folder.bytes("lps/index.json")).unwrap();
    let lps = index[0]["lps"].as_array().unwrap();
    assert!(!lps.is_empty());
    let weight = unrelu::read_npy(folder.path("lps").join(index[0]["W"].as_str().unwrap())).unwrap();
    assert_eq!(weight.shape(), (20, 100));
    for lp in lps {
        let read = |key: &str| unrelu::read_npy(folder.path("lps").join(lp[key].as_str().unwrap()));
        let (inequalities, q) = (read("inequalities").unwrap(), read("q").unwrap());
        // Every unit has its upper bound, nothing else.
        assert_eq!(inequalities.shape(), (4, 100));
        assert!(
            inequalities
                .column_iter()
                .enumerate()
                .all(|(unit, row)| (row[0], row[1], row[2]) == (unit as f64, 1.0, 0.0))
        );
        assert_eq!(q.shape(), (20, 1));
        assert!(lp["objective"].as_f64().unwrap() > 0.0);
    }
    folder.refuses(
        &["bench", "lp", "--quick", "--sizes", "100x20", "--export", "lps"],
        &["index.json", "already exists", "--force"],
    );
}

#[test]
fn unknown_sizes_and_methods_are_refused() {
    let folder = Folder::empty();
    folder.refuses(&["bench", "lp", "--sizes", "3x2"], &["--sizes", "3x2", "500x100"]);
    folder.refuses(&["bench", "lp", "--sizes", "100x20", "--methods", "exact"], &["--methods", "exact", "relaxed"]);
    folder.refuses(&["bench", "lp", "--methods", "simplex"], &["simplex", "linf"]);
}
