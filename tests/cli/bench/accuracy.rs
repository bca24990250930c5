//! `bench accuracy`: the rows are consistent, and invalid options are rejected.

use serde_json::Value;

use crate::folder::Folder;

#[test]
fn rows_agree_with_each_other() {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,12,40", "-o", "net.safetensors", "--seed", "2"]);
    let text = folder.succeeds(&[
        "bench",
        "accuracy",
        "--network",
        "net.safetensors",
        "--noise",
        "uniform:0.01,gaussian:0.1",
        "--methods",
        "linf,linf-refined,best",
        "--count",
        "12",
        "--json",
    ]);
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let methods: Vec<&str> = rows.iter().map(|row| row["method"].as_str().unwrap()).collect();
    let each = ["limit", "limit linf", "limit l1", "linf", "linf-refined", "best", "lower of both"];
    assert_eq!(methods, [each, each].concat());
    for row in &rows {
        let number = |name: &str| row[name].as_u64().unwrap();
        assert_eq!(number("observations"), 12);
        assert!(number("above_limit") + number("below_limit") <= 12);
        assert!(number("below_limit_but_farther") <= number("below_limit"));
        let error = &row["error"];
        let spread = ["median", "percentile_90", "largest"].map(|name| error[name].as_f64().unwrap());
        assert!(spread[0] > 0.0 && spread[0] <= spread[1] && spread[1] <= spread[2], "{row}");
        assert_eq!(row["network"], "net.safetensors 3→12→40");
        let method = row["method"].as_str().unwrap();
        let is_method = !method.starts_with("limit") && method != "lower of both";
        assert_eq!(row["milliseconds"].is_number(), is_method, "{row}");
    }
    let of = |method: &str| rows.iter().filter(|row| row["method"] == method).collect::<Vec<_>>();
    assert!(of("lower of both").iter().all(|row| row["above_limit"] == 0));
    assert!(of("limit").iter().all(|row| row["above_limit"] == 0 && row["below_limit"] == 0));
    // Without refinement, no linear program ends at a least-squares minimum of noisy data.
    assert!(of("linf").iter().all(|row| row["above_limit"] == 12));
    let human = folder.succeeds(&["bench", "accuracy", "--network", "net.safetensors", "--quick", "--count", "3"]);
    assert!(human.contains("noise uniform:0.01") && human.contains("lower of both"), "{human}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = Folder::empty();
    folder.refuses(&["bench", "accuracy", "--observed", "0"], &["--observed", "at most 1"]);
    folder.refuses(&["bench", "accuracy", "--methods", "magic"], &["--methods", "linf-refined"]);
    folder.refuses(&["bench", "accuracy", "--noise", "pink:1"], &["--noise", "uniform:A"]);
    folder.refuses(&["bench", "accuracy", "--count", "0"], &["--count"]);
    folder.refuses(&["bench", "accuracy", "--seconds", "nan"], &["--seconds", "not negative"]);
}
