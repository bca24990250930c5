//! `--prior`: the parts of the loss in reports, what refuses it, and the resumption of a run.

use serde_json::Value;
use unrelu::{Network, read_npy};

use crate::folder::Folder;

fn noisy() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,12,30", "-o", "net.safetensors", "--seed", "3"]);
    folder.succeeds(&[
        "generate",
        "net.safetensors",
        "--count",
        "6",
        "--noise",
        "gaussian:0.2",
        "-o",
        "x.npy",
        "--seed",
        "4",
    ]);
    folder
}

const BEST: [&str; 12] = [
    "invert",
    "net.safetensors",
    "x.npy",
    "-o",
    "z.npy",
    "--method",
    "best",
    "--device",
    "cpu",
    "--force",
    "--noise",
    "0.2",
];

#[test]
fn reports_have_both_parts_of_the_loss() {
    let folder = noisy();
    let network = Network::load(folder.path("net.safetensors")).unwrap();
    let x = read_npy(folder.path("x.npy")).unwrap();
    folder.run(&[&BEST[..], &["--report", "without.jsonl"]].concat());
    assert!(!String::from_utf8(folder.bytes("without.jsonl")).unwrap().contains("\"loss\""));
    let before = read_npy(folder.path("z.npy")).unwrap();

    let output = folder.run(&[&BEST[..], &["--report", "r.jsonl", "--prior", "0.05"]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("loss, data:") && said.contains("loss, prior:"), "{said}");
    let z = read_npy(folder.path("z.npy")).unwrap();
    let made = network.forward(&z).unwrap();
    let rows = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (place, row) in rows.iter().enumerate() {
        let data = 0.5 * (made.column(place) - x.column(place)).norm_squared();
        let prior = 0.5 * 0.05 * z.column(place).norm_squared();
        let near = |found: &Value, expected: f64| (found.as_f64().unwrap() / expected - 1.0).abs() < 1e-9;
        assert!(near(&row["loss"]["data"], data) && near(&row["loss"]["prior"], prior), "{row}");
        assert!(z.column(place).norm() < before.column(place).norm(), "a prior shortens the code");
    }
    folder.run(&[&BEST[..], &["--report", "r.csv", "--prior", "0.05"]].concat());
    let csv = String::from_utf8(folder.bytes("r.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains("loss_data,loss_prior"), "{csv}");
}

#[test]
fn what_has_no_sum_of_squares_refuses_it() {
    let folder = noisy();
    let usual = ["net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu"];
    for (command, more, wanted) in [
        ("invert", &["--prior", "0.1"][..], "--refine"),
        ("invert", &["--prior", "0.1", "--method", "best", "--objective", "l1"], "--objective l2"),
        ("invert", &["--prior", "0.1", "--method", "best", "--objective", "linf"], "--objective l2"),
        ("invert", &["--prior", "-1", "--method", "best"], "the variance of the noise"),
        ("invert", &["--prior", "nan", "--method", "best"], "the variance of the noise"),
        ("recover", &["--prior", "0.1", "--direct=linf"], "--refine"),
        ("recover", &["--prior", "0.1", "--inner", "best"], "--direct=best"),
    ] {
        let output = folder.run(&[&[command][..], &usual, more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {said}");
        assert!(said.contains("--prior") && said.contains(wanted), "{more:?}: {said}");
        assert!(!folder.path("z.npy").exists());
    }
}

#[test]
fn every_way_takes_it() {
    let folder = noisy();
    let usual = ["net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--force", "--prior", "0.05"];
    for (command, more) in [
        ("invert", &["--refine"][..]),
        ("invert", &["--method", "descent"]),
        ("recover", &[]),
        ("recover", &["--direct=descent"]),
        ("recover", &["--direct=linf", "--refine"]),
    ] {
        let output = folder.run(&[&[command][..], &usual, more, &["--report", "r.jsonl"]].concat());
        assert!([0, 3].contains(&output.status.code().unwrap()), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
        assert_eq!(rows.matches("\"loss\":{\"data\":").count(), 6, "{command} {more:?}");
    }
}

/// The journal names the prior only where there is one, so that other runs keep their bytes.
#[test]
fn a_run_with_another_prior_is_not_resumed() {
    let folder = noisy();
    folder.run(&[&BEST[..], &["--prior", "0.05"]].concat());
    let journal = String::from_utf8(folder.bytes("z.npy.journal")).unwrap();
    assert!(journal.contains("\"prior\""), "{journal}");
    let resume = |prior: &[&str]| {
        let arguments: Vec<&str> = BEST.iter().copied().filter(|argument| *argument != "--force").collect();
        folder.run(&[&arguments[..], prior, &["--resume"]].concat())
    };
    for prior in [&["--prior", "0.06"][..], &[]] {
        let output = resume(prior);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("--prior"), "{said}");
    }
    folder.run(&BEST);
    assert!(!String::from_utf8(folder.bytes("z.npy.journal")).unwrap().contains("\"prior\""));
}
