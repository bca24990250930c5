//! The messages of failures: in both formats of the report, in the summary, and in its JSON.

use serde_json::{Value, json};
use unrelu::{ElementType, read_npy as read_all, write_npy as write_all};

use crate::folder::Folder;

/// A folder with a network and six noisy observations. One has an infinite entry, one is
/// unobserved.
fn with_bad_observations() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,60", "-o", "net.safetensors", "--seed", "1"]);
    folder.succeeds(&["generate", "net.safetensors", "--count", "6", "-o", "x.npy", "--noise", "uniform:0.01"]);
    let mut observations = read_all(folder.path("x.npy")).unwrap();
    observations[(7, 1)] = f64::NEG_INFINITY;
    observations.column_mut(4).fill(f64::NAN);
    write_all(folder.path("x.npy"), &observations, ElementType::F64, true).unwrap();
    folder
}

/// The output of `invert` when some observations fail.
fn told(folder: &Folder, more: &[&str]) -> String {
    told_into(folder, "z.npy", more)
}

fn told_into(folder: &Folder, codes: &str, more: &[&str]) -> String {
    let usual = ["invert", "net.safetensors", "x.npy", "-o", codes, "--device", "cpu", "--force"];
    let output = folder.run(&[&usual[..], more].concat());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rows(folder: &Folder, report: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.bytes(report)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The column `status` of a `.jsonl` report.
fn statuses(folder: &Folder, report: &str) -> Vec<String> {
    rows(folder, report).iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn reports_say_what_was_found_and_what_to_do() {
    let folder = with_bad_observations();
    let method = ["--method", "exact", "--report"];
    told(&folder, &[&method[..], &["r.jsonl"]].concat());
    let found = statuses(&folder, "r.jsonl");
    assert_eq!(found[1], "failed: entry 7 is infinite (-inf); set entries that were not observed to NaN");
    assert_eq!(found[4], "failed: no entry is observed; give at least one finite entry");
    for index in [0, 2, 3, 5] {
        let layer = &rows(&folder, "r.jsonl")[index]["layers"][0];
        let [violation, tolerance] = ["objective", "epsilon"].map(|name| layer[name].as_f64().unwrap());
        assert!(0.0 < tolerance && tolerance < 1e-6 && 1e-6 < violation, "{layer}");
        let words = format!(
            "failed: layer 2 has no exact pre-image: its rows are violated by at least {violation:.3e}, \
             more than the tolerance {tolerance:.3e}; for noisy data use linf or l1"
        );
        assert_eq!(found[index], words);
    }
    // The `.csv` report has the same words.
    told(&folder, &[&method[..], &["r.csv"]].concat());
    let csv = String::from_utf8(folder.bytes("r.csv")).unwrap();
    for status in &found {
        assert!(csv.contains(status.as_str()), "no `{status}` in\n{csv}");
    }
}

#[test]
fn summaries_count_by_kind_and_advise_in_flags() {
    let folder = with_bad_observations();
    let exact = told(&folder, &["--method", "exact"]);
    for line in [
        "    1 × an entry is infinite; set entries that were not observed to NaN\n",
        "    1 × no entry is observed; give at least one finite entry\n",
        "    4 × layer 2 has no exact pre-image; for noisy data use linf or l1\n",
    ] {
        assert!(exact.contains(line), "no `{line}` in\n{exact}");
    }
    let descent = ["--method", "descent", "--step", "1e9", "--restarts", "0"];
    let text = told(&folder, &[&descent[..], &["--report", "r.jsonl"]].concat());
    assert!(text.contains("    4 × gradient descent diverged (non-finite values); give a smaller --step\n"), "{text}");
    let diverged = "failed: gradient descent diverged (non-finite values); use a smaller step size";
    assert_eq!(statuses(&folder, "r.jsonl").iter().filter(|status| *status == diverged).count(), 4);
}

/// Failures are kept in the journal: a finished run that is resumed has the same counts, and so do
/// merged shards.
#[test]
fn json_maps_words_to_counts_also_from_journals() {
    let folder = with_bad_observations();
    let method = ["--method", "exact", "--json"];
    let failures = |text: &str| serde_json::from_str::<Value>(text).unwrap()["failures"].clone();
    let expected = json!({
        "an entry is infinite": 1,
        "no entry is observed": 1,
        "layer 2 has no exact pre-image": 4,
    });
    assert_eq!(failures(&told(&folder, &method)), expected);
    let again = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--resume"];
    let resumed = folder.run(&[&again[..], &method].concat());
    assert!(String::from_utf8_lossy(&resumed.stderr).contains("nothing to do"));
    assert_eq!(failures(&String::from_utf8(resumed.stdout).unwrap()), expected);
    let parts = ["1", "2"].map(|part| format!("p{part}.npy"));
    for (part, codes) in ["1/2", "2/2"].into_iter().zip(&parts) {
        told_into(&folder, codes, &[&method[..], &["--batch", "2", "--shard", part]].concat());
    }
    let merged = folder.run(&["merge", "-o", "m.npy", &parts[0], &parts[1], "--json"]);
    assert_eq!(failures(&String::from_utf8(merged.stdout).unwrap()), expected);
}
