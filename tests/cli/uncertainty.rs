//! `--uncertainty`: the columns of reports, what refuses it, and that resumed runs name it.

use serde_json::Value;
use unrelu::read_npy;

use crate::folder::Folder;

fn observed(noise: &str) -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,30,120", "-o", "net.safetensors", "--seed", "3"]);
    let generate = ["generate", "net.safetensors", "--count", "8", "-o", "x.npy", "--codes-out", "truth.npy"];
    folder.succeeds(&[&generate[..], &["--noise", noise, "--seed", "4"]].concat());
    folder
}

fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu"], more].concat()
}

fn rows(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(row: &Value, name: &str) -> Vec<f64> {
    row[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn reports_have_intervals_and_codes_stay() {
    let folder = observed("gaussian:0.001");
    folder.run(&invert(&["--method", "best"]));
    let plain = folder.bytes("z.npy");
    let uncertain = ["--method", "best", "--uncertainty", "--report"];
    let output = folder.run(&invert(&[&uncertain[..], &["r.jsonl"]].concat()));
    assert!(plain == folder.bytes("z.npy"), "codes changed");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("an interval for every entry: 8 (100.0 %)"), "{said}");
    let codes = read_npy(folder.path("z.npy")).unwrap();
    let truth = read_npy(folder.path("truth.npy")).unwrap();
    let mut covered = 0;
    for (place, row) in rows(&folder).iter().enumerate() {
        assert_eq!(row["intervals"], "complete");
        assert!(row.get("bound_lower").is_none());
        let size = row["noise_size"].as_f64().unwrap();
        assert!((size - 0.001).abs() < 4e-4, "{size}");
        let [sd, lower, upper] = ["sd", "lower", "upper"].map(|name| numbers(row, name));
        for entry in 0..4 {
            let z = codes[(entry, place)];
            assert!((z - lower[entry] - 1.6449 * sd[entry]).abs() < 1e-3 * sd[entry]);
            assert!((upper[entry] - z - 1.6449 * sd[entry]).abs() < 1e-3 * sd[entry]);
            covered += usize::from((lower[entry]..=upper[entry]).contains(&truth[(entry, place)]));
        }
    }
    assert!(covered >= 24, "{covered} of 32");
    // The same numbers in .csv.
    folder.run(&invert(&[&uncertain[..], &["r.csv"]].concat()));
    let text = String::from_utf8(folder.bytes("r.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let place = |name: &str| names.iter().position(|found| *found == name).unwrap();
    for (row, fields) in rows(&folder).iter().zip(lines) {
        assert_eq!(fields.len(), names.len());
        assert_eq!(fields[place("sd_2")].parse::<f64>().unwrap(), numbers(row, "sd")[2]);
        assert_eq!(fields[place("upper_3")].parse::<f64>().unwrap(), numbers(row, "upper")[3]);
        assert_eq!(fields[place("intervals")], "complete");
    }
}

#[test]
fn refinement_and_recovery_have_intervals_too() {
    let folder = observed("laplace:0.001");
    folder.run(&invert(&[
        "--method",
        "l1",
        "--refine",
        "--noise",
        "laplace:0.001",
        "--uncertainty",
        "--report",
        "r.jsonl",
    ]));
    for row in rows(&folder) {
        assert_eq!((row["intervals"].as_str(), row["noise_size"].as_f64()), (Some("complete"), Some(0.001)));
    }
    let recover = ["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu", "--uncertainty"];
    folder.run(&[&recover[..], &["--report", "r.jsonl"]].concat());
    let found = rows(&folder);
    assert!(found.len() == 8 && found.iter().all(|row| numbers(row, "sd").len() == 4));
    folder.refuses(&[&recover[..], &["--inner", "best"]].concat(), &["--uncertainty", "given with --inner"]);
}

#[test]
fn what_has_no_intervals_is_refused() {
    let folder = observed("gaussian:0.001");
    for (more, expected) in [
        (&["--method", "linf"][..], "--method best, or --refine: intervals"),
        (&["--method", "descent"], "--method best, or --refine: intervals"),
        (&["--noise", "gross"], "the law gross"),
        (&["--noise", "gaussian", "--objective", "l1"], "the law gaussian and --objective l1"),
        (&["--noise", "laplace", "--method", "l1", "--refine=l2"], "the law laplace and --refine l2"),
    ] {
        folder.refuses(&invert(&[more, &["--uncertainty"]].concat()), &["--uncertainty", expected]);
    }
}

#[test]
fn a_resumed_run_names_it() {
    let folder = observed("gaussian:0.001");
    let run = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--method", "best"];
    folder.run(&[&run[..], &["--uncertainty", "--report", "r.jsonl"]].concat());
    let output = folder.run(&[&run[..], &["--resume", "--report", "r.jsonl"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--uncertainty"), "{said}");
}
