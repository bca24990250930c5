//! What a run says of wrong codes: they are never called determined, and a run whose codes do not
//! explain their observations does not end well. The true codes are known.

use serde_json::Value;
use unrelu::{ElementType, read_npy, write_npy};

use crate::folder::Folder;

/// A folder with a random network, `truth.npy` and outputs of it in `x.npy`.
fn of_network(sizes: &str, count: &str, output: &[&str]) -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", sizes, "-o", "net.safetensors", "--seed", "3"]);
    let usual =
        ["generate", "net.safetensors", "--count", count, "--seed", "4", "--codes-out", "truth.npy", "-o", "x.npy"];
    folder.succeeds(&[&usual[..], output].concat());
    folder
}

/// Changes `x.npy`, one column per observation.
fn change(folder: &Folder, change: impl Fn(f64) -> f64) {
    let x = read_npy(folder.path("x.npy")).unwrap().map(change);
    write_npy(folder.path("x.npy"), &x, ElementType::F64, true).unwrap();
}

struct Told {
    code: i32,
    summary: String,
    notes: String,
    rows: Vec<Value>,
}

impl Told {
    /// Rows whose code is wrong.
    fn wrong(&self) -> impl Iterator<Item = &Value> {
        self.rows.iter().filter(|row| row["code_error"].as_f64().is_none_or(|error| error > 1e-3))
    }

    /// Checks that nothing wrong is called determined, that the exit code agrees with the rows, and
    /// that at least `least` codes are wrong, so that there was something to check.
    #[track_caller]
    fn agrees_with_the_truth(&self, least: usize) {
        assert!(self.wrong().count() >= least, "{}", self.summary);
        assert!(self.wrong().all(|row| row["determined"] == false), "{:?}", self.wrong().next());
        let is_good = |row: &Value| row["status"] == "solved" || row["status"] == "converged";
        assert_eq!(self.code, if self.rows.iter().all(is_good) { 0 } else { 3 }, "{}", self.summary);
        let unexplained = self.rows.iter().filter(|row| row["fit"] == "unexplained").count();
        assert_eq!(self.rows.iter().filter(|row| row["status"] == "unexplained").count(), unexplained);
        assert_eq!(self.summary.contains(&format!(", {unexplained} unexplained")), unexplained > 0, "{}", self.summary);
    }
}

fn invert(folder: &Folder, more: &[&str]) -> Told {
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--truth", "truth.npy", "--device", "cpu"];
    let output = folder.run(&[&usual[..], &["--report", "r.jsonl", "--force"], more].concat());
    let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    Told {
        code: output.status.code().unwrap(),
        summary: String::from_utf8(output.stdout).unwrap(),
        notes: String::from_utf8(output.stderr).unwrap(),
        rows: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

const SIGMOID: [&str; 2] = ["--output-activation", "sigmoid"];

/// Every program has an optimum, but the last layer narrows, so that its input is a guess.
#[test]
fn a_decoder_that_narrows_is_not_solved() {
    let folder = of_network("10,128,64", "40", &SIGMOID);
    for method in ["linf", "l1", "exact", "relaxed"] {
        let told = invert(&folder, &[&SIGMOID[..], &["--method", method]].concat());
        told.agrees_with_the_truth(30);
        assert_eq!(told.code, 3, "{method}: {}", told.summary);
    }
}

/// Errors grow from layer to layer until the code says nothing.
#[test]
fn many_layers_are_not_solved_by_their_programs_alone() {
    let folder = of_network("4,6,9,12,15,18,20,22,24", "30", &[]);
    for method in ["linf", "exact", "l1"] {
        let told = invert(&folder, &["--method", method]);
        told.agrees_with_the_truth(5);
    }
}

#[test]
fn exact_solves_nothing_that_it_does_not_reproduce() {
    let narrowing = invert(&of_network("20,10,5", "20", &[]), &["--method", "exact"]);
    narrowing.agrees_with_the_truth(20);
    let is_sound = |row: &Value| row["status"] != "solved" || row["reproduces"] == true;
    assert!(narrowing.rows.iter().all(is_sound), "{}", narrowing.summary);
    // No ReLU makes an entry of −1.
    let folder = of_network("3,16,60", "5", &[]);
    let x = read_npy(folder.path("x.npy")).unwrap();
    let mut spoilt = x.clone();
    let zero = (0..60).find(|&unit| x[(unit, 2)] == 0.0).unwrap();
    spoilt[(zero, 2)] = -1.0;
    write_npy(folder.path("x.npy"), &spoilt, ElementType::F64, true).unwrap();
    let told = invert(&folder, &["--method", "exact"]);
    assert_eq!(told.code, 3);
    assert!(told.rows[2]["status"] == "unexplained" && told.rows[2]["determined"] == false, "{}", told.rows[2]);
    assert!([0, 1, 3, 4].iter().all(|&index| told.rows[index]["status"] == "solved"), "{}", told.summary);
}

/// A hidden layer is not determined by its own targets, but the whole network determines the code.
#[test]
fn what_only_the_layers_leave_open_is_said_to_be_that() {
    let folder = of_network("3,40,50,120", "6", &SIGMOID);
    for method in ["exact", "linf"] {
        let told = invert(&folder, &[&SIGMOID[..], &["--method", method]].concat());
        told.agrees_with_the_truth(0);
        assert!(!told.summary.contains("the data do not determine"), "{}", told.summary);
        // Those that a point of the optimal face comes close to are approximated.
        for row in told.wrong() {
            assert!(row["determined"] == false && row["fit"] != "reproduced", "{row}");
            assert!(told.summary.contains("--method best"), "{}", told.summary);
        }
    }
    let best = invert(&folder, &[&SIGMOID[..], &["--method", "best"]].concat());
    assert!(best.code == 0 && best.wrong().next().is_none(), "{}", best.summary);
}

#[test]
fn pixels_of_255_are_not_outputs_of_a_sigmoid() {
    let folder = of_network("6,24,64", "8", &SIGMOID);
    change(&folder, |x| (255.0 * x).round());
    for method in ["linf", "exact", "best", "descent"] {
        let told = invert(&folder, &[&SIGMOID[..], &["--method", method, "--epsilon", "0.003"]].concat());
        told.agrees_with_the_truth(8);
        assert_eq!(told.code, 3, "{method}: {}", told.summary);
        let expected = "64 of 64 entries are outside the range of the sigmoid output, 0 to 1";
        assert!(told.notes.contains(expected) && told.notes.contains("divide pixels by 255"), "{}", told.notes);
        assert_eq!(told.notes.matches("outside the range").count(), 1, "{}", told.notes);
        assert!(told.summary.contains("entries outside the range of the output: in 8 (100.0 %)"), "{}", told.summary);
        assert!(told.rows.iter().all(|row| row["out_of_range"] == 64), "{:?}", told.rows[0]);
    }
    change(&folder, |x| x / 255.0);
    let told = invert(&folder, &[&SIGMOID[..], &["--epsilon", "0.003", "--refine"]].concat());
    assert!(told.code == 0 && !told.notes.contains("range"), "{}{}", told.summary, told.notes);
}

#[test]
fn bytes_are_not_outputs_of_a_tanh_and_standardised_images_not_of_a_relu() {
    let tanh = ["--output-activation", "tanh"];
    let folder = of_network("6,24,64", "8", &tanh);
    change(&folder, |x| ((x + 1.0) * 127.5).round());
    let told = invert(&folder, &tanh);
    told.agrees_with_the_truth(8);
    assert!(told.notes.contains("p / 127.5 - 1") && told.code == 3, "{}", told.notes);
    let folder = of_network("3,16,60", "8", &[]);
    change(&folder, |x| (x - 0.3) / 0.4);
    let told = invert(&folder, &["--method", "best"]);
    told.agrees_with_the_truth(8);
    assert!(told.notes.contains("undo a standardisation"), "{}", told.notes);
}

/// Small noise leaves the range, too. It is no reason to doubt the observations.
#[test]
fn noise_is_not_out_of_range() {
    let folder = of_network("6,24,64", "8", &[&SIGMOID[..], &["--noise", "gaussian:0.05"]].concat());
    let told = invert(&folder, &[&SIGMOID[..], &["--method", "best", "--noise", "0.05"]].concat());
    assert!(!told.notes.contains("range") && told.rows.iter().all(|row| row["determined"] == true), "{}", told.summary);
}

#[test]
fn another_activation_is_named_as_the_usual_cause() {
    let folder = of_network("4,24,60", "10", &[]);
    for activation in ["leaky_relu:0.5", "leaky_relu:0.9"] {
        let arguments = ["--activation", activation, "--output-activation", "relu", "--method", "best"];
        let told = invert(&folder, &arguments);
        told.agrees_with_the_truth(10);
        assert!(told.summary.contains("determined locally by the data: 0 (0.0 %)"), "{}", told.summary);
        let is_named = told.summary.contains("--noise") || told.summary.contains("a wrong activation");
        assert!(is_named && told.rows.iter().all(|row| row["fit"] != "reproduced"), "{}", told.summary);
        // A named noise is no reason to believe more.
        let told = invert(&folder, &[&arguments[..], &["--noise", "0.0001"]].concat());
        told.agrees_with_the_truth(10);
        assert!(told.summary.contains("inspect NETWORK --check"), "{}", told.summary);
    }
}

#[test]
fn codes_far_outside_the_law_of_the_training_are_counted() {
    let folder = of_network("3,16,60", "8", &[]);
    change(&folder, |x| 100.0 * x);
    let told = invert(&folder, &[]);
    assert!(told.summary.contains("codes far outside the law normal:1: 8 (100.0 %)"), "{}", told.summary);
    assert!(told.rows.iter().all(|row| row["far_code"] == true));
    let wide = invert(&folder, &["--code-law", "normal:100"]);
    assert!(!wide.summary.contains("far outside") && wide.rows.iter().all(|row| row["far_code"] == false));
    folder.refuses(
        &["invert", "net.safetensors", "x.npy", "-o", "y.npy", "--code-law", "cauchy"],
        &["--code-law", "expected normal, uniform"],
    );
    folder.refuses(&["invert", "net.safetensors", "x.npy", "-o", "y.npy", "--noise", "0"], &["--noise", "positive"]);
}

/// Iterations that were stopped early have not converged, unless the code reproduces already.
#[test]
fn an_answer_that_reproduces_has_converged() {
    let folder = of_network("3,16,60", "8", &[]);
    let told = invert(&folder, &["--method", "best", "--starts", "1"]);
    assert!(told.code == 0 && told.rows.iter().all(|row| row["status"] == "converged"), "{}", told.summary);
}
