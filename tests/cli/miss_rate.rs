//! `--miss-rate`: the measured stop rule of `best`, against the usual one.

use serde_json::Value;

use crate::folder::Folder;

const COUNT: usize = 40;

/// 4 → `hidden` → 200, and `COUNT` of its outputs with noise; in the last one an entry is hidden,
/// and the one before is no output of the network.
fn observed(hidden: usize) -> Folder {
    let folder = Folder::empty();
    let sizes = format!("4,{hidden},200");
    folder.succeeds(&["random-network", &sizes, "-o", "net.safetensors", "--seed", "3"]);
    let generate = ["generate", "net.safetensors", "--noise", "gaussian:0.01", "-o", "x.npy", "--seed", "4"];
    folder.succeeds(&[&generate[..], &["--count", "40"]].concat());
    let mut x = unrelu::read_npy(folder.path("x.npy")).unwrap();
    x[(0, COUNT - 1)] = f64::NAN;
    for entry in 0..200 {
        x[(entry, COUNT - 2)] += 0.2 * (entry as f64).cos();
    }
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({COUNT}, 200), }}");
    let bytes: Vec<u8> = x.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    folder.write("x.npy", crate::folder::npy(&header, &bytes));
    folder
}

fn invert(folder: &Folder, more: &[&str]) -> (String, Vec<Value>, Vec<u8>) {
    let common = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu"];
    let named = ["--report", "r.jsonl", "--noise", "gaussian:0.01", "--allow-incomplete"];
    let output = folder.run(&[&common[..], &named, more].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    (said, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), folder.bytes("z.npy"))
}

const USUAL: [&str; 2] = ["--miss-rate", "none"];

#[test]
fn fewer_runs_end_at_the_same_losses() {
    let folder = observed(100);
    let (usual_said, usual, _) = invert(&folder, &USUAL);
    let (said, found, codes) = invert(&folder, &[]);
    assert!(!usual_said.contains("measuring") && !usual_said.contains("runs have found"), "{usual_said}");
    assert!(said.contains("runs have found the lowest loss: that misses at most 1 %"), "{said}");
    assert!(said.contains("a miss rate of 0.01 takes; for the usual search, add --miss-rate none"), "{said}");
    let number = |row: &Value, place: &str| row.pointer(place).and_then(Value::as_f64).unwrap();
    let (runs, misfit) = ("/search/runs", "/residual/l2_relative");
    let total = |rows: &[Value]| rows.iter().map(|row| number(row, runs)).sum::<f64>();
    assert!(total(&found) < 0.3 * total(&usual), "{} of {} runs", total(&found), total(&usual));
    let missed =
        found.iter().zip(&usual).filter(|(found, usual)| number(found, misfit) > 1.001 * number(usual, misfit)).count();
    assert!(missed <= 2, "{missed} of {COUNT}");
    // What is partly hidden, or no output of the network, has the usual search to the last digit.
    assert_eq!(found[COUNT - 2..], usual[COUNT - 2..]);
    assert!(found[..COUNT - 2].iter().filter(|row| number(row, runs) < 48.0).count() > COUNT - 6);
    // The share by name, neighbours and threads change nothing.
    for more in [&["--miss-rate", "0.01"][..], &["--batch", "7"], &["--batch", "1", "--threads", "2"]] {
        assert_eq!(invert(&folder, more).2, codes, "{more:?}");
    }
}

/// On a narrow network many starts end elsewhere: no few runs keep the rate.
#[test]
fn without_a_rule_every_search_is_the_usual_one() {
    let folder = observed(10);
    let (_, usual, codes) = invert(&folder, &USUAL);
    let (said, found, same) = invert(&folder, &[]);
    assert!(said.contains("searches end by the usual rule"), "{said}");
    assert!(found == usual && codes == same);
}

/// Other minima are found by many runs, so options that ask for them have the usual search.
#[test]
fn other_minima_take_the_usual_search_without_a_word() {
    let folder = observed(60);
    for more in [&["--alternatives", "2"][..], &["--uncertainty"], &["--objective", "l1"]] {
        let (said, found, codes) = invert(&folder, more);
        assert!(!said.contains("measuring") && !said.contains("usual rule"), "{said}");
        let (_, usual, same) = invert(&folder, &[&USUAL[..], more].concat());
        assert!(found == usual && codes == same, "{more:?}");
    }
}

/// Two rules would be mixed in one file.
#[test]
fn a_run_is_not_resumed_with_another_rule() {
    let folder = observed(30);
    let common = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--noise", "gaussian:0.01"];
    folder.run(&[&common[..], &USUAL].concat());
    folder.refuses(&[&common[..], &["--resume"]].concat(), &["--miss-rate"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = observed(30);
    let refuses = |more: &[&str], words: &[&str]| {
        let common = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu"];
        folder.refuses(&[&common[..], more].concat(), words);
    };
    let best = ["--method", "best", "--miss-rate"];
    refuses(&[&best[..], &["0.01"]].concat(), &["--miss-rate", "without a size", "gaussian:0.05"]);
    refuses(&[&best[..], &["0.01", "--noise", "gross:0.1"]].concat(), &["--miss-rate", "gross", "can be drawn"]);
    for rate in ["0", "0.6", "nan", "-1", "0.00001"] {
        let rate = format!("--miss-rate={rate}");
        refuses(&["--method", "best", "--noise", "gaussian:0.01", &rate], &["--miss-rate", "from 0.0001 to 0.5"]);
    }
    refuses(&[&best[..], &["few"]].concat(), &["--miss-rate", "a share, such as 0.01, or none"]);
    let noise = ["--noise", "gaussian:0.01", "--miss-rate", "0.01"];
    refuses(&[&noise[..], &["--uncertainty"]].concat(), &["--miss-rate", "other minima"]);
    refuses(&[&noise[..], &["--method", "linf"]].concat(), &["--miss-rate", "--method best"]);
    folder.succeeds(&["random-network", "4,60", "-o", "net.safetensors", "--force", "--activation", "tanh"]);
    let list = r#"{"format": "unrelu operations", "version": 1, "input": [4], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "softplus"}, {"op": "reshape", "shape": [60]},
        {"op": "silu"}]}"#;
    folder.write("net.json", list);
    refuses(&[&noise[..], &["--architecture", "net.json"]].concat(), &["--miss-rate", "curved hidden layers"]);
}
