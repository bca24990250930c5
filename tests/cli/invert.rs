//! `invert`: codes, reports, exit codes, and inputs that are rejected before any work.

use nalgebra::DMatrix;
use serde_json::Value;
use unrelu::{ElementType, read_npy as read_all, write_npy as write_all};

use crate::folder::Folder;

/// A folder with a network and `count` clean observations of known codes.
fn with_observations(count: &str) -> Folder {
    let folder = Folder::empty();
    // Wide enough that every code is determined.
    folder.succeeds(&["random-network", "3,16,60", "-o", "net.safetensors", "--seed", "1"]);
    folder.succeeds(&[
        "generate",
        "net.safetensors",
        "--count",
        count,
        "--seed",
        "4",
        "--codes-out",
        "truth.npy",
        "-o",
        "x.npy",
    ]);
    folder
}

fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu"], more].concat()
}

fn rows(folder: &Folder, report: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.bytes(report)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn recovers_and_reports() {
    let folder = with_observations("7");
    for method in ["linf", "l1", "exact"] {
        let arguments = ["--method", method, "--truth", "truth.npy", "--report", "r.jsonl", "--force"];
        let summary = folder.succeeds(&invert(&arguments));
        assert!(summary.contains("7 observations: 7 solved, 0 not certified, 0 failed"), "{summary}");
        assert!(summary.contains("code error up to 1e-3: 7 (100.0 %)"), "{summary}");
        let difference = read_all(folder.path("z.npy")).unwrap() - read_all(folder.path("truth.npy")).unwrap();
        assert!(difference.amax() < 1e-9, "{method}: {}", difference.amax());
        let rows = rows(&folder, "r.jsonl");
        assert_eq!(rows.len(), 7);
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row["index"], index);
            assert_eq!(row["status"], "solved");
            assert_eq!(row["reproduces"], true);
            assert!(row["code_error"].as_f64().unwrap() < 1e-9);
            let layers = row["layers"].as_array().unwrap();
            assert_eq!(layers.iter().map(|layer| layer["layer"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
            assert!(layers.iter().all(|layer| layer["certified"] == true && layer["determined"] == true));
        }
    }
}

#[test]
fn a_csv_report_has_the_same_names_joined() {
    let folder = with_observations("3");
    folder.succeeds(&invert(&["--report", "r.csv"]));
    let text = String::from_utf8(folder.bytes("r.csv")).unwrap();
    let header = text.lines().next().unwrap();
    assert!(header.starts_with("index,status,reproduces,residual_linf,residual_l1,residual_l2_relative,"), "{header}");
    assert!(header.contains(",layer2_epsilon,layer2_objective,") && header.contains(",layer1_epsilon,"), "{header}");
    assert_eq!(text.lines().count(), 4);
    let fields = header.split(',').count();
    assert!(text.lines().all(|line| line.split(',').count() == fields));
}

#[test]
fn a_bad_observation_is_said_and_the_others_go_on() {
    let folder = with_observations("5");
    folder.succeeds(&invert(&["--report", "clean.jsonl"]));
    let clean = read_all(folder.path("z.npy")).unwrap();
    let mut spoilt = read_all(folder.path("x.npy")).unwrap();
    spoilt[(3, 1)] = f64::INFINITY;
    spoilt.column_mut(3).fill(f64::NAN);
    write_all(folder.path("x.npy"), &spoilt, ElementType::F64, true).unwrap();
    let output = folder.run(&invert(&["--report", "r.jsonl", "--force"]));
    assert_eq!(output.status.code(), Some(3));
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(summary.contains("5 observations: 3 solved, 0 not certified, 2 failed"), "{summary}");
    assert!(summary.contains("1 × an entry is infinite") && summary.contains("1 × no entry is observed"), "{summary}");
    let codes = read_all(folder.path("z.npy")).unwrap();
    for index in 0..5 {
        match index {
            1 | 3 => assert!(codes.column(index).iter().all(|z| z.is_nan())),
            _ => assert_eq!(codes.column(index), clean.column(index)),
        }
    }
    let rows = rows(&folder, "r.jsonl");
    assert_eq!(rows[1]["status"], "failed: entry 3 is infinite (inf); set entries that were not observed to NaN");
    assert_eq!(rows[3]["residual"]["linf"], Value::Null);
}

#[test]
fn exact_says_that_noise_has_no_pre_image() {
    let folder = with_observations("2");
    let noisy = ["generate", "net.safetensors", "--count", "2", "-o", "x.npy", "--noise", "uniform:0.01", "--force"];
    folder.succeeds(&noisy);
    let output = folder.run(&invert(&["--method", "exact"]));
    assert_eq!(output.status.code(), Some(3));
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(summary.contains("has no exact pre-image"), "{summary}");
}

#[test]
fn json_is_json() {
    let folder = with_observations("3");
    let summary: Value = serde_json::from_str(&folder.succeeds(&invert(&["--json"]))).unwrap();
    assert_eq!(summary["observations"], 3);
    assert_eq!(summary["solved"], 3);
    assert!(summary["dispatches"].as_u64().unwrap() >= 2);
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn both_devices_give_the_same_codes() {
    let folder = with_observations("9");
    for method in ["linf", "l1", "relaxed", "exact"] {
        folder.succeeds(&invert(&["--method", method, "--force"]));
        let on_cpu = folder.bytes("z.npy");
        let on_gpu =
            ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "gpu", "--method", method, "--force"];
        folder.succeeds(&on_gpu);
        assert_eq!(folder.bytes("z.npy"), on_cpu, "{method}");
    }
}

#[test]
fn descent_says_whether_it_converged() {
    let folder = with_observations("4");
    let output =
        folder.run(&invert(&["--method", "descent", "--iterations", "3", "--noise", "9", "--report", "r.jsonl"]));
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stdout).unwrap().contains("0 converged, 4 not converged"));
    let rows = rows(&folder, "r.jsonl");
    assert!(rows.iter().all(|row| row["status"] == "not-converged" && row["iterations"] == 3));
}

#[test]
fn the_search_reports_how_it_found() {
    let folder = with_observations("4");
    let summary = folder.succeeds(&invert(&["--method", "best", "--report", "r.csv"]));
    assert!(summary.contains("4 converged, 0 not converged") && summary.contains("determined locally"), "{summary}");
    let report = String::from_utf8(folder.bytes("r.csv")).unwrap();
    assert!(report.starts_with("index,status,") && report.contains(",search_start,search_first_found,"), "{report}");
    // Without noise the programs' answer reproduces the observation, and the search stops at once.
    assert_eq!(report.lines().filter(|line| line.contains(",converged,") && line.contains(",linf,1,1,1,")).count(), 4);
    let best = ["--method", "best", "--objective", "l1", "--report", "r.jsonl", "--force"];
    folder.succeeds(&invert(&best));
    assert!(rows(&folder, "r.jsonl").iter().all(|row| row["search"]["runs"] == 1 && row["reproduces"] == true));
    // One start finds it but cannot find it again, so a search on noisy observations has not
    // converged.
    folder.succeeds(&["generate", "net.safetensors", "--count", "3", "-o", "noisy.npy", "--noise", "gaussian:0.1"]);
    let few = ["invert", "net.safetensors", "noisy.npy", "-o", "n.npy", "--method", "best", "--starts", "1"];
    assert_eq!(folder.run(&few).status.code(), Some(3));
}

#[test]
fn f32_codes_are_what_the_residuals_speak_of() {
    let folder = with_observations("3");
    folder.succeeds(&invert(&["--dtype", "f32", "--report", "r.jsonl"]));
    assert_eq!(folder.bytes("z.npy").len(), 128 + 3 * 3 * 4);
    for row in rows(&folder, "r.jsonl") {
        let residual = row["residual"]["linf"].as_f64().unwrap();
        assert!((1e-9..1e-6).contains(&residual), "{residual} is not that of a code rounded to f32");
    }
}

#[test]
fn options_that_make_no_sense() {
    let folder = with_observations("2");
    let refused = |more: &[&str], words: &[&str]| folder.refuses(&invert(more), words);
    refused(&["--epsilon", "0"], &["--epsilon", "positive"]);
    refused(&["--epsilon", "nan"], &["--epsilon", "positive"]);
    refused(&["--growth", "1"], &["--growth", "1.001"]);
    refused(&["--method", "simplex"], &["linf, l1, relaxed, exact, best or descent"]);
    refused(&["--rows", "some"], &["corrected, printed or inactive"]);
    refused(&["--restarts", "3"], &["--restarts", "--method descent"]);
    refused(&["--optimizer", "adam"], &["--optimizer", "--method descent"]);
    refused(&["--method", "descent", "--optimizer", "sgd"], &["--optimizer", "sgd", "plain, momentum or adam"]);
    refused(&["--starts", "3"], &["--starts", "--method best"]);
    refused(&["--objective", "l1"], &["--objective", "--method best"]);
    refused(&["--method", "best", "--starts", "0"], &["--starts", "1 to 65536"]);
    refused(&["--method", "best", "--objective", "l3"], &["--objective", "l2, l1 or linf"]);
    refused(&["--method", "best", "--refine"], &["--refine", "already refined"]);
    refused(&["--seed", "3"], &["--seed", "--method best or descent"]);
    refused(&["--threads", "0"], &["--threads", "1 to 1024"]);
    refused(&["--threads", "100000"], &["--threads", "1 to 1024"]);
    refused(&["--method", "descent", "--rows", "printed"], &["--rows", "layer-wise"]);
    refused(&["--stop", "first"], &["--stop", "l1 or relaxed"]);
    refused(&["--passes", "0"], &["--passes", "at least 1"]);
    refused(&["--method", "best", "--passes", "2"], &["--passes", "layer-wise"]);
    refused(&["--row-tolerances", "some"], &["--row-tolerances", "equal or proportional"]);
    refused(&["--method", "exact", "--row-tolerances", "proportional"], &["--row-tolerances", "exact allows no"]);
    refused(&["--method", "exact", "--hidden-epsilon", "carried"], &["--hidden-epsilon", "no initial tolerance"]);
    refused(&["--relaxed-weights", "clear"], &["--relaxed-weights", "method relaxed"]);
    refused(&["--hidden-sign", "negative"], &["--hidden-sign", "nonnegative or free"]);
    refused(&["--method", "best", "--hidden-sign", "free"], &["--hidden-sign", "layer-wise"]);
    refused(&["--batch", "0"], &["--batch"]);
    refused(&["--report", "report.txt"], &["--report", ".jsonl or .csv"]);
    refused(&["--adapter", "no such card"], &["--adapter"]);
    refused(&["--method", "descent", "--step", "-1"], &["--step", "positive"]);
}

#[test]
fn inputs_that_do_not_fit() {
    let folder = with_observations("2");
    write_all(folder.path("narrow.npy"), &DMatrix::zeros(59, 2), ElementType::F64, false).unwrap();
    write_all(folder.path("three.npy"), &DMatrix::zeros(3, 3), ElementType::F64, false).unwrap();
    let narrow = ["invert", "net.safetensors", "narrow.npy", "-o", "z.npy"];
    folder.refuses(&narrow, &["narrow.npy", "59 entries per row", "expected 60"]);
    folder.refuses(&invert(&["--truth", "narrow.npy"]), &["narrow.npy", "expected 3 entries"]);
    folder.refuses(&invert(&["--truth", "three.npy"]), &["three.npy", "found 3 codes", "expected 2"]);
    folder.refuses(&["invert", "net.safetensors", "nowhere.npy", "-o", "z.npy"], &["nowhere.npy"]);
}

#[test]
fn outputs_are_not_written_over_anything() {
    let folder = with_observations("2");
    folder.write("z.npy", b"precious");
    folder.refuses(&invert(&[]), &["z.npy", "already exists", "--force"]);
    let over_input = ["invert", "net.safetensors", "x.npy", "-o", "x.npy", "--force"];
    folder.refuses(&over_input, &["-o", "x.npy", "also the observations"]);
    folder.write("r.csv", b"precious");
    let report = ["invert", "net.safetensors", "x.npy", "-o", "other.npy", "--report", "r.csv"];
    folder.refuses(&report, &["r.csv", "already exists"]);
    let nowhere = ["invert", "net.safetensors", "x.npy", "-o", "no/such/folder/z.npy"];
    folder.refuses(&nowhere, &["no/such/folder/z.npy", "create its directory first"]);
}

#[test]
fn a_pth_without_an_activation() {
    let folder = with_observations("2");
    folder.fixture("vae_zip.pth");
    let arguments = ["invert", "vae_zip.pth", "x.npy", "-o", "z.npy", "--layers", "fc3,fc4"];
    folder.refuses(&arguments, &["vae_zip.pth", "--activation"]);
}

#[test]
fn no_output_replaces_an_input_even_with_force() {
    let folder = with_observations("2");
    let onto_network = ["invert", "net.safetensors", "x.npy", "-o", "./net.safetensors", "--force"];
    folder.refuses(&onto_network, &["-o", "also the network"]);
    folder.refuses(&invert(&["--truth", "truth.npy", "--report", "z.npy", "--force"]), &["--report", ".jsonl or .csv"]);
    let onto_codes = ["generate", "net.safetensors", "truth.npy", "-o", "truth.npy", "--force"];
    folder.refuses(&onto_codes, &["-o", "also the codes"]);
    let onto_network = ["generate", "net.safetensors", "--count", "3", "-o", "net.safetensors", "--force"];
    folder.refuses(&onto_network, &["-o", "also the network"]);
}

/// The reader of the summary may close the pipe; the exit code is still correct.
#[cfg(unix)]
#[test]
fn a_closed_pipe_hides_no_failure() {
    let folder = with_observations("2");
    let mut spoilt = read_all(folder.path("x.npy")).unwrap();
    spoilt[(0, 0)] = f64::INFINITY;
    write_all(folder.path("x.npy"), &spoilt, ElementType::F64, true).unwrap();
    let program = assert_cmd::cargo::cargo_bin("unrelu");
    let script = format!("{} {} | true; exit ${{PIPESTATUS[0]}}", program.display(), invert(&[]).join(" "));
    let status =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path(".")).status().unwrap();
    assert_eq!(status.code(), Some(3));
}

/// Each option of the layers changes the codes of noisy observations, and is part of the journal.
#[test]
fn departures_from_the_papers_form() {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,16,50", "-o", "net.safetensors", "--seed", "3"]);
    let generate = ["generate", "net.safetensors", "--count", "8", "--noise", "uniform:0.05", "--seed", "4"];
    folder.succeeds(&[&generate[..], &["-o", "x.npy"]].concat());
    let invert = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--epsilon", "0.01", "--force"];
    let codes = |more: &[&str]| {
        folder.run(&[&invert[..], more].concat());
        folder.bytes("z.npy")
    };
    let options: [(&[&str], &[&str]); 5] = [
        (&["--method", "linf"], &["--passes", "3"]),
        (&["--method", "linf"], &["--row-tolerances", "proportional"]),
        (&["--method", "l1", "--stop", "first"], &["--hidden-epsilon", "enlarged"]),
        (&["--method", "relaxed", "--stop", "first"], &["--relaxed-weights", "clear"]),
        (&["--method", "linf"], &["--hidden-sign", "free"]),
    ];
    for (method, option) in options {
        assert_ne!(codes(method), codes(&[method, option].concat()), "{option:?}");
    }
    let defaults =
        ["--passes", "1", "--row-tolerances", "equal", "--hidden-epsilon", "restart", "--relaxed-weights", "positive"];
    let defaults = [&["--method", "relaxed", "--hidden-sign", "nonnegative"], &defaults[..]].concat();
    assert_eq!(codes(&["--method", "relaxed"]), codes(&defaults));
}
