//! `bench throughput`: consistent rows, rows that were not measured and say so, the table, the
//! picture, rejected options.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::folder::Folder;

/// On the network 3 → 8 → 20, so that a test takes a second.
const SMALL: [&str; 8] =
    ["bench", "throughput", "--quick", "--network", "net.safetensors", "--batches", "8,1", "--threads=1"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], more].concat()
}

fn rows(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&folder.succeeds(arguments)).unwrap()
}

/// Each figure can be computed from the others.
fn figures_agree(row: &Value) {
    let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"));
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * b.abs(), "{a} and {b} in {row}");
    let quantity = row["quantity"].as_str().unwrap();
    let iterations = if quantity == "descend" { number("iterations") } else { 1.0 };
    near(number("per_second") * number("seconds_median"), number("batch") * iterations);
    assert!(number("seconds_min") <= number("seconds_median") && number("seconds_median") <= number("seconds_max"));
    assert!(number("repeats") >= 3.0 && number("peak_gflops") > 0.0, "{row}");
    // 2·(3·8 + 8·20) operations per pass.
    match quantity {
        "forward" | "descend" => {
            let operations = if quantity == "forward" { 368.0 } else { 736.0 };
            near(number("gflops"), 1e-9 * operations * number("per_second"));
            near(number("share_of_peak"), number("gflops") / number("peak_gflops"));
        }
        "classify" => {
            near(number("entries_per_second"), 20.0 * number("per_second"));
            near(number("bytes_per_second"), 160.0 * number("per_second"));
            assert!(row["gflops"].is_null(), "{row}");
        }
        _ => assert!(row["gflops"].is_null() && row["bytes_per_second"].is_null(), "{row}"),
    }
    if !row["kernel_seconds"].is_null() {
        assert!(row["device"] == "gpu" && number("kernel_seconds") >= 0.0, "{row}");
    }
}

const FIELDS: [&str; 19] = [
    "network",
    "device",
    "adapter",
    "threads",
    "quantity",
    "batch",
    "iterations",
    "per_second",
    "seconds_median",
    "seconds_min",
    "seconds_max",
    "repeats",
    "kernel_seconds",
    "gflops",
    "peak_gflops",
    "share_of_peak",
    "entries_per_second",
    "bytes_per_second",
    "note",
];

#[test]
fn rows_have_the_documented_fields_and_agree_with_each_other() {
    let folder = Folder::with_network();
    let rows = rows(&folder, &with(&["--device", "cpu", "--json"]));
    let mut seen = Vec::new();
    for row in &rows {
        let found: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, BTreeSet::from(FIELDS), "{row}");
        assert_eq!((&row["network"], &row["device"]), (&"net.safetensors 3→8→20".into(), &"cpu".into()));
        assert_eq!(row["threads"], 1);
        assert!(!row["adapter"].as_str().unwrap().is_empty() && row["note"].is_null(), "{row}");
        figures_agree(row);
        seen.push((row["quantity"].as_str().unwrap(), row["batch"].as_u64().unwrap()));
    }
    // In ascending order, whatever the requested order.
    let expected = ["forward", "classify", "descend", "invert"].map(|quantity| [(quantity, 1), (quantity, 8)]);
    assert_eq!(seen, expected.concat());
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn the_gpu_stands_beside_the_cpu() {
    let folder = Folder::with_network();
    let found =
        rows(&folder, &with(&["--device", "gpu", "--quantities", "classify,forward", "--seconds", "60", "--json"]));
    let devices: Vec<&str> = found.iter().map(|row| row["device"].as_str().unwrap()).collect();
    assert_eq!(devices, ["cpu", "gpu"].repeat(4));
    for row in found.iter().filter(|row| row["note"].is_null()) {
        figures_agree(row);
    }
    assert!(found.iter().any(|row| row["device"] == "gpu" && row["note"].is_null()), "{found:?}");
    let adapter = found[1]["adapter"].as_str().unwrap();
    let adapter_name = adapter.split(' ').next().unwrap();
    let by_name = ["--adapter", adapter_name, "--quantities", "classify", "--seconds", "60"];
    let text = folder.succeeds(&with(&by_name));
    assert!(text.contains(&format!("GPU: {adapter}; peak ")), "{text}");
    let crossover = ["GPU faster from a batch of ", "GPU not faster at any batch size"];
    assert!(crossover.iter().any(|line| text.contains(line)), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_gpu_that_is_asked_for_and_has_no_figures_is_a_failure() {
    let folder = Folder::with_network();
    let output = folder.run(&with(&["--device", "gpu", "--quantities", "classify", "--seconds", "1e-9", "--json"]));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("no measurement") && message.contains("more than --seconds"), "{message}");
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap().len(), 4);
}

#[test]
fn what_would_take_too_long_or_too_much_memory_is_a_row_that_says_so() {
    let folder = Folder::with_network();
    let not_run = |more: &[&str], word: &str| {
        let found = rows(&folder, &[&SMALL[..], &["--device=cpu", "--quantities=invert", "--json"], more].concat());
        assert!(!found.is_empty());
        for row in &found {
            let note = row["note"].as_str().unwrap_or_else(|| panic!("{row}"));
            assert!(note.starts_with("not run: ") && note.contains(word), "{note}");
            assert!(row["per_second"].is_null() && row["seconds_median"].is_null() && row["repeats"] == 0, "{row}");
        }
    };
    not_run(&["--seconds", "1e-9"], "more than --seconds");
    let large = ["bench", "throughput", "--network", "net.safetensors", "--batches", "1,1000000000", "--device=cpu"];
    let found = rows(&folder, &[&large[..], &["--quick", "--quantities=forward", "--memory=64", "--json"]].concat());
    assert!(found[0]["note"].is_null() && found[1]["note"].as_str().unwrap().contains("--memory"), "{found:?}");
    assert_eq!(found[1]["batch"], 1_000_000_000);
}

#[test]
fn the_table_says_why_there_is_no_gpu_and_the_picture_is_written_once() {
    let folder = Folder::with_network();
    let quick = with(&["--device", "cpu", "--quantities", "forward,classify", "--picture", "p.png"]);
    let text = folder.succeeds(&quick);
    for word in ["CPU: ", ", 1 thread; peak ", "--device cpu", "net.safetensors 3→8→20: forward passes", "GB/s"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let picture = folder.bytes("p.png");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert!(info.width > 1000 && pixels.iter().any(|value| *value < 50), "{info:?}");
    folder.refuses(&quick, &["p.png", "already exists", "--force"]);
    assert_eq!(folder.bytes("p.png"), picture);
    folder.succeeds(&[&quick[..], &["--force"]].concat());
}

#[test]
fn bad_options_are_refused_before_anything_is_measured() {
    let folder = Folder::with_network();
    let refuses = |more: &[&str], words: &[&str]| {
        folder.refuses(&[&["bench", "throughput"][..], more].concat(), words);
    };
    refuses(&["--batches", "1,0"], &["--batches", "at least 1"]);
    refuses(&["--batches", "many"], &["--batches", "many"]);
    refuses(&["--quantities", "solve"], &["solve", "descend"]);
    refuses(&["--seconds", "0"], &["--seconds", "positive"]);
    refuses(&["--seconds", "NaN"], &["--seconds", "positive"]);
    refuses(&["--threads", "0"], &["--threads", "1"]);
    refuses(&["--threads", "100000"], &["--threads", "1024"]);
    refuses(&["--memory", "0"], &["--memory", "1"]);
    refuses(&["--network", "none.safetensors"], &["none.safetensors"]);
    refuses(&["--activation", "relu"], &["--network"]);
    refuses(&["--force"], &["--picture"]);
    refuses(&["--device", "cpu", "--adapter", "x"], &["--adapter", "--device gpu"]);
    refuses(&["--adapter", "no such adapter"], &["no usable device"]);
    refuses(&["--picture", "nowhere/p.png"], &["nowhere/p.png", "make the folder"]);
    // A name without an ending is one that a picture may have.
    folder.write("net", folder.bytes("net.safetensors"));
    refuses(&["--network", "net", "--picture", "net", "--force"], &["--picture", "another file"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_between_two_passes() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let mut run = Command::new(env!("CARGO_BIN_EXE_unrelu"))
        .args(["bench", "throughput", "--device", "cpu", "--threads", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first row is available before the second is measured.
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().trim_start().starts_with("1 CPU")));
    crate::signals::send(crate::signals::Signal::SIGINT, &run);
    let further = lines.count();
    let output = run.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.ends_with("error: interrupted\n") && further <= 2, "{further} lines more, {message}");
}
