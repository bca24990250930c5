//! `inspect --check`: the network of a file passes with its own outputs, rounded as a model in f32
//! rounds them; a wrong one never does.

use std::cell::Cell;

use nalgebra::DMatrix;
use proptest::prelude::*;
use unrelu::internals::formats::safetensors::write_network;
use unrelu::{Activation, DenseLayer, ElementType, Network, write_npy};

use crate::decoders::{Decoder, decoders};
use crate::folder::Folder;
use crate::trial::check;

/// The network's outputs, computed in f32.
fn in_single(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    let mut made = codes.map(|z| z as f32);
    for layer in network.layers() {
        let bias = layer.bias.map(|b| b as f32);
        made = layer.weight().map(|w| w as f32) * made;
        made.column_iter_mut().for_each(|mut column| column += &bias);
        made.apply(|a| *a = layer.activation.apply(f64::from(*a)) as f32);
    }
    made.map(f64::from)
}

/// How a file differs from the model.
#[derive(Debug, Clone)]
enum Wrong {
    /// Another activation of the output.
    Output(Activation),
    /// Another slope of the hidden layers.
    Hidden(Activation),
    /// A layer without its bias.
    NoBias(prop::sample::Index),
    /// A row of a weight times a factor.
    Row(prop::sample::Index, f64),
    /// Two units of the output in each other's place.
    Swapped(prop::sample::Index),
}

fn wrongs() -> impl Strategy<Value = Wrong> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        proptest::sample::select(&crate::decoders::OUTPUTS[..]).prop_map(Wrong::Output),
        prop_oneof![Just(Activation::Relu), Just(Activation::LeakyRelu(0.1))].prop_map(Wrong::Hidden),
        index().prop_map(Wrong::NoBias),
        (index(), prop_oneof![Just(0.0), Just(1.01), Just(-1.0)]).prop_map(|(row, factor)| Wrong::Row(row, factor)),
        index().prop_map(Wrong::Swapped),
    ]
}

fn spoilt(network: &Network, wrong: &Wrong) -> Network {
    let mut layers: Vec<DenseLayer> = network.dense_layers();
    let last = layers.len() - 1;
    match wrong {
        Wrong::Output(activation) => layers[last].activation = *activation,
        Wrong::Hidden(activation) => layers[..last].iter_mut().for_each(|layer| layer.activation = *activation),
        Wrong::NoBias(layer) => layers[layer.index(last + 1)].bias.fill(0.0),
        Wrong::Row(row, factor) => {
            let row = row.index(layers[last].units());
            layers[last].weight.row_mut(row).scale_mut(*factor);
        }
        Wrong::Swapped(row) => {
            let row = row.index(layers[last].units() - 1);
            layers[last].weight.swap_rows(row, row + 1);
            layers[last].bias.swap_rows(row, row + 1);
        }
    }
    Network::dense(layers).unwrap()
}

/// Gives each output unit another size, from 1e-6 to 1, so that small ones stand beside large ones.
fn of_all_sizes(network: &Network, powers: &[i32]) -> Network {
    let mut layers = network.dense_layers();
    let last = layers.last_mut().unwrap();
    for unit in 0..last.units() {
        let size = 10f64.powi(-powers[unit % powers.len()]);
        last.weight.row_mut(unit).scale_mut(size);
        last.bias[unit] *= size;
    }
    Network::dense(layers).unwrap()
}

/// The largest difference of a unit, as a share of the largest output that it has in one of them.
fn apart(left: &DMatrix<f64>, right: &DMatrix<f64>) -> f64 {
    let of_unit = |unit: usize| {
        let size = left.row(unit).amax().max(right.row(unit).amax());
        if size == 0.0 { 0.0 } else { (left.row(unit) - right.row(unit)).amax() / size }
    };
    (0..left.nrows()).map(of_unit).fold(0.0, f64::max)
}

#[test]
fn the_right_network_passes_and_a_wrong_one_never_does() {
    let seen = Cell::new([0; 2]);
    let inputs = (decoders(40), wrongs(), proptest::collection::vec(0..7i32, 3..8), any::<bool>());
    check(60, inputs, |(case, wrong, powers, is_single)| {
        let Decoder { codes, network, .. } = case;
        let network = of_all_sizes(&network, &powers);
        // Codes that the files hold exactly.
        let codes = codes.map(|z| f64::from(z as f32));
        let outputs = in_single(&network, &codes);
        let folder = Folder::empty();
        let of = |dtype| if is_single { ElementType::F32 } else { dtype };
        write_npy(folder.path("z.npy"), &codes, of(ElementType::F64), false).unwrap();
        write_npy(folder.path("x.npy"), &outputs, of(ElementType::F64), false).unwrap();
        let checked = |network: &Network, name: &str| {
            write_network(&folder.path(name), network, false).unwrap();
            let output = folder.run(&["inspect", name, "--check", "z.npy", "x.npy"]);
            let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            (output.status.code(), text)
        };
        let (code, text) = checked(&network, "right.safetensors");
        prop_assert_eq!(code, Some(0), "{}", text);
        let other = spoilt(&network, &wrong);
        let error = apart(&crate::support::forward(&other, 0..other.depth(), &codes), &outputs);
        // Between the precision of f32 and this the two are not told apart for sure.
        if error > 2e-3 {
            let (code, text) = checked(&other, "wrong.safetensors");
            prop_assert!(code == Some(3) && text.contains("does not make these outputs"), "{error}: {text}");
        }
        let mut counts = seen.get();
        counts[usize::from(error > 2e-3)] += 1;
        seen.set(counts);
        Ok(())
    });
    assert!(seen.get()[1] >= 35, "{:?}", seen.get());
}
