//! Other units of the outputs: the last layer and the observations times a power of two. Then `G(z)
//! − x` is in other units, and nothing else changes: no code, by no bit, no status, nothing that is
//! determined, not the number of programs, runs or steps. This holds with the default ε₀ and step,
//! for every method, if the output is positively homogeneous.

use nalgebra::DMatrix;
use unrelu::internals::random::{Noise, random_network};
use unrelu::{
    Activation, BestMethod, BestOptions, Dense, DenseLayer, DescentOptions, DeviceChoice, InvertedBatch, Inverter,
    LayerRow, LayerwiseMethod, LayerwiseOptions, Method, Network, Objective, ObservationRow, Operator, Optimizer,
    Options, Pixels, ProjectedOptions, Projector, RecoverOptions, Recoverer, Residual, Strategy,
};

/// Powers of two.
const POWERS: [i32; 4] = [-40, -7, 13, 40];

/// A network and observations: without noise and with, some entries unobserved, one of zeros.
struct Case {
    name: String,
    network: Network,
    observations: DMatrix<f64>,
}

fn with_biases(network: &Network, size: f64) -> Network {
    let layers = network.layers().iter().enumerate().map(|(index, layer)| {
        let bias = unrelu::internals::random::normal_vector(
            7,
            unrelu::internals::random::Domain::Noise,
            index as u64,
            layer.units(),
        );
        DenseLayer { bias: nalgebra::DVector::from_vec(bias) * size, ..layer.to_dense() }
    });
    Network::dense(layers.collect()).unwrap()
}

fn with_output(network: &Network, activation: Activation) -> Network {
    let mut layers = network.dense_layers();
    layers.last_mut().unwrap().activation = activation;
    Network::dense(layers).unwrap()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (sizes, activation, output, bias) in [
        (&[4, 12, 30][..], Activation::Relu, Activation::Relu, 0.0),
        (&[4, 12, 30], Activation::Relu, Activation::Identity, 0.3),
        (&[3, 8, 16, 24], Activation::LeakyRelu(0.2), Activation::LeakyRelu(0.2), 0.1),
        (&[3, 8, 20], Activation::Relu, Activation::Relu, 0.5),
    ] {
        let network = with_biases(&with_output(&random_network(sizes, activation, 3).unwrap(), output), bias);
        let mut observations = network.forward(&network.random_codes(6, 5)).unwrap();
        for (index, mut x) in observations.column_iter_mut().enumerate() {
            let noise = [0.0, 0.0, 1e-3, 0.05, 0.0, 0.0][index];
            Noise::Uniform(noise).apply(9, index as u64, x.as_mut_slice());
            match index {
                1 | 3 => x[2] = f64::NAN,
                5 => x.fill(0.0),
                _ => {}
            }
        }
        cases.push(Case { name: format!("{sizes:?} {output} {bias}"), network, observations });
    }
    cases
}

impl Case {
    fn scaled(&self, units: f64) -> Case {
        let mut layers = self.network.dense_layers();
        let last = layers.last_mut().unwrap();
        last.weight *= units;
        last.bias *= units;
        let network = Network::dense(layers).unwrap();
        Case { name: format!("{} times {units:e}", self.name), network, observations: &self.observations * units }
    }
}

fn methods() -> Vec<(&'static str, Options)> {
    let options = || Options::default().device(DeviceChoice::Cpu).threads(Some(1));
    let layerwise = |method| options().method(Method::Layerwise(LayerwiseOptions::default().method(method)));
    let best = |objective| {
        let search = BestOptions::default().objective(objective).starts(30);
        options().method(Method::Best(BestMethod::default().search(search)))
    };
    let descent = |optimizer| options().method(Method::Descent(DescentOptions::default().optimizer(optimizer)));
    vec![
        ("exact", layerwise(LayerwiseMethod::Exact)),
        ("linf", layerwise(LayerwiseMethod::Linf)),
        ("l1", layerwise(LayerwiseMethod::L1)),
        ("relaxed", layerwise(LayerwiseMethod::Relaxed)),
        ("linf, refined", layerwise(LayerwiseMethod::Linf).refine(Objective::L2)),
        ("best", best(Objective::L2)),
        ("best, l1", best(Objective::L1)),
        ("best, linf", best(Objective::Linf)),
        ("descent", descent(Optimizer::Plain)),
        ("descent with momentum", descent(Optimizer::Momentum)),
        ("descent by Adam", descent(Optimizer::Adam)),
        ("descent, refined", descent(Optimizer::Plain).refine(Objective::L2)),
    ]
}

fn residual_in_units(residual: &Residual, units: f64) -> Vec<f64> {
    vec![residual.linf * units, residual.l1 * units, residual.rms * units, residual.l2_relative]
}

/// What must be the same, with ε and objectives in other units. Objectives of `relaxed` in a last
/// layer are bilinear in it.
fn of_layer(layer: &LayerRow, last: usize, units: f64, relaxed: bool) -> String {
    let units = if layer.layer == last { units } else { 1.0 };
    let mut layer = layer.clone();
    layer.epsilon *= units;
    layer.objective *= if relaxed { units * units } else { units };
    format!("{layer:?}")
}

fn of_row(row: &ObservationRow, last: usize, units: f64, relaxed: bool) -> String {
    let failure = row.status.failure().map(|failure| failure.kind());
    let status = failure.map_or(format!("{:?}", row.status), |kind| format!("{kind:?}"));
    let layers: Vec<String> = row.layers.iter().map(|layer| of_layer(layer, last, units, relaxed)).collect();
    let residual = residual_in_units(&row.residual, units);
    format!(
        "{status} ε {:?} {} {:?} {} {:?} {:?} {residual:?} {layers:?}",
        row.epsilon * units,
        row.reproduces,
        row.fit,
        row.refined,
        row.iterations,
        row.search
    )
}

fn bits(codes: &DMatrix<f64>) -> Vec<u64> {
    codes.iter().map(|z| if z.is_nan() { u64::MAX } else { z.to_bits() }).collect()
}

/// The differences of two batches, the second in other units.
fn differences(what: &str, before: &InvertedBatch, after: &InvertedBatch, last: usize, units: f64) -> Vec<String> {
    let relaxed = what.contains("relaxed");
    let mut found = Vec::new();
    for (index, (old, new)) in before.rows.iter().zip(&after.rows).enumerate() {
        let (old, new) = (of_row(old, last, units, relaxed), of_row(new, last, 1.0, relaxed));
        if old != new {
            found.push(format!("{what}, observation {index}:\n  {old}\n  {new}"));
        }
        let codes = [before, after].map(|batch| batch.codes.column(index).into_owned());
        if bits(&DMatrix::from_columns(&[codes[0].clone()])) != bits(&DMatrix::from_columns(&[codes[1].clone()])) {
            found.push(format!("{what}, observation {index}: code {} instead of {}", codes[1], codes[0]));
        }
    }
    found
}

fn refuse(found: &[String]) {
    let mut kinds: Vec<&str> = found.iter().map(|text| text.split(" times ").next().unwrap_or_default()).collect();
    kinds.dedup();
    let shown = found[..found.len().min(12)].join("\n");
    assert!(found.is_empty(), "{} differences in {kinds:?}\n{shown}", found.len());
}

#[test]
fn every_method_gives_the_same_codes() {
    let mut found = Vec::new();
    for case in cases() {
        let last = case.network.depth();
        for (method, options) in methods() {
            let invert = |case: &Case| {
                Inverter::new(case.network.clone(), options.clone()).unwrap().invert(&case.observations).unwrap()
            };
            let before = invert(&case);
            for units in POWERS.map(|power| 2f64.powi(power)) {
                let scaled = case.scaled(units);
                found.extend(differences(
                    &format!("{method}, {}", scaled.name),
                    &before,
                    &invert(&scaled),
                    last,
                    units,
                ));
            }
        }
    }
    refuse(&found);
}

#[test]
fn recoveries_give_the_same_codes() {
    let mut found = Vec::new();
    for case in cases() {
        let (last, pixels) = (case.network.depth(), case.network.observation_length());
        let strategies = [
            ("search", Strategy::Search(BestOptions::default().starts(20))),
            ("direct", Strategy::Direct),
            ("projected", Strategy::Projected(ProjectedOptions::default().iterations(30))),
        ];
        for (way, strategy) in strategies {
            for masked in [true, false] {
                let direct = matches!(strategy, Strategy::Direct);
                let operator = || -> Box<dyn Operator> {
                    if masked { Box::new(Pixels(pixels)) } else { Box::new(Dense::gaussian(12, pixels, 1).unwrap()) }
                };
                let method = if direct && !masked {
                    Method::Descent(DescentOptions::default())
                } else {
                    Options::default().method
                };
                let inversion = Options::default().device(DeviceChoice::Cpu).threads(Some(1)).method(method);
                let options = RecoverOptions::default().strategy(strategy.clone()).inversion(inversion);
                let recover = |case: &Case| {
                    let mut seen = case.observations.clone();
                    seen.apply(|x| *x = if x.is_nan() { 0.0 } else { *x });
                    let y = if masked { case.observations.clone() } else { operator().apply(&seen) };
                    let recoverer = Recoverer::new(case.network.clone(), operator(), options.clone()).unwrap();
                    recoverer.recover(&y).unwrap()
                };
                let before = recover(&case);
                for units in POWERS.map(|power| 2f64.powi(power)) {
                    let scaled = case.scaled(units);
                    let what = format!("{way}, masked {masked}, {}", scaled.name);
                    found.extend(differences(&what, &before, &recover(&scaled), last, units));
                }
            }
        }
    }
    refuse(&found);
}

#[test]
fn projections_give_the_same_codes_from_warm_starts() {
    let mut found = Vec::new();
    for case in cases() {
        for (method, options) in methods() {
            let project = |case: &Case| {
                let projector = Projector::new(case.network.clone(), options.clone()).unwrap();
                let first = projector.project(&(&case.observations * 0.9), None).unwrap();
                projector.project(&case.observations, Some(&first.codes)).unwrap()
            };
            let before = project(&case);
            for units in POWERS.map(|power| 2f64.powi(power)) {
                let scaled = case.scaled(units);
                let after = project(&scaled);
                let kinds = |status: &[unrelu::Status]| -> Vec<String> {
                    status
                        .iter()
                        .map(|status| {
                            format!("{:?} {status:?}", status.failure().map(|f| f.kind()))
                                .split('{')
                                .next()
                                .unwrap_or_default()
                                .to_owned()
                        })
                        .collect()
                };
                let same = bits(&before.codes) == bits(&after.codes)
                    && kinds(&before.status) == kinds(&after.status)
                    && before.from_warm_start == after.from_warm_start
                    && bits(&(&before.images * units)) == bits(&after.images);
                if !same {
                    found.push(format!("{method}, {}: {:?} {:?}", scaled.name, before.status, after.status));
                }
            }
        }
    }
    refuse(&found);
}
