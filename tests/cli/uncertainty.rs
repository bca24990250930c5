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
    assert!(said.contains("size of the noise, by the residuals: median "), "{said}");
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

#[test]
fn uniform_noise_has_bounds_that_do_not_depend_on_the_batch() {
    let folder = observed("uniform:0.01");
    let run = ["--noise", "uniform:0.01", "--uncertainty", "--report"];
    folder.run(&invert(&[&run[..], &["r.jsonl"]].concat()));
    let truth = read_npy(folder.path("truth.npy")).unwrap();
    for (place, row) in rows(&folder).iter().enumerate() {
        assert_eq!(row["intervals"], "complete");
        let [lower, upper, least, most] =
            ["lower", "upper", "bound_lower", "bound_upper"].map(|name| numbers(row, name));
        for entry in 0..4 {
            assert!(least[entry] < lower[entry] && lower[entry] < upper[entry] && upper[entry] < most[entry]);
            assert!((least[entry]..=most[entry]).contains(&truth[(entry, place)]), "{place}, {entry}");
        }
    }
    let whole = folder.bytes("r.jsonl");
    folder.run(&invert(&[&run[..], &["r.jsonl", "--batch", "3", "--threads", "1"]].concat()));
    assert!(whole == folder.bytes("r.jsonl"), "the report depends on the batch");
    // Shards draw as the whole run does.
    let mut parts = Vec::new();
    for (shard, name) in [("1/2", "a"), ("2/2", "b")] {
        let names = [format!("{name}.npy"), format!("{name}.jsonl")];
        folder.run(
            &["invert", "net.safetensors", "x.npy", "-o", &names[0], "--noise", "uniform:0.01", "--uncertainty"]
                .into_iter()
                .chain(["--device", "cpu", "--batch", "4", "--shard", shard, "--report", &names[1]])
                .collect::<Vec<_>>(),
        );
        parts.extend(folder.bytes(&names[1]));
    }
    assert!(whole == parts, "the report depends on the shard");
    // No residual of noise can be so small.
    let output = folder.run(&invert(&["--noise", "uniform:0.003", "--uncertainty", "--report", "r.jsonl"]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("noise of that size explains no code there: 8 (100.0 %)"), "{said}");
    assert!(rows(&folder).iter().all(|row| row["intervals"] == "empty" && row["sd"][0].is_null()));
}

#[test]
fn alternatives_are_written_beside_the_codes() {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,6,12", "-o", "net.safetensors", "--seed", "3"]);
    let generate = ["generate", "net.safetensors", "--count", "9", "-o", "x.npy", "--noise", "gaussian:0.1"];
    folder.succeeds(&[&generate[..], &["--seed", "4"]].concat());
    let run = ["invert", "net.safetensors", "x.npy", "--device", "cpu", "--method", "best", "--noise", "gaussian:0.1"];
    let with = |more: &[&str]| folder.run(&[&run[..], &["--alternatives", "3"], more].concat());
    with(&["-o", "z.npy", "--report", "r.jsonl"]);
    let bytes = folder.bytes("z.alternatives.npy");
    assert!(String::from_utf8_lossy(&bytes[..128]).contains("'shape': (9, 3, 3)"));
    assert_eq!(bytes.len(), 128 + 9 * 3 * 3 * 8);
    let all: Vec<f64> = bytes[128..].chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    let codes = read_npy(folder.path("z.npy")).unwrap();
    let mut others = 0;
    for (place, row) in rows(&folder).iter().enumerate() {
        let of_row = &all[place * 9..(place + 1) * 9];
        assert_eq!(&of_row[..3], codes.column(place).as_slice());
        let count = row["alternatives"].as_u64().unwrap() as usize;
        let losses = row["alternative_losses"].as_array().unwrap();
        for entry in 0..3 {
            let is_listed = entry <= count;
            assert_eq!(losses[entry].is_number(), is_listed, "{row}");
            assert_eq!(of_row[3 * entry].is_finite(), is_listed, "{of_row:?}");
        }
        others += count;
    }
    assert!(others >= 5, "{others}");
    // A resumed run and merged shards have the same bytes.
    with(&["-o", "again.npy", "--batch", "2", "--resume"]);
    assert!(bytes == folder.bytes("again.alternatives.npy"), "the file depends on the batch");
    for (shard, name) in [("1/3", "a.npy"), ("2/3", "b.npy"), ("3/3", "c.npy")] {
        with(&["-o", name, "--batch", "2", "--shard", shard]);
    }
    folder.run(&["merge", "-o", "merged.npy", "a.npy", "b.npy", "c.npy"]);
    assert!(bytes == folder.bytes("merged.alternatives.npy"), "merged shards differ");
    folder.write("b.alternatives.npy", &bytes[..200]);
    folder.refuses(&["merge", "-o", "more.npy", "a.npy", "b.npy", "c.npy"], &["b.alternatives.npy", "differ"]);
    // Existing files are kept, and what has no search is refused.
    std::fs::remove_file(folder.path("z.npy")).unwrap();
    let refused = |more: &[&str], words: &[&str]| folder.refuses(&[&run[..], more].concat(), words);
    refused(&["-o", "z.npy", "--alternatives", "3"], &["z.alternatives.npy", "--force"]);
    refused(&["-o", "y.npy", "--alternatives", "65"], &["--alternatives", "65 is not in 1..=64"]);
    let linf = ["invert", "net.safetensors", "x.npy", "-o", "y.npy", "--method", "linf", "--alternatives", "2"];
    folder.refuses(&linf, &["--alternatives", "--method best"]);
}

/// A run that is stopped in between continues with the same bytes.
#[test]
fn alternatives_of_a_resumed_run_have_the_same_bytes() {
    let folder = observed("gaussian:0.01");
    let run =
        ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--method", "best", "--batch", "2"];
    let run = [&run[..], &["--alternatives", "2", "--report", "r.jsonl"]].concat();
    folder.run(&run);
    let names = ["z.npy", "z.alternatives.npy", "r.jsonl"];
    let whole = names.map(|name| folder.bytes(name));
    // As after a kill while the names were given: the codes are partial again.
    for name in ["z.npy", "z.alternatives.npy"] {
        std::fs::rename(folder.path(name), folder.path(&format!("{name}.partial"))).unwrap();
    }
    folder.run(&[&run[..], &["--resume"]].concat());
    assert!(whole == names.map(|name| folder.bytes(name)), "other bytes");
}

/// Noise ten times as large as named: intervals of the named size would be ten times too narrow.
#[test]
fn a_size_that_does_not_explain_the_residual_has_no_intervals() {
    let folder = observed("gaussian:0.01");
    for law in ["gaussian", "laplace"] {
        let words = |size: &str| -> Vec<Value> {
            let noise = format!("{law}:{size}");
            let uncertain = ["--method", "best", "--uncertainty", "--report", "r.jsonl", "--noise"];
            folder.run(&invert(&[&uncertain[..], &[&noise]].concat()));
            rows(&folder).iter().map(|row| row["intervals"].clone()).collect()
        };
        assert!(words("0.01").iter().filter(|word| *word == "complete").count() >= 6, "{law}");
        // Those whose residual is most of the observation have no columns at all.
        let refuted = words("0.001");
        assert!(refuted.iter().all(|word| *word == "empty" || word.is_null()), "{law}: {refuted:?}");
        assert!(refuted.iter().any(|word| *word == "empty"), "{law}: {refuted:?}");
    }
}
