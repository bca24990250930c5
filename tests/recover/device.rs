//! The search for codes of measurements on a GPU: the device takes part, or a message says why not.

use unrelu::{
    Activation, BestOptions, Dense, DeviceChoice, Network, Operator, Options, Pixels, RecoverOptions, Recoverer,
    Strategy,
};

use crate::products::applied;
use crate::support::{codes, errors, images, network};

fn on_gpu(network: Network, operator: impl Operator + 'static) -> Recoverer {
    let inversion = Options::default().device(DeviceChoice::Gpu);
    let options = RecoverOptions::default().strategy(Strategy::Search(BestOptions::default())).inversion(inversion);
    Recoverer::new(network, Box::new(operator), options).unwrap()
}

#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn the_search_runs_on_the_device() {
    // ReLU outputs need another layer for the operator; for identity outputs, it is folded into the
    // last layer.
    let mut layers = network().dense_layers();
    layers[1].activation = Activation::Identity;
    for network in [network(), Network::new(layers, "a test's network").unwrap()] {
        let truth = codes(&network, 8, 3);
        let operators: [&dyn Fn() -> Recoverer; 2] =
            [&|| on_gpu(network.clone(), Dense::gaussian(40, 60, 1).unwrap()), &|| on_gpu(network.clone(), Pixels(60))];
        for made in operators {
            let recoverer = made();
            assert_eq!(recoverer.runtime().notice(), None);
            let y = recoverer.operator().apply(&images(&network, &truth));
            let before = recoverer.runtime().device().dispatches();
            let recovered = recoverer.recover(&y).unwrap();
            assert!(recoverer.runtime().device().dispatches() > before, "{recoverer:?}");
            assert!(errors(&recovered.codes, &truth).iter().all(|error| *error < 1e-6), "{recoverer:?}");
            assert_eq!(recoverer.recover(&y).unwrap().codes, recovered.codes);
        }
    }
}

#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_search_that_the_device_has_no_part_in_says_so() {
    let mut layers = network().dense_layers();
    layers[1].activation = Activation::Sigmoid;
    let network = Network::new(layers, "a test's network").unwrap();
    let truth = codes(&network, 4, 3);
    let recoverer = on_gpu(network.clone(), Dense::gaussian(40, 60, 1).unwrap());
    let notice = recoverer.runtime().notice().unwrap_or_default();
    assert!(notice.contains("the search runs on the CPU") && notice.contains("sigmoid"), "{notice}");
    assert!(recoverer.runtime().description().starts_with("CPU"));
    let y = recoverer.operator().apply(&images(&network, &truth));
    let found = recoverer.recover(&y).unwrap().codes;
    assert!(errors(&found, &truth).iter().all(|error| *error < 1e-6));
}

#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_search_by_products_says_that_it_runs_on_the_cpu() {
    let network = network();
    let truth = codes(&network, 4, 3);
    let recoverer = on_gpu(network.clone(), applied());
    let notice = recoverer.runtime().notice().unwrap_or_default();
    assert!(notice.contains("the search runs on the CPU") && notice.contains("without its matrix"), "{notice}");
    assert!(recoverer.runtime().description().starts_with("CPU"));
    let y = recoverer.operator().apply(&images(&network, &truth));
    let found = recoverer.recover(&y).unwrap().codes;
    assert!(errors(&found, &truth).iter().all(|error| *error < 1e-6));
}
