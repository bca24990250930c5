//! `--noise LAW[:SIZE]` and `--refine=NORM`: what they choose, what reports say, and what refuses
//! them.

use serde_json::Value;
use unrelu::{Network, read_npy};

use crate::folder::Folder;

fn observed(noise: &str) -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,12,60", "-o", "net.safetensors", "--seed", "3"]);
    folder.succeeds(&[
        "generate",
        "net.safetensors",
        "--count",
        "8",
        "--noise",
        noise,
        "-o",
        "x.npy",
        "--codes-out",
        "truth.npy",
        "--seed",
        "4",
    ]);
    folder
}

fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let common =
        ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu", "--report", "r.jsonl"];
    [&common[..], more].concat()
}

fn rows(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_law_chooses_method_norm_and_tolerance() {
    for (noise, named, by_hand) in [
        ("uniform:0.05", "uniform:0.05", &["--method", "best", "--objective", "linf", "--epsilon", "0.05"][..]),
        ("gaussian:0.05", "gaussian:0.05", &["--method", "best", "--objective", "l2", "--epsilon", "0.05"]),
        ("laplace:0.05", "laplace:0.05", &["--method", "best", "--objective", "l1", "--epsilon", "0.05"]),
        ("gross:0.05", "gross", &["--method", "best", "--objective", "l1"]),
    ] {
        let folder = observed(noise);
        let output = folder.run(&invert(&["--noise", named]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("noise {named}: --method best --objective")), "{said}");
        let by_law = folder.bytes("z.npy");
        folder.run(&invert(by_hand));
        assert!(by_law == folder.bytes("z.npy"), "{noise}: other codes than with {by_hand:?}");
    }
}

/// An option that says otherwise is obeyed, and a size alone chooses nothing.
#[test]
fn options_are_stronger_than_the_law() {
    let folder = observed("uniform:0.05");
    folder.run(&invert(&["--method", "best"]));
    let squares = folder.bytes("z.npy");
    folder.run(&invert(&["--noise", "uniform:0.05", "--objective", "l2", "--epsilon", "0.001"]));
    let output = folder.run(&invert(&["--noise", "uniform", "--objective", "l2"]));
    assert!(String::from_utf8(output.stderr).unwrap().contains("noise uniform: --method best --objective l2"));
    assert!(squares == folder.bytes("z.npy"));
    folder.run(&invert(&[]));
    let layers = folder.bytes("z.npy");
    folder.run(&invert(&["--noise", "0.05"]));
    assert!(layers == folder.bytes("z.npy"), "a size changes no code");
}

#[test]
fn refinement_takes_the_norm_of_the_law_and_reports_its_proof() {
    let folder = observed("uniform:0.05");
    let network = Network::load(folder.path("net.safetensors")).unwrap();
    let x = read_npy(folder.path("x.npy")).unwrap();
    folder.run(&invert(&["--noise", "uniform:0.05", "--method", "linf", "--refine"]));
    let by_law = folder.bytes("z.npy");
    folder.run(&invert(&["--epsilon", "0.05", "--refine=linf"]));
    assert!(by_law == folder.bytes("z.npy"));
    let made = network.forward(&read_npy(folder.path("z.npy")).unwrap()).unwrap();
    for (place, row) in rows(&folder).iter().enumerate() {
        let refinement = &row["refinement"];
        let largest = (made.column(place) - x.column(place)).amax();
        assert!((refinement["after"].as_f64().unwrap() - largest).abs() <= 1e-12, "{refinement}");
        assert!(refinement["after"].as_f64() <= refinement["before"].as_f64(), "{refinement}");
        assert_eq!((&refinement["objective"], &refinement["proven"]), (&"linf".into(), &true.into()), "{refinement}");
        assert_eq!(refinement["region"].as_str().unwrap().len(), 16, "{refinement}");
    }
    // Squares have no such columns, as before.
    folder.run(&invert(&["--epsilon", "0.05", "--refine"]));
    let plain = folder.bytes("z.npy");
    assert!(rows(&folder).iter().all(|row| row.get("refinement").is_none()));
    folder.run(&invert(&["--epsilon", "0.05", "--refine=l2"]));
    assert!(plain == folder.bytes("z.npy"));
    folder.run(&[&invert(&["--epsilon", "0.05", "--refine=l1"])[..8], &["--report", "r.csv", "--refine=l1"]].concat());
    let csv = String::from_utf8(folder.bytes("r.csv")).unwrap();
    assert!(csv.starts_with("index,") && csv.contains("refinement_objective") && csv.contains(",l1,"), "{csv}");
}

/// Gross errors outside the range of a sigmoid, and codes that are right all the same.
#[test]
fn gross_errors_do_not_spoil_the_verdict() {
    let folder = observed("gross:0.05");
    let output = folder.run(&invert(&["--noise", "gross", "--truth", "truth.npy"]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("reproduced in three quarters of the entries"), "{said}");
    let right = rows(&folder).iter().filter(|row| row["fit"] == "reproduced" && row["determined"] == true).count();
    assert!(right >= 6, "{said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = observed("uniform:0.05");
    for (arguments, words) in [
        (&["--noise", "poisson:1"][..], "uniform, gaussian, laplace or gross"),
        (&["--noise", "uniform:0"], "a positive SIZE"),
        (&["--refine=l3"], "l2, l1 or linf"),
        (&["--refine=linf", "--prior", "0.1"], "--refine l2"),
        (&["--method", "best", "--refine=linf"], "already refined"),
    ] {
        folder.refuses(&invert(arguments), &[words]);
    }
    folder.succeeds(&[
        "random-network",
        "4,12,60",
        "-o",
        "net.safetensors",
        "--seed",
        "3",
        "--activation",
        "tanh",
        "--force",
    ]);
    folder.refuses(
        &invert(&["--noise", "uniform:0.05"]),
        &[
            "--noise: uniform, which minimises linf, for a network with activation tanh in layer 1",
            "--objective l2 beside it",
        ],
    );
    // The flag that was given is named.
    let both = invert(&["--method", "best", "--objective", "linf"]);
    folder.refuses(&both, &["--objective: linf for a network with activation tanh in layer 1"]);
}

/// A size that cannot be is told, and so is what a bound too small or too large looks like.
#[test]
fn sizes_that_do_not_fit_the_data_are_told() {
    let folder = observed("uniform:0.01");
    let said = |noise: &str| {
        let output = folder.run(&invert(&["--noise", noise]));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("uniform:1e-4").contains("the noise may be larger than named (--noise)"), "{}", said("uniform:1e-4"));
    let large = said("uniform:1e6");
    assert!(large.contains("the named noise, 1e6, is not below its largest entry"), "{large}");
    assert!(!said("uniform:0.01").contains("observation"));
}

/// Options that nothing in the network uses are named; the run continues.
#[test]
fn options_without_effect_on_the_network_are_told() {
    let folder = observed("uniform:0.01");
    let output = folder.run(&invert(&["--method", "linf", "--rows", "printed", "--passes", "2"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--rows changes nothing here: its rules are for LeakyReLU"), "{said}");
    assert!(!said.contains("--passes"), "{said}");
    folder.succeeds(&["random-network", "4,30", "-o", "net.safetensors", "--force", "--activation", "leaky_relu:0.1"]);
    folder.succeeds(&["generate", "net.safetensors", "--count", "2", "-o", "x.npy", "--force"]);
    let output =
        folder.run(&invert(&["--method", "linf", "--rows", "printed", "--passes", "2", "--hidden-epsilon", "carried"]));
    let said = String::from_utf8(output.stderr).unwrap();
    for option in ["--passes", "--hidden-epsilon"] {
        assert!(said.contains(&format!("{option} changes nothing here")), "{said}");
    }
    assert!(!said.contains("--rows"), "{said}");
    let refused = folder.run(&invert(&["--method", "exact", "--growth", "2"]));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--growth"));
}
