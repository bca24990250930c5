//! Other units of a hidden layer: its weights and biases times a power of two, the next layer's
//! weights divided by it. The generator is the same.
//!
//! `exact` returns the same codes, bit for bit, and the same row of the report, except for the
//! hidden layer's own units: its tolerance is a share of the data. The other methods start at the
//! same ε₀ in every layer, so only the layers above the changed one have to stay the same. They do
//! down to the first layer that leaves entries open: what it hands on is chosen by the residual of
//! the code, so by the layers below.

use proptest::prelude::*;
use unrelu::{DenseLayer, LayerRow, LayerwiseMethod, Network};

use crate::generators::{Case, cases};
use crate::independence::LAYERWISE;
use crate::observation_units::{bits, invert};
use crate::trial::check;

/// The same generator; the output of hidden layer `hidden` (from 0) is `units` times as large.
fn in_units(case: &Case, hidden: usize, units: f64) -> Case {
    let of_layer = |(index, mut layer): (usize, DenseLayer)| {
        if index == hidden {
            layer.weight *= units;
            layer.bias *= units;
        } else if index == hidden + 1 {
            layer.weight /= units;
        }
        layer
    };
    let layers = case.network.dense_layers().into_iter().enumerate().map(of_layer).collect();
    Case { network: Network::dense(layers).unwrap(), ..case.clone() }
}

/// A layer's row; the numbers in units of the hidden layer are divided by them.
fn text(row: &LayerRow, units: f64) -> String {
    let mut row = row.clone();
    row.epsilon /= units;
    row.objective /= units;
    format!("{row:?}")
}

fn inputs() -> impl Strategy<Value = (Case, usize, i32)> {
    let deep = cases(1..3).prop_filter("one layer", |case| case.network.depth() > 1);
    deep.prop_flat_map(|case| {
        let hidden = 0..case.network.depth() - 1;
        (Just(case), hidden, -20..20i32)
    })
}

#[test]
fn a_hidden_layer_in_other_units() {
    check(250, inputs(), |(case, hidden, power)| {
        let units = 2.0f64.powi(power);
        let changed = in_units(&case, hidden, units);
        for method in LAYERWISE {
            let (before, after) = (invert(&case, method), invert(&changed, method));
            let is_exact = method == LayerwiseMethod::Exact;
            for index in (0..case.observations.ncols()).filter(|_| is_exact) {
                let codes = (bits(&before, index, 1.0, case.epsilon), bits(&after, index, 1.0, case.epsilon));
                prop_assert_eq!(codes.0, codes.1);
            }
            for (before, after) in before.rows.iter().zip(&after.rows) {
                if is_exact {
                    let kind = |row: &unrelu::ObservationRow| format!("{:?}", row.status.failure().map(|f| f.kind()));
                    prop_assert_eq!(kind(before), kind(after));
                    prop_assert_eq!(before.status.is_good(), after.status.is_good());
                }
                let determined = before.layers.iter().take_while(|layer| layer.determined).count();
                let same = if is_exact { before.layers.len() } else { determined + 1 };
                for (before, after) in before.layers.iter().zip(&after.layers).take(same) {
                    // Layers are counted from 1.
                    let own = before.layer == hidden + 1;
                    if before.layer > hidden + 1 || is_exact {
                        let units = if own { units } else { 1.0 };
                        prop_assert_eq!(text(before, 1.0), text(after, units), "{}", method);
                    }
                }
            }
        }
        Ok(())
    });
}
