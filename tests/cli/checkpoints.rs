//! Checkpoints of the kinds that were once inverted as another network: with exit code 0 and wrong
//! codes. Each is now read right, or refused with what to do.

#[path = "../checkpoints/chance.rs"]
#[allow(dead_code, reason = "tests/checkpoints uses the rest")]
mod chance;
#[path = "../checkpoints/model.rs"]
#[allow(dead_code, reason = "tests/checkpoints uses the rest")]
mod model;
#[path = "../checkpoints/tensors.rs"]
#[allow(dead_code, reason = "tests/checkpoints uses the rest")]
mod tensors;

use nalgebra::DMatrix;
use unrelu::{ElementType, read_npy, write_npy};

use crate::folder::Folder;
use chance::Chance;
use model::{Step, forward};
use tensors::Tensors;

/// A model under construction: its tensors and what it computes.
struct Model {
    chance: Chance,
    tensors: Tensors,
    steps: Vec<Step>,
}

impl Model {
    fn new(seed: u64) -> Self {
        Model { chance: Chance::new(seed), tensors: Tensors::default(), steps: Vec::new() }
    }

    /// Stores a linear layer that is no part of the generator.
    fn store(&mut self, name: &str, inputs: usize, units: usize) -> Step {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = self.chance.numbers(inputs * units, -bound, bound);
        let bias = self.chance.numbers(units, -bound, bound);
        self.tensors.add(format!("{name}.weight"), &[units, inputs], &weight);
        self.tensors.add(format!("{name}.bias"), &[units], &bias);
        Step::Linear { weight: weight.chunks(inputs).map(<[f64]>::to_vec).collect(), bias }
    }

    fn linear(&mut self, name: &str, inputs: usize, units: usize) {
        let step = self.store(name, inputs, units);
        self.steps.push(step);
    }

    fn leaky(&mut self, slope: f64, units: usize) {
        self.steps.push(Step::Leaky(vec![slope; units]));
    }

    fn batch_norm(&mut self, name: &str, features: usize, epsilon: f64) {
        let mean = self.chance.numbers(features, -0.5, 0.5);
        let variance = self.chance.numbers(features, 0.1, 0.6);
        let (scale, shift) = (self.chance.numbers(features, 0.5, 1.5), self.chance.numbers(features, -0.5, 0.5));
        self.tensors.add(format!("{name}.weight"), &[features], &scale);
        self.tensors.add(format!("{name}.bias"), &[features], &shift);
        self.tensors.add(format!("{name}.running_mean"), &[features], &mean);
        self.tensors.add(format!("{name}.running_var"), &[features], &variance);
        self.tensors.count(format!("{name}.num_batches_tracked"), 500);
        self.steps.push(Step::BatchNorm { mean, variance, scale, shift, epsilon });
    }

    /// A folder with the network, its codes `z.npy` and its outputs `x.npy`.
    fn folder(mut self, code_length: usize, count: usize) -> Folder {
        let folder = Folder::empty();
        folder.write("net.safetensors", self.tensors.safetensors());
        let codes = DMatrix::from_vec(code_length, count, self.chance.numbers(code_length * count, -1.5, 1.5));
        let outputs: Vec<Vec<f64>> = codes.column_iter().map(|code| forward(&self.steps, code.as_slice())).collect();
        let outputs = DMatrix::from_fn(outputs[0].len(), count, |entry, column| outputs[column][entry]);
        write_npy(folder.path("z.npy"), &codes, ElementType::F64, false).unwrap();
        write_npy(folder.path("x.npy"), &outputs, ElementType::F64, false).unwrap();
        folder
    }
}

fn inspect<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["inspect", "net.safetensors"], more].concat()
}

fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["invert", "net.safetensors", "x.npy", "-o", "c.npy", "--method", "best", "--device", "cpu"], more].concat()
}

/// The message of a command that is refused with exit code 2.
#[track_caller]
fn refusal(folder: &Folder, arguments: &[&str], words: &[&str]) -> String {
    folder.refuses(arguments, words);
    String::from_utf8(folder.run(arguments).stderr).unwrap()
}

/// The standard error of an inversion that finds the codes.
#[track_caller]
fn finds_the_codes(folder: &Folder, arguments: &[&str], tolerance: f64) -> String {
    let output = folder.run(&invert(arguments));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (found, codes): (DMatrix<f64>, DMatrix<f64>) =
        (read_npy(folder.path("c.npy")).unwrap(), read_npy(folder.path("z.npy")).unwrap());
    let error = (found - codes).amax();
    assert!(error < tolerance, "{error}");
    said
}

#[test]
fn a_layer_norm_between_the_layers_is_refused_without_a_way_round() {
    let mut model = Model::new(1);
    model.linear("0", 4, 24);
    model.tensors.add("1.weight", &[24], &[1.5; 24]);
    model.tensors.add("1.bias", &[24], &[0.0; 24]);
    model.steps.push(Step::LayerNorm { scale: vec![1.5; 24], shift: vec![0.0; 24] });
    model.leaky(0.0, 24);
    model.linear("3", 24, 40);
    model.steps.push(Step::Sigmoid);
    let folder = model.folder(4, 6);
    let words = ["`1` (LayerNorm", "stands between the picked layers `0` and `3`", "unrelu does not invert it"];
    for arguments in [
        inspect(&["--activation", "relu"]),
        invert(&["--layers", "0,3", "--activation", "relu", "--output-activation", "sigmoid"]),
    ] {
        let message = refusal(&folder, &arguments, &words);
        assert!(!message.contains("--layers") && !message.contains("--ignore-tensors"), "{message}");
    }
}

#[test]
fn a_prelu_of_one_slope_is_read_and_not_overruled() {
    let mut model = Model::new(2);
    model.linear("hid", 5, 30);
    model.tensors.add("prelu.weight", &[1], &[0.25]);
    model.leaky(0.25, 30);
    model.linear("out", 30, 60);
    model.steps.push(Step::Tanh);
    let folder = model.folder(5, 6);
    let words = ["the PReLU `prelu` with slope 0.25", "--activation relu", "leaky_relu:0.25"];
    refusal(&folder, &inspect(&["--activation", "relu"]), &words);
    let picked = ["--layers", "hid,out", "--activation", "relu", "--output-activation", "tanh"];
    refusal(&folder, &invert(&picked), &words);
    let text = folder.succeeds(&inspect(&["--output-activation", "tanh"]));
    assert!(text.contains("leaky_relu:0.25") && text.contains("PReLU"), "{text}");
    let said = finds_the_codes(&folder, &["--output-activation", "tanh", "--truth", "z.npy"], 1e-9);
    assert!(said.contains("`prelu`"), "{said}");
}

#[test]
fn buffers_that_change_the_outputs_are_named() {
    let mut model = Model::new(3);
    model.linear("l1", 4, 24);
    model.leaky(0.0, 24);
    model.linear("l2", 24, 40);
    let (scale, shift) = (model.chance.numbers(40, 0.5, 1.5), model.chance.numbers(40, 0.0, 1.0));
    model.tensors.add("mean", &[40], &shift);
    model.tensors.add("std", &[40], &scale);
    model.tensors.add("best_loss", &[], &[0.5]);
    model.steps.push(Step::Scale { scale, shift });
    let folder = model.folder(4, 16);
    let usual = ["--activation", "relu", "--output-activation", "identity", "--starts", "3", "--batch", "8"];
    let words =
        ["`mean` [40]", "`std` [40]", "as many entries as the network has outputs", "--ignore-tensors mean,std"];
    refusal(&folder, &invert(&usual), &words);
    let text = folder.succeeds(&inspect(&[&usual[..4], &["--ignore-tensors", "std,mean"]].concat()));
    assert!(text.contains("ignored, as given: `mean`, `std`"), "{text}");

    // What is ignored belongs to the run.
    let with = |ignored: &str, more: &[&str]| {
        let output = folder.run(&invert(&[&usual[..], &["--ignore-tensors", ignored], more].concat()));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, said) = with("mean,std", &["--shard", "1/2"]);
    assert!(said.contains("ignored, as given: `mean`, `std`"), "{said}");
    let (code, said) = with("mean,std,best_loss", &["--shard", "1/2", "--resume"]);
    assert!(code == Some(2) && said.contains("--ignore-tensors"), "{said}");
    let (code, said) = with("std,mean", &["--shard", "1/2", "--resume"]);
    assert!(said.contains("already finished"), "{code:?} {said}");
}

/// The refusal of a file offers these values of `--layers`, and no others.
#[track_caller]
fn offers(layers: &[(&str, usize, usize)], expected: &[&str]) {
    let mut model = Model::new(4);
    for (name, inputs, units) in layers {
        model.store(name, *inputs, *units);
    }
    let folder = Folder::empty();
    folder.write("net.safetensors", model.tensors.safetensors());
    let message = refusal(&folder, &inspect(&["--activation", "relu"]), expected);
    assert_eq!(message.matches("--layers").count(), expected.len(), "{message}");
    for offer in expected {
        let layers = offer.trim_start_matches("--layers ").split(' ').next().unwrap();
        let options = ["--layers", layers, "--activation", "relu"];
        folder.succeeds(&inspect(&options));
    }
}

#[test]
fn suggestions_are_whole_generators() {
    offers(
        &[("img_2hid", 90, 60), ("hid_2mu", 60, 5), ("hid_2sigma", 60, 5), ("z_2hid", 5, 60), ("hid_2img", 60, 90)],
        &["--layers z_2hid,hid_2img (5 → 60 → 90)"],
    );
    offers(
        &[("enc1", 30, 24), ("enc2", 24, 4), ("dec1", 4, 24), ("dec2", 24, 30)],
        &["--layers dec1,dec2 (4 → 24 → 30)"],
    );
    offers(
        &[("l1", 4, 24), ("mean", 24, 30), ("logvar", 24, 30)],
        &["--layers l1,mean (4 → 24 → 30", "--layers l1,logvar (4 → 24 → 30"],
    );
    offers(
        &[("hidden.0", 4, 16), ("hidden.1", 16, 24), ("out", 24, 30)],
        &["--layers hidden.0,hidden.1,out (4 → 16 → 24 → 30)"],
    );
    offers(
        &[
            ("fc1", 90, 45),
            ("fc11", 45, 20),
            ("fc21", 20, 5),
            ("fc22", 20, 5),
            ("fc3", 5, 20),
            ("fc33", 20, 45),
            ("fc4", 45, 90),
        ],
        &["--layers fc3,fc33,fc4 (5 → 20 → 45 → 90)"],
    );
    // Three more: copies, a generator that keeps its size, and a generator with a discriminator.
    offers(
        &[("ema.up", 4, 9), ("ema.out", 9, 20), ("model.up", 4, 9), ("model.out", 9, 20)],
        &["--layers ema.up,ema.out (4 → 9 → 20", "--layers model.up,model.out (4 → 9 → 20"],
    );
    offers(
        &[("enc.0", 30, 16), ("enc.2", 16, 4), ("dec_in", 4, 16), ("dec_mid", 16, 16), ("dec_out", 16, 30)],
        &["--layers dec_in,dec_mid,dec_out (4 → 16 → 16 → 30)"],
    );
    offers(
        &[("D.0", 28, 64), ("D.2", 64, 1), ("G.0", 8, 64), ("G.2", 64, 48), ("G.4", 48, 28)],
        &["--layers G.0,G.2,G.4 (8 → 64 → 48 → 28)"],
    );
}

#[test]
fn a_head_that_is_picked_gives_the_codes() {
    let mut model = Model::new(6);
    model.linear("l1", 4, 24);
    model.leaky(0.0, 24);
    model.linear("mean", 24, 30);
    model.store("logvar", 24, 30);
    let folder = model.folder(4, 6);
    finds_the_codes(&folder, &["--layers", "l1,mean", "--activation", "ReLU", "--output-activation", "Identity"], 1e-9);
}

#[test]
fn the_epsilon_of_batch_norm_is_said_and_can_be_stated() {
    let mut model = Model::new(8);
    model.linear("0", 5, 24);
    model.leaky(0.2, 24);
    model.linear("2", 24, 48);
    model.batch_norm("3", 48, 0.8);
    model.leaky(0.2, 48);
    model.linear("5", 48, 80);
    model.steps.push(Step::Tanh);
    let folder = model.folder(5, 6);
    let usual = ["--activation", "LeakyReLU(0.2)", "--output-activation", "tanh"];
    let text = folder.succeeds(&inspect(&usual));
    let words = ["BatchNorm folded with eps 1e-5", "a state_dict does not hold eps", "--batch-norm-epsilon"];
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    let output = folder.run(&invert(&[&usual[..], &["--starts", "1"]].concat()));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    std::fs::remove_file(folder.path("c.npy")).unwrap();
    let _ = std::fs::remove_file(folder.path("c.npy.journal"));
    let said = finds_the_codes(&folder, &[&usual[..], &["--batch-norm-epsilon", "0.8"]].concat(), 1e-8);
    assert!(said.contains("eps 8e-1, as given"), "{said}");
    refusal(&folder, &inspect(&[&usual[..], &["--batch-norm-epsilon", "-1"]].concat()), &["--batch-norm-epsilon: -1"]);
}

#[test]
fn a_batch_norm_before_the_first_layer_is_folded_into_it() {
    let mut model = Model::new(9);
    model.batch_norm("0", 4, 1e-5);
    model.linear("1", 4, 20);
    model.leaky(0.0, 20);
    model.linear("3", 20, 40);
    let folder = model.folder(4, 6);
    finds_the_codes(&folder, &["--activation", "relu", "--output-activation", "identity"], 1e-8);
}

#[test]
fn a_batch_norm_by_name_stands_where_it_is_listed() {
    let mut model = Model::new(10);
    model.linear("fc1", 4, 20);
    model.leaky(0.0, 20);
    model.batch_norm("bn1", 20, 1e-5);
    model.linear("fc2", 20, 40);
    let folder = model.folder(4, 6);
    let usual = ["--activation", "relu", "--output-activation", "identity"];
    let words = ["`bn1` (BatchNorm of 20)", "--layers fc1,bn1,fc2", "--layers fc1,activation,bn1,fc2"];
    refusal(&folder, &invert(&usual), &words);
    finds_the_codes(&folder, &[&usual[..], &["--layers", "fc1,activation,bn1,fc2"]].concat(), 1e-8);
}
