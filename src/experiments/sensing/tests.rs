//! Networks that some methods do not support, and networks of one pixel.

use std::fs;
use std::path::Path;

use super::super::Nobody;
use super::super::gallery::tests::quick;
use super::super::{figure3, figure4, figure6};
use super::*;
use crate::random::random_network;

/// A network with hidden LeakyReLU layers and `last` as the activation of the output.
fn ending_in(last: Activation, sizes: &[usize]) -> Network {
    let mut layers = random_network(sizes, Activation::LeakyRelu(0.5), 3).unwrap().layers().to_vec();
    layers.last_mut().unwrap().activation = last;
    Network::new(layers, "a test").unwrap()
}

/// The columns `case`, `method` and `status` of each row of a record.
fn statuses(folder: &Path, name: &str) -> Vec<[String; 3]> {
    let mut reader = csv::Reader::from_path(folder.join(format!("{name}.csv"))).unwrap();
    let headers = reader.headers().unwrap().clone();
    let place = |name| headers.iter().position(|header| header == name).unwrap();
    let places = ["case", "method", "status"].map(place);
    reader.records().map(|record| record.unwrap()).map(|record| places.map(|place| record[place].to_owned())).collect()
}

#[test]
fn what_cannot_work_is_not_tried_and_says_why() {
    for last in [Activation::Sigmoid, Activation::Tanh, Activation::Identity, Activation::Relu] {
        let folder = tempfile::tempdir().unwrap();
        let study = Study::open(quick(folder.path(), ending_in(last, &[2, 5, 12])), &Nobody).unwrap();
        let text = figure4::run(&study).unwrap();
        let curved = matches!(last, Activation::Sigmoid | Activation::Tanh);
        let rows = statuses(folder.path(), "figure4");
        assert_eq!(rows.len(), 2 * 6 * 7);
        for [case, method, status] in rows {
            let impossible = match method.as_str() {
                "linf, seen pixels" => case == "gaussian:4",
                "descent" | "descent, Adam" => curved && case == "gaussian:4",
                _ => false,
            };
            assert_eq!(status.starts_with("not tried: "), impossible, "{last}: {case} {method} {status}");
            assert!(!impossible || text.contains(&status), "{text}");
        }
        assert_eq!(text.contains("sigmoid or tanh"), curved, "{text}");
    }
}

#[test]
fn images_of_one_pixel_have_errors() {
    let network = random_network(&[2, 3, 1], Activation::Relu, 4).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let study = Study::open(quick(folder.path(), network), &Nobody).unwrap();
    let text = [figure3::run(&study), figure4::run(&study), figure6::run(&study)].map(|text| text.unwrap()).concat();
    // At most as many projections as pixels.
    assert!(text.contains("1 random projection:"), "{text}");
    let mut search = text.lines().filter(|line| line.trim_start().starts_with("search"));
    assert!(search.any(|line| !line.contains("median inf")), "{text}");
    for name in ["figure3", "figure4", "figure6"] {
        assert!(fs::metadata(folder.path().join(format!("{name}.png"))).is_ok_and(|file| file.len() > 0));
    }
}

#[test]
fn the_text_says_how_far_each_way_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let study = Study::open(quick(folder.path(), ending_in(Activation::Relu, &[2, 4, 9])), &Nobody).unwrap();
    let text = figure4::run(&study).unwrap();
    assert!(text.contains(r#""PGD, linf" up to 100, "PGD, l1" up to 10, "PGD, linf refined" up to 100"#), "{text}");
    assert!(text.contains(r#""descent" has steps of 0.001, up to 1000 iterations and one start"#), "{text}");
    assert!(
        text.contains(r#""descent, Adam" has steps of 0.1, up to 1000 iterations and the best of 10 starts"#),
        "{text}"
    );
}
