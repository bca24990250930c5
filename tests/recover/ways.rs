//! Known codes are recovered by every method.

use nalgebra::DMatrix;
use unrelu::internals::batch::engine::Engine;
use unrelu::internals::multistart::{PackedNetwork, best_batch};
use unrelu::internals::random::random_network;
use unrelu::{
    Activation, BestMethod, BestOptions, BlockAverage, Dense, DescentOptions, DeviceChoice, Failure, InvertedBatch,
    Method, Network, Operator, Optimizer, Options, Pixels, ProjectedOptions, RecoverOptions, Recoverer, Status,
    Strategy,
};

use crate::support::{codes, errors, images, linf, network};

fn search() -> RecoverOptions {
    let inversion = Options::default().device(DeviceChoice::Cpu);
    RecoverOptions::default().strategy(Strategy::Search(BestOptions::default())).inversion(inversion)
}

fn projected(inversion: Options) -> RecoverOptions {
    RecoverOptions::default()
        .strategy(Strategy::Projected(ProjectedOptions::default().restarts(5)))
        .inversion(inversion)
}

fn descent(iterations: usize) -> Options {
    let optimizer = Optimizer::Adam;
    let method = Method::Descent(DescentOptions::default().iterations(iterations).restarts(3).optimizer(optimizer));
    Options::default().method(method).device(DeviceChoice::Cpu)
}

fn recover(
    network: &Network,
    operator: &dyn Fn() -> Box<dyn Operator>,
    options: RecoverOptions,
    y: &DMatrix<f64>,
) -> InvertedBatch {
    Recoverer::new(network.clone(), operator(), options).unwrap().recover(y).unwrap()
}

#[test]
fn every_way_finds_known_codes_from_random_projections() {
    let network = network();
    let truth = codes(&network, 20, 3);
    let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(40, 60, 1).unwrap()) };
    let y = operator().apply(&images(&network, &truth));
    let direct = RecoverOptions::default().strategy(Strategy::Direct).inversion(descent(3000));
    for (options, least) in [(search(), 20), (projected(linf(true)), 18), (direct, 15)] {
        let recovered = recover(&network, &operator, options.clone(), &y);
        let found = errors(&recovered.codes, &truth).into_iter().filter(|error| *error < 1e-3).count();
        assert!(found >= least, "{options:?}: {found}");
        for (row, error) in recovered.rows.iter().zip(errors(&recovered.codes, &truth)) {
            assert!(error > 1e-3 || row.residual.l2_relative < 1e-3, "{row:?}");
        }
    }
}

/// A black image is valid too: its measurements are all 0, and so is the loss of its code.
#[test]
fn nothing_is_recovered_as_nothing() {
    let network = network();
    let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(40, 60, 1).unwrap()) };
    let recovered = recover(&network, &operator, projected(linf(true)), &DMatrix::zeros(40, 1));
    assert_eq!(recovered.rows[0].status, Status::Converged, "{:?}", recovered.rows[0]);
    assert!(images(&network, &recovered.codes).amax() < 1e-9);
}

/// Numbers whose squares overflow or underflow have a status, and do not count as recovered.
#[test]
fn measurements_too_large_to_square_are_said_to_fail() {
    let network = network();
    let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(40, 60, 1).unwrap()) };
    let recovered = recover(&network, &operator, projected(linf(true)), &DMatrix::from_element(40, 1, 1e200));
    assert!(matches!(&recovered.rows[0].status, Status::Failed(_)), "{:?}", recovered.rows[0]);
}

#[test]
fn averages_and_masks() {
    let network = random_network(&[3, 20, 64], Activation::Relu, 4).unwrap();
    let truth = codes(&network, 10, 3);
    let all = images(&network, &truth);
    let average = || -> Box<dyn Operator> { Box::new(BlockAverage::new(8, 8, 2).unwrap()) };
    let recovered = recover(&network, &average, search(), &average().apply(&all));
    assert!(errors(&recovered.codes, &truth).iter().all(|error| *error < 1e-6));
    // Every image has its own mask.
    let masked = DMatrix::from_fn(64, 10, |i, j| if (i * 7 + j * 3) % 2 == 0 { all[(i, j)] } else { f64::NAN });
    let pixels = || -> Box<dyn Operator> { Box::new(Pixels(64)) };
    let layerwise = RecoverOptions::default().strategy(Strategy::Direct).inversion(linf(false));
    for (options, least) in [(search(), 10), (projected(linf(true)), 8), (layerwise, 4)] {
        let recovered = recover(&network, &pixels, options.clone(), &masked);
        let found = errors(&recovered.codes, &truth).into_iter().filter(|error| *error < 1e-3).count();
        assert!(found >= least, "{options:?}: {found}");
        // Codes that linear programs report as determined are correct.
        for (row, error) in recovered.rows.iter().zip(errors(&recovered.codes, &truth)) {
            let determined = !row.layers.is_empty() && row.layers.iter().all(|layer| layer.determined);
            assert!(!determined || error < 1e-6, "{row:?}: {error}");
        }
    }
}

/// Compared with an exhaustive search, for one code entry: the codes lie on a line.
#[test]
fn the_search_finds_the_lowest_loss_of_a_line() {
    for (seed, output) in [(1, Activation::Relu), (2, Activation::Sigmoid), (3, Activation::Identity)] {
        let mut layers = random_network(&[1, 5, 12], Activation::Relu, seed).unwrap().dense_layers();
        for (index, layer) in layers.iter_mut().enumerate() {
            layer.bias.iter_mut().enumerate().for_each(|(unit, b)| *b = ((unit + index) as f64 * 1.7).sin());
        }
        layers.last_mut().unwrap().activation = output;
        let network = Network::new(layers, "the test network").unwrap();
        let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(4, 12, seed).unwrap()) };
        let y = DMatrix::from_fn(4, 3, |i, j| ((i + 2 * j) as f64).sin());
        let recovered = recover(&network, &operator, search(), &y);
        let loss = |z: f64, column: usize| {
            let applied = operator().apply(&images(&network, &DMatrix::from_element(1, 1, z)));
            0.5 * (applied.column(0) - y.column(column)).norm_squared()
        };
        for column in 0..3 {
            let found = loss(recovered.codes[(0, column)], column);
            // For large codes, the loss of a ReLU output grows, but that of a sigmoid is flat.
            let least = (-20_000..=20_000).map(|i| loss(f64::from(i) * 1e-3, column)).fold(f64::INFINITY, f64::min);
            assert!(found <= least * (1.0 + 1e-9) + 1e-15, "{output}: {found} found, {least} on the line");
        }
    }
}

/// `A G` as one network: the network, followed by a layer of weight `A`.
#[test]
fn the_search_sees_the_operator_as_a_layer() {
    let network = network();
    let operator = Dense::gaussian(30, 60, 5).unwrap();
    let y = operator.apply(&images(&network, &codes(&network, 5, 8))).map(|y| y + 0.01 * (1e3 * y).sin());
    let recovered = recover(&network, &|| Box::new(operator.clone()), search(), &y);
    let mut layers = network.dense_layers();
    let (weight, bias) = (operator.matrix().unwrap(), nalgebra::DVector::zeros(30));
    layers.push(unrelu::DenseLayer { weight, bias, activation: Activation::Identity });
    let packed = PackedNetwork::new(Network::new(layers, "the test network").unwrap());
    for (column, answer) in best_batch(&packed, &y, 0, &[], &BestOptions::default()).into_iter().enumerate() {
        assert_eq!(recovered.codes.column(column).as_slice(), answer.code);
        let residual = recovered.rows[column].residual.l2_relative * y.column(column).norm();
        assert!((0.5 * residual * residual - answer.loss).abs() < 1e-9 * answer.loss);
    }
}

#[test]
fn projected_descent_never_rises_and_does_not_depend_on_the_batch() {
    let network = network();
    let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(20, 60, 1).unwrap()) };
    let y = operator().apply(&images(&network, &codes(&network, 9, 3))).map(|y| y + 0.05 * (1e3 * y).sin());
    let options = projected(linf(true));
    let together = recover(&network, &operator, options.clone(), &y);
    let recoverer = Recoverer::new(network.clone(), operator(), options.clone()).unwrap();
    for column in 0..9 {
        let alone = &y.columns(column, 1).into_owned();
        let alone = recoverer.solve(recoverer.runtime().device(), alone.into(), column as u64).unwrap();
        assert_eq!(alone.codes.column(0), together.codes.column(column));
        assert_eq!(alone.rows[0].iterations, together.rows[column].iterations);
    }
    // The best iterate is kept, so more iterations are never worse.
    let residual = |iterations: usize, restarts: usize, momentum: f64| {
        let strategy = Strategy::Projected(
            ProjectedOptions::default().iterations(iterations).restarts(restarts).momentum(momentum),
        );
        let recovered =
            recover(&network, &operator, RecoverOptions::default().strategy(strategy).inversion(linf(true)), &y);
        assert!(recovered.rows.iter().all(|row| row.iterations <= Some((iterations * (restarts + 1)) as u32)));
        recovered.rows.iter().map(|row| row.residual.l2_relative).collect::<Vec<f64>>()
    };
    for momentum in [0.0, 0.5] {
        let few = residual(3, 0, momentum);
        for better in [residual(30, 0, momentum), residual(3, 2, momentum)] {
            assert!(few.iter().zip(&better).all(|(few, more)| *more <= few * (1.0 + 1e-12)), "{few:?} {better:?}");
        }
    }
}

#[test]
fn bad_observations_have_their_status_and_bad_shapes_are_refused() {
    let network = network();
    let operator = || -> Box<dyn Operator> { Box::new(Dense::gaussian(20, 60, 1).unwrap()) };
    let mut y = operator().apply(&images(&network, &codes(&network, 3, 3)));
    y[(2, 0)] = f64::NEG_INFINITY;
    y.column_mut(1).fill(f64::NAN);
    y[(4, 2)] = f64::NAN;
    for options in
        [search(), projected(linf(true)), RecoverOptions::default().strategy(Strategy::Direct).inversion(descent(50))]
    {
        let recovered = recover(&network, &operator, options, &y);
        let infinite = Failure::InfiniteEntry { entry: 2, value: f64::NEG_INFINITY };
        assert_eq!(recovered.rows[0].status, Status::Failed(infinite));
        assert_eq!(recovered.rows[1].status, Status::Failed(Failure::NothingObserved));
        assert!(recovered.codes.columns(0, 2).iter().all(|z| z.is_nan()));
        assert!(recovered.codes.column(2).iter().all(|z| z.is_finite()));
    }
    let refused = |operator: Box<dyn Operator>, options: RecoverOptions, word: &str| {
        let error = Recoverer::new(network.clone(), operator, options).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{error}");
    };
    refused(Box::new(Pixels(59)), search(), "59 pixels");
    refused(
        operator(),
        RecoverOptions::default().strategy(Strategy::Direct).inversion(linf(false)),
        "layer-wise method",
    );
    let best = Options::default().method(Method::Best(BestMethod::default())).device(DeviceChoice::Cpu);
    refused(operator(), RecoverOptions::default().strategy(Strategy::Direct).inversion(best), "method `best`");
    for (field, wrong) in [
        ("step: 0", ProjectedOptions::default().step(0.0)),
        ("momentum: 1", ProjectedOptions::default().momentum(1.0)),
        ("iterations: 0", ProjectedOptions::default().iterations(0)),
    ] {
        let options = RecoverOptions::default().strategy(Strategy::Projected(wrong)).inversion(linf(true));
        refused(operator(), options, field);
    }
    let recoverer = Recoverer::new(network.clone(), operator(), search()).unwrap();
    assert!(recoverer.recover(&DMatrix::zeros(60, 1)).unwrap_err().is_usage());
    assert_eq!(recoverer.observation_length(), 20);
}
