//! Observations that are exact only to f32, f16 or 8 bits, whatever the type of their file, and
//! observations of any size.

use std::process::Output;

use nalgebra::{DMatrix, DVector};
use serde_json::Value;
use unrelu::internals::formats::safetensors::write_network;
use unrelu::internals::random::{Domain, uniform_vector};
use unrelu::{Activation, DenseLayer, ElementType, Network, read_npy, write_npy};

use crate::folder::Folder;

/// Layers with weights and biases from U(−1/√inputs, 1/√inputs) in f32, the usual start of a
/// network in PyTorch.
fn network(sizes: &[usize], output: Activation, has_biases: bool) -> Network {
    let depth = sizes.len() - 1;
    let layer = |index: usize| {
        let (inputs, units) = (sizes[index], sizes[index + 1]);
        let draw = |domain, length| {
            let numbers = uniform_vector(11, domain, index as u64, length).into_iter();
            numbers.map(|u| f64::from(((2.0 * u - 1.0) / (inputs as f64).sqrt()) as f32)).collect::<Vec<_>>()
        };
        let bias = draw(Domain::Noise, units);
        DenseLayer {
            weight: DMatrix::from_vec(units, inputs, draw(Domain::Network, units * inputs)),
            bias: DVector::from_vec(bias) * f64::from(u8::from(has_biases)),
            activation: if index + 1 == depth { output } else { Activation::Relu },
        }
    };
    Network::dense((0..depth).map(layer).collect()).unwrap()
}

/// The outputs as f32 arithmetic computes them.
fn single_outputs(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    let of_code = |code: &[f64]| {
        let mut values: Vec<f32> = code.iter().map(|z| *z as f32).collect();
        for layer in network.layers() {
            let unit = |row: usize| {
                let terms = values.iter().enumerate().map(|(column, x)| layer.weight()[(row, column)] as f32 * x);
                let a = terms.sum::<f32>() + layer.bias[row] as f32;
                match layer.activation {
                    Activation::Sigmoid => 1.0 / (1.0 + (-a).exp()),
                    activation => activation.apply(f64::from(a)) as f32,
                }
            };
            values = (0..layer.units()).map(unit).collect();
        }
        DVector::from_iterator(values.len(), values.into_iter().map(f64::from))
    };
    let columns: Vec<DVector<f64>> = codes.column_iter().map(|code| of_code(code.as_slice())).collect();
    DMatrix::from_columns(&columns)
}

/// A folder with `net.safetensors` and `truth.npy`.
fn folder(network: &Network, codes: &DMatrix<f64>) -> Folder {
    let folder = Folder::empty();
    write_network(&folder.path("net.safetensors"), network, false).unwrap();
    write_npy(folder.path("truth.npy"), codes, ElementType::F64, false).unwrap();
    folder
}

/// Inverts `x.npy` to `z.npy`, with the report `r.jsonl`.
fn invert(folder: &Folder, more: &[&str]) -> Output {
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--report", "r.jsonl", "--device", "cpu"];
    folder.run(&[&usual[..], &["--force"], more].concat())
}

fn codes(folder: &Folder) -> DMatrix<f64> {
    read_npy(folder.path("z.npy")).unwrap()
}

fn report(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    let text = [&output.stdout[..], &output.stderr].concat();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&text));
}

#[track_caller]
fn assert_close(found: &DMatrix<f64>, truth: &DMatrix<f64>, within: f64) {
    assert!(found.iter().all(|z| z.is_finite()), "{found}");
    let worst = (found - truth).amax();
    assert!(worst <= within, "codes differ by {worst:e}");
}

#[test]
fn exact_reads_the_precision_from_the_numbers_not_from_the_file() {
    let network = network(&[5, 40, 80], Activation::Sigmoid, true);
    let truth = network.random_codes(20, 11);
    let x = single_outputs(&network, &truth);
    let folder = folder(&network, &truth);
    let mut found = Vec::new();
    for stored in [ElementType::F64, ElementType::F32] {
        write_npy(folder.path("x.npy"), &x, stored, true).unwrap();
        assert_exit(&invert(&folder, &["--method", "exact"]), 0);
        found.push(codes(&folder));
        assert_close(&found[found.len() - 1], &truth, 1e-5);
    }
    assert_eq!(found[0], found[1], "the same numbers in another file");
}

#[test]
fn best_and_recover_end_where_single_precision_data_are_reproduced() {
    let network = network(&[4, 12, 30], Activation::Sigmoid, true);
    let truth = network.random_codes(60, 3);
    let x = single_outputs(&network, &truth);
    let folder = folder(&network, &truth);
    for stored in [ElementType::F32, ElementType::F64] {
        write_npy(folder.path("x.npy"), &x, stored, true).unwrap();
        assert_exit(&invert(&folder, &["--method", "best"]), 0);
        let found = codes(&folder);
        for (index, row) in report(&folder).iter().enumerate() {
            assert_eq!(row["status"], "converged", "{row}");
            assert_eq!(row["reproduces"], true, "{row}");
            assert!(row["search"]["runs"].as_u64().unwrap() < 48, "the stop rule was not needed: {row}");
            let is_determined = row["search"]["determined"] == true;
            let error = (found.column(index) - truth.column(index)).amax();
            assert!(error <= 1e-5 || !is_determined, "observation {index}: {error:e}");
        }
        let operator = ["--gaussian", "20", "--seed", "2"];
        let a = unrelu::Dense::gaussian(20, 30, 2).unwrap();
        let y = unrelu::Operator::apply(&a, &x).map(|y| f64::from(y as f32));
        write_npy(folder.path("y.npy"), &y, stored, true).unwrap();
        let usual = ["recover", "net.safetensors", "y.npy", "-o", "z.npy", "--device", "cpu", "--force"];
        assert_exit(&folder.run(&[&usual[..], &operator].concat()), 0);
    }
}

#[test]
fn the_size_of_the_data_changes_no_code() {
    let plain = network(&[5, 30, 80], Activation::Relu, false);
    let truth = plain.random_codes(10, 13);
    let x = plain.forward(&truth).unwrap();
    for size in [1.0, 1e-5, 1e-6, 1e-12, 1e9] {
        let mut layers = plain.dense_layers();
        layers[1].weight *= size;
        let folder = folder(&Network::dense(layers).unwrap(), &truth);
        write_npy(folder.path("x.npy"), &(&x * size), ElementType::F64, false).unwrap();
        for method in ["linf", "exact", "best", "l1"] {
            let output = invert(&folder, &["--method", method, "--truth", "truth.npy"]);
            assert_exit(&output, 0);
            assert_close(&codes(&folder), &truth, 1e-9);
            let text = String::from_utf8(output.stdout).unwrap();
            let within = if method == "exact" {
                "exactly, to the tolerance of the layers"
            } else {
                "to 2e-6 of the largest entry, or to the rounding of the numbers"
            };
            assert!(text.contains(&format!("reproduced {within}: 10 (100.0 %)")), "{method}, size {size:e}: {text}");
        }
    }
}

#[test]
fn epsilon_is_an_absolute_number() {
    let network = network(&[5, 30, 80], Activation::Relu, false);
    let truth = network.random_codes(3, 13);
    let folder = folder(&network, &truth);
    write_npy(folder.path("x.npy"), &(network.forward(&truth).unwrap() * 1e-6), ElementType::F64, false).unwrap();
    // Far above every entry: no row is active, and no code is determined.
    assert_exit(&invert(&folder, &["--epsilon", "1"]), 0);
    assert!(((codes(&folder) * 1e6) - &truth).amax() > 0.1);
    assert!(report(&folder).iter().all(|row| row["determined"] == false && row["reproduces"] == true));
    assert_exit(&invert(&folder, &["--epsilon", "1e-12"]), 0);
    assert_close(&(codes(&folder) * 1e6), &truth, 1e-6);
}

/// One file of f64 with the outputs of the same codes in all precisions.
#[test]
fn observations_of_several_precisions_in_one_file() {
    let network = network(&[5, 60, 120], Activation::Relu, true);
    let code = network.random_codes(1, 5);
    let x = network.forward(&code).unwrap();
    let largest = x.amax();
    let half = |x: &f64| {
        let power = 2f64.powi(x.abs().max(1e-4).log2().floor() as i32 - 10);
        (x / power).round() * power
    };
    let columns = [
        x.clone(),
        x.map(|x| f64::from(x as f32)),
        x.map(|x| half(&x)),
        (&x / largest).map(|x| (255.0 * x).round() / 255.0),
    ];
    let columns: Vec<DVector<f64>> = columns.iter().map(|x| x.column(0).into_owned()).collect();
    let folder = folder(&network, &DMatrix::from_columns(&vec![code.column(0).into_owned(); 4]));
    let epsilons = |folder: &Folder| -> Vec<bool> {
        report(folder).iter().map(|row| row["reproduces"].as_bool().unwrap()).collect()
    };
    // Pixels are the outputs divided by their largest. Because of the biases, no code makes them.
    write_npy(folder.path("x.npy"), &DMatrix::from_columns(&columns), ElementType::F64, false).unwrap();
    assert_exit(&invert(&folder, &["--method", "best"]), 3);
    assert_eq!(report(&folder)[3]["status"], "unexplained");
    let together = codes(&folder);
    for (column, within) in [(0, 1e-9), (1, 1e-5), (2, 2e-2)] {
        assert_close(&together.columns(column, 1).into_owned(), &code, within);
    }
    assert!(epsilons(&folder)[..3].iter().all(|reproduced| *reproduced));
    // Neighbours and batches do not matter.
    for batch in ["1", "3"] {
        assert_exit(&invert(&folder, &["--method", "best", "--batch", batch]), 3);
        assert_eq!(codes(&folder), together, "batches of {batch}");
    }
}
