//! The wording of the summary: whether observations are reproduced or explained, with noise and
//! without.

use serde_json::Value;

use crate::folder::Folder;

/// A folder with a network, `truth.npy` and 7 observations of it in `x.npy`, with or without noise.
fn with_noise(noise: Option<&str>) -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,60", "-o", "net.safetensors", "--seed", "1"]);
    let mut generate =
        vec!["generate", "net.safetensors", "--count", "7", "--seed", "4", "--codes-out", "truth.npy", "-o", "x.npy"];
    generate.extend(noise.iter().flat_map(|noise| ["--noise", noise]));
    folder.succeeds(&generate);
    folder
}

/// The output of `invert`, for any exit code.
fn told(folder: &Folder, more: &[&str]) -> String {
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--truth", "truth.npy", "--device", "cpu"];
    let output = folder.run(&[&usual[..], more, &["--force"]].concat());
    assert!([Some(0), Some(3)].contains(&output.status.code()), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn has(text: &str, words: &[&str], not: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
    for word in not {
        assert!(!text.contains(word), "`{word}` in\n{text}");
    }
}

const METHODS: [&[&str]; 7] = [
    &["--method", "linf", "--refine"],
    &["--method", "l1"],
    &["--method", "best"],
    &["--method", "best", "--objective", "l1"],
    &["--method", "best", "--objective", "linf"],
    &["--method", "relaxed", "--refine"],
    &["--method", "descent", "--optimizer", "adam", "--restarts", "3"],
];

#[test]
fn without_noise_exact_reproduction_is_asked_for() {
    let folder = with_noise(None);
    for method in METHODS.iter().chain(&[&["--method", "exact"][..]]) {
        if method.contains(&"descent") {
            continue;
        }
        let text = told(&folder, method);
        let within = if method.contains(&"exact") {
            "reproduced exactly, to the tolerance of the layers: 7 (100.0 %)"
        } else {
            "reproduced to 2e-6 of the largest entry, or to the rounding of the numbers: 7 (100.0 %)"
        };
        has(&text, &[within, "code error up to 1e-3: 7 (100.0 %)"], &["noise", "approximated", "unexplained"]);
    }
}

#[test]
fn with_named_noise_it_is_asked_whether_that_explains_the_residual() {
    let folder = with_noise(Some("uniform:0.01"));
    for method in METHODS {
        let is_square = !matches!(method, [_, "l1"] | [_, _, _, "l1" | "linf"]);
        for named in ["--epsilon", "--noise"] {
            let text = told(&folder, &[method, &[named, "0.01"]].concat());
            let line = "reproduced up to noise of size 0.01: 7 (100.0 %)";
            has(&text, &[line, "code error, relative: "], &["reproduced to", "approximated", "up to 1e-3: 0 ("]);
            assert_eq!(text.contains("residual, root mean square: "), is_square, "{text}");
        }
    }
}

#[test]
fn noise_that_is_too_large_is_not_reproduced() {
    let folder = with_noise(Some("uniform:0.2"));
    for method in METHODS {
        let text = told(&folder, &[method, &["--epsilon", "0.01"]].concat());
        has(&text, &["reproduced up to noise of size 0.01: 0 (0.0 %)"], &["reproduced to", "code error up to"]);
        assert!(text.contains("approximated: ") || text.contains("unexplained: "), "{text}");
        has(&text, &[], &["errors add up"]);
    }
}

#[test]
fn errors_that_add_up_are_said_layer_by_layer() {
    let folder = with_noise(Some("gaussian:0.01"));
    let by_layers = told(&folder, &["--epsilon", "0.002"]);
    has(&by_layers, &["approximated: ", "layer by layer, errors add up; --refine fits all layers together"], &[]);
}

#[test]
fn the_size_of_gaussian_noise_may_be_its_deviation() {
    let folder = with_noise(Some("gaussian:0.01"));
    let text = told(&folder, &["--method", "best", "--epsilon", "0.01"]);
    has(&text, &["reproduced up to noise of size 0.01: 7 (100.0 %)"], &[]);
}

#[test]
fn with_noise_that_is_not_named_it_is_said_how_to_name_it() {
    let folder = with_noise(Some("uniform:0.01"));
    for method in METHODS {
        let text = told(&folder, method);
        let none = "reproduced to 2e-6 of the largest entry, or to the rounding of the numbers: 0 (0.0 %)";
        let advice = "if the observations are noisy, give the size of the noise as --noise";
        has(&text, &[none, advice, "code error, relative: "], &["up to 1e-3: 0 ("]);
    }
    // Whether the codes are determined depends on whether the rest is noise.
    let text = told(&folder, &["--method", "best"]);
    has(
        &text,
        &["determined locally by the data: 0 (0.0 %)\n    and ", "%), if the residuals are noise (--noise)"],
        &[],
    );
    // `exact` assumes that there is no noise: its answers are wrong then, and it says so.
    let text = told(&folder, &["--method", "exact"]);
    has(&text, &["reproduced exactly, to the tolerance of the layers: 0 (0.0 %)"], &["--epsilon"]);
}

#[test]
fn a_recovery_is_asked_the_same() {
    let folder = with_noise(Some("uniform:0.01"));
    let recover = |more: &[&str]| {
        let usual = ["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--truth", "truth.npy", "--force"];
        let output = folder.run(&[&usual[..], more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let explained = "reproduced up to noise of size 0.01: 7 (100.0 %)";
    for way in [&["--epsilon", "0.01"][..], &["--noise", "0.01"], &["--epsilon", "0.01", "--inner", "linf", "--refine"]]
    {
        has(&recover(way), &[explained, "image error, relative: "], &["reproduced to", "up to 1e-3: 0 ("]);
    }
    has(&recover(&[]), &["rounding of the numbers: 0 (0.0 %)", "give the size of the noise as --noise"], &[]);
}

/// A program that reads the summary or the report finds all earlier fields.
#[test]
fn json_gains_numbers_and_reports_keep_their_columns() {
    let folder = with_noise(Some("uniform:0.01"));
    let arguments = ["--method", "best", "--epsilon", "0.01", "--json", "--report", "r.jsonl"];
    let summary: Value = serde_json::from_str(&told(&folder, &arguments)).unwrap();
    assert_eq!((&summary["reproduced"], &summary["unexplained"]), (&Value::from(7), &Value::from(0)));
    assert!(summary["residual_rms"]["median"].as_f64().unwrap() <= 0.01);
    for name in ["approximate", "residual_linf", "residual_l2_relative", "code_error", "successes"] {
        assert!(!summary[name].is_null(), "{name}");
    }
    let report = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    let row: Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    assert!(row["reproduces"].is_boolean() && row["fit"] == "reproduced" && row["determined"] == true, "{row}");
    let residual: Vec<&String> = row["residual"].as_object().unwrap().keys().collect();
    assert_eq!(residual, ["l1", "l2_relative", "linf"]);
}

/// The summary's part of a journal has the new numbers.
#[test]
fn merged_shards_add_up_to_the_whole() {
    let folder = with_noise(Some("uniform:0.01"));
    for part in ["1/2", "2/2"] {
        let codes = format!("part-{}.npy", &part[..1]);
        let usual = ["invert", "net.safetensors", "x.npy", "-o", &codes, "--method", "best", "--device", "cpu"];
        folder.succeeds(&[&usual[..], &["--epsilon", "0.01", "--batch", "4", "--shard", part]].concat());
    }
    let merged = folder.succeeds(&["merge", "-o", "z.npy", "part-1.npy", "part-2.npy", "--json"]);
    let summary: Value = serde_json::from_str(&merged).unwrap();
    assert_eq!((&summary["observations"], &summary["reproduced"]), (&Value::from(7), &Value::from(7)));
}
