//! Random checkpoints: a model, its tensors under random names, and what can be known from them.

mod modules;

use unrelu::{Activation, NetworkOptions};

use crate::chance::Chance;
use crate::model::Step;
use crate::tensors::Tensors;

/// A random checkpoint.
#[derive(Debug, Default)]
pub struct Checkpoint {
    pub tensors: Tensors,
    pub steps: Vec<Step>,
    pub code_length: usize,
    pub activation: Option<Activation>,
    pub output_activation: Option<Activation>,
    pub epsilon: Option<f64>,
    /// What has to be listed as `layers` for the file to be read; `None` if it can be read without.
    pub picks: Option<Vec<String>>,
    /// The linear layers alone.
    pub linears: Vec<String>,
    /// What has to be ignored, although it could act.
    pub ignored: Vec<String>,
    /// Tensors or modules that make the model unreadable; one of them has to be named.
    pub culprits: Vec<String>,
}

impl Checkpoint {
    pub fn options(&self) -> NetworkOptions {
        NetworkOptions::default()
            .activation(self.activation)
            .output_activation(self.output_activation)
            .batch_norm_epsilon(self.epsilon)
    }
}

/// How the layers are named.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    /// `net.0`, `net.1`, …: positions in a `Sequential`.
    Sequential,
    /// `fc1`, `bn1`, `act1`, `fc2`, …
    Numbered,
    /// Names without order.
    Words,
    /// `blocks.0.linear`, `blocks.0.bn`, …
    Blocks,
    /// `hidden.0`, `hidden.1`, `out`.
    Split,
}

/// Which activations the hidden layers have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hidden {
    /// One activation that the user states.
    Stated(f64),
    /// A PReLU per layer.
    Own,
    /// One PReLU for all layers.
    Shared,
}

pub struct Builder {
    pub chance: Chance,
    pub checkpoint: Checkpoint,
    style: Style,
    prefix: String,
    /// The next position in a `Sequential`.
    position: usize,
    pub listing: Vec<String>,
    /// Whether the file can be read only if everything is listed.
    needs_listing: bool,
    pub epsilon: f64,
}

/// The checkpoint of a seed.
pub fn checkpoint(seed: u64) -> Checkpoint {
    let mut chance = Chance::new(seed);
    let style = chance.one(&[
        Style::Sequential,
        Style::Sequential,
        Style::Sequential,
        Style::Numbered,
        Style::Words,
        Style::Blocks,
        Style::Split,
    ]);
    let prefix = chance.one(&["", "", "decoder.", "model.decoder.", "state_dict.net.", "G."]).to_owned();
    let position = chance.below(2);
    let epsilon = chance.one(&[1e-5, 1e-3, 0.8]);
    let mut builder = Builder {
        chance,
        checkpoint: Checkpoint::default(),
        style,
        prefix,
        position,
        listing: Vec::new(),
        needs_listing: false,
        epsilon,
    };
    builder.build();
    builder.checkpoint
}

impl Builder {
    fn build(&mut self) {
        let depth = 1 + self.chance.below(4);
        let mut widths = vec![2 + self.chance.below(3)];
        for _ in 0..depth {
            let last = widths[widths.len() - 1];
            let wider = last + 1 + self.chance.below(5);
            widths.push(wider);
        }
        self.checkpoint.code_length = widths[0];
        let hidden = match self.chance.below(6) {
            0 => Hidden::Own,
            1 => Hidden::Shared,
            2 | 3 => Hidden::Stated(0.0),
            _ => Hidden::Stated(0.2),
        };
        let hidden = if self.style == Style::Sequential && hidden == Hidden::Shared { Hidden::Own } else { hidden };
        let names = self.names(depth);
        let mut slopes: Vec<f64> = (0..depth).map(|_| self.chance.one(&[0.0, 0.1, 0.25, 0.5])).collect();
        if self.chance.happens(0.5) || hidden == Hidden::Shared {
            slopes = vec![slopes[0]; depth];
        }
        for layer in 0..depth {
            self.layer(layer, depth, &names, (widths[layer], widths[layer + 1]), hidden, &slopes);
        }
        self.state(depth, hidden, &slopes);
        self.around(&widths, &names);
        let checkpoint = &mut self.checkpoint;
        if self.needs_listing || !checkpoint.ignored.is_empty() && checkpoint.picks.is_some() {
            checkpoint.picks = Some(self.listing.clone());
        }
        // The files have no order.
        for index in (1..checkpoint.tensors.0.len()).rev() {
            checkpoint.tensors.0.swap(index, self.chance.below(index + 1));
        }
    }

    fn names(&mut self, depth: usize) -> Vec<String> {
        const WORDS: [&str; 6] = ["z2hid", "mid", "blow_up", "hid2img", "proj", "tail"];
        let start = self.chance.below(3);
        let base = self.chance.one(&["fc", "lin", "layer_"]);
        let name = |index: usize| match self.style {
            Style::Sequential => String::new(),
            Style::Numbered => format!("{}{base}{}", self.prefix, start + index),
            Style::Words => format!("{}{}", self.prefix, WORDS[(index * 5 + start) % 6]),
            Style::Blocks => format!("{}blocks.{index}.linear", self.prefix),
            Style::Split if index + 1 == depth => format!("{}out", self.prefix),
            Style::Split => format!("{}hidden.{index}", self.prefix),
        };
        (0..depth).map(name).collect()
    }

    /// The name of the module that follows in a `Sequential`.
    fn next_position(&mut self) -> String {
        self.position += 1;
        format!("{}{}", self.prefix, self.position - 1)
    }

    /// The name of a norm or PReLU of a layer.
    fn companion(&mut self, what: &str, layer: usize, name: &str) -> String {
        match self.style {
            Style::Sequential => self.next_position(),
            Style::Blocks => format!("{}.{what}", name.rsplit_once('.').unwrap().0),
            _ => format!("{}{what}{layer}", self.prefix),
        }
    }

    fn layer(
        &mut self,
        layer: usize,
        depth: usize,
        names: &[String],
        (inputs, units): (usize, usize),
        hidden: Hidden,
        slopes: &[f64],
    ) {
        let sequential = self.style == Style::Sequential;
        let is_last = layer + 1 == depth;
        if layer == 0 && self.chance.happens(0.12) {
            let name = if sequential { self.next_position() } else { format!("{}bn_in", self.prefix) };
            self.norm(&name, inputs);
            self.needs_listing |= !sequential;
        }
        let name = if sequential { self.next_position() } else { names[layer].clone() };
        self.linear(&name, inputs, units);
        let has_slope = !is_last && hidden == Hidden::Own;
        if self.chance.happens(0.2) {
            if sequential && self.chance.happens(0.2) {
                // A dropout before the norm. Only a PReLU shows that the norm stands before the
                // activation.
                self.position += 1;
                self.needs_listing |= !has_slope;
            }
            let name = self.companion("bn", layer, &name);
            self.norm(&name, units);
            self.needs_listing |= !sequential;
        }
        if self.chance.happens(0.03) {
            let name = self.companion("ln", layer, &name);
            self.layer_norm(&name, units);
        }
        if is_last {
            return;
        }
        self.activation(layer, &name, units, hidden, slopes[layer]);
        if sequential && self.chance.happens(0.15) {
            // A dropout.
            self.position += 1;
        }
        if self.chance.happens(0.15) {
            if !has_slope && hidden != Hidden::Shared {
                self.listing.push("activation".to_owned());
            }
            let name = self.companion("post", layer, &name);
            self.norm(&name, units);
            self.needs_listing |= !sequential;
            if sequential && self.chance.happens(0.2) {
                self.position += 1;
                self.needs_listing |= !has_slope;
            }
        }
    }

    fn activation(&mut self, layer: usize, name: &str, units: usize, hidden: Hidden, slope: f64) {
        let value = match hidden {
            Hidden::Stated(slope) => {
                self.position += 1;
                slope
            }
            Hidden::Own => {
                let name = self.companion("act", layer, name);
                let count = if self.chance.happens(0.3) { units } else { 1 };
                self.checkpoint.tensors.add(format!("{name}.weight"), &[count], &vec![slope; count]);
                self.listing.push(name);
                slope
            }
            Hidden::Shared => {
                let name = format!("{}prelu", self.prefix);
                if layer == 0 {
                    self.checkpoint.tensors.add(format!("{name}.weight"), &[1], &[slope]);
                }
                self.listing.push(name);
                slope
            }
        };
        self.checkpoint.steps.push(Step::Leaky(vec![value; units]));
    }

    /// What the user states, and the activation of the output.
    fn state(&mut self, depth: usize, hidden: Hidden, slopes: &[f64]) {
        if let Hidden::Stated(slope) = hidden {
            let relu = if slope == 0.0 { Activation::Relu } else { Activation::LeakyRelu(slope) };
            self.checkpoint.activation = Some(relu);
        }
        // The names of PReLUs show their layers only if there is one per layer, or if they agree.
        let agree = slopes[..depth - 1].windows(2).all(|pair| pair[0] == pair[1]);
        self.needs_listing |= match hidden {
            Hidden::Stated(_) => false,
            Hidden::Shared => depth > 2,
            Hidden::Own => !agree && matches!(self.style, Style::Words | Style::Split),
        };
        let units = match &self.checkpoint.steps.iter().rev().find(|step| matches!(step, Step::Linear { .. })) {
            Some(Step::Linear { bias, .. }) => bias.len(),
            _ => 0,
        };
        let (output, step) = match self.chance.below(5) {
            0 => (Activation::Identity, None),
            1 => (Activation::Sigmoid, Some(Step::Sigmoid)),
            2 => (Activation::Tanh, Some(Step::Tanh)),
            3 => (Activation::Relu, Some(Step::Leaky(vec![0.0; units]))),
            _ => (Activation::LeakyRelu(0.3), Some(Step::Leaky(vec![0.3; units]))),
        };
        self.checkpoint.output_activation = Some(output);
        self.checkpoint.steps.extend(step);
        if self.style == Style::Sequential && self.chance.happens(0.02) {
            self.position += 1;
            let name = self.next_position();
            self.norm(&name, units);
            self.listing.pop();
            self.checkpoint.culprits.push(name);
        }
        if self.style == Style::Split && depth > 1 {
            self.needs_picks();
        }
    }

    /// Other tensors of the file: those that act, those that could, and those that do not.
    fn around(&mut self, widths: &[usize], names: &[String]) {
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let root = self.chance.one(&["", &self.prefix.clone()]).to_owned();
        if self.chance.happens(0.1) {
            let (scale, shift) = (self.chance.numbers(last, 0.5, 2.0), self.chance.numbers(last, -1.0, 1.0));
            let (std, mean) =
                self.chance.one(&[("std", "mean"), ("out_scale", "out_shift"), ("norm.std", "norm.mean")]);
            self.checkpoint.tensors.add(format!("{root}{std}"), &[1, last], &scale);
            self.checkpoint.tensors.add(format!("{root}{mean}"), &[last], &shift);
            let buffers = [format!("{root}{std}"), format!("{root}{mean}")];
            match self.chance.happens(0.5) {
                true => {
                    self.checkpoint.steps.push(Step::Scale { scale, shift });
                    self.checkpoint.culprits.extend(buffers);
                }
                false => self.checkpoint.ignored.extend(buffers),
            }
        }
        if self.chance.happens(0.04) {
            let scale = self.chance.number(0.5, 2.0);
            let name = format!("{root}{}", self.chance.one(&["gain", "temperature", "output_scale"]));
            self.checkpoint.tensors.add(&name, &[], &[scale]);
            self.checkpoint.steps.push(Step::Scale { scale: vec![scale; last], shift: vec![0.0; last] });
            self.checkpoint.culprits.push(name);
        }
        if self.chance.happens(0.04) && names.len() > 1 && self.style != Style::Sequential {
            let weight = self.chance.numbers(first * last, -1.0, 1.0);
            let name = format!("{}skip", self.prefix);
            self.checkpoint.tensors.add(format!("{name}.weight"), &[last, first], &weight);
            self.checkpoint.steps.push(Step::Skip { weight: rows(&weight, first) });
            self.checkpoint.culprits.push(name);
            self.needs_picks();
        }
        if self.chance.happens(0.3) {
            self.encoder(widths);
        }
        if self.chance.happens(0.1) && self.style != Style::Sequential {
            let inputs = widths[widths.len() - 2];
            let weight = self.chance.numbers(inputs * last, -1.0, 1.0);
            self.checkpoint.tensors.add(format!("{}logvar.weight", self.prefix), &[last, inputs], &weight);
            self.needs_picks();
        }
        if self.chance.happens(0.3) {
            let state = self.chance.numbers(first * widths[1], 0.0, 1.0);
            self.checkpoint.tensors.add("optimizer.state.0.exp_avg", &[widths[1], first], &state);
            self.checkpoint.tensors.add("optimizer.state.1.exp_avg", &[last], &vec![0.5; last]);
        }
        if self.chance.happens(0.3) {
            self.checkpoint.tensors.add("best_loss", &[], &[0.1]);
            self.checkpoint.tensors.count("epoch", 7);
        }
    }

    fn needs_picks(&mut self) {
        if self.checkpoint.picks.is_none() {
            self.checkpoint.picks = Some(self.checkpoint.linears.clone());
        }
    }

    /// An encoder with norms, slopes and buffers of its own, in a part of its own or beside.
    fn encoder(&mut self, widths: &[usize]) {
        let (sequential, beside) = (self.chance.happens(0.6), self.chance.happens(0.5));
        let numbers = |this: &mut Self, count| this.chance.numbers(count, 0.1, 1.0);
        for layer in 0..widths.len() - 1 {
            let (inputs, units) = (widths[widths.len() - 1 - layer], widths[widths.len() - 2 - layer]);
            let name = |what: &str, at: usize| match (sequential, beside) {
                (true, _) => format!("encoder.{}", 3 * layer + at),
                (false, true) => format!("enc_{what}{layer}"),
                (false, false) => format!("model.encoder.{what}{layer}"),
            };
            let weight = numbers(self, inputs * units);
            let vector = numbers(self, units);
            let tensors = &mut self.checkpoint.tensors;
            tensors.add(format!("{}.weight", name("fc", 0)), &[units, inputs], &weight);
            tensors.add(format!("{}.weight", name("ln", 1)), &[units], &vector);
            tensors.add(format!("{}.bias", name("ln", 1)), &[units], &vector);
            tensors.add(format!("{}.weight", name("act", 2)), &[1], &[0.3]);
        }
        if !beside {
            let mean = numbers(self, widths[widths.len() - 1]);
            self.checkpoint.tensors.add("encoder.mean", &[mean.len()], &mean);
            if !sequential {
                // It stands beside `model.encoder`, so it belongs to no part.
                self.checkpoint.tensors.0.pop();
            }
        }
        self.needs_picks();
    }
}

pub fn rows(flat: &[f64], columns: usize) -> Vec<Vec<f64>> {
    flat.chunks(columns).map(<[f64]>::to_vec).collect()
}
