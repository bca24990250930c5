//! Pictures can be drawn from a record alone, and the record is true for its codes.

use std::path::Path;

use super::super::{Nobody, Options};
use super::*;
use crate::batch::Inverter;
use crate::device::DeviceChoice;
use crate::network::Activation;
use crate::random::random_network;

/// The name of the descent with which other methods are compared; here, it is only a name.
const DESCENT: &str = Descent::Paper.label();

/// A quick study of `network`.
pub(in crate::experiments) fn quick(out: &Path, network: Network) -> Options {
    let network = Some(("small".into(), Arc::new(network)));
    Options { out: out.to_owned(), quick: true, seed: 5, network, threads: Some(2) }
}

fn options(out: &Path) -> Options {
    quick(out, random_network(&[3, 8, 30], Activation::Relu, 2).unwrap())
}

/// Seven images, with all pixels and with all but three observed. The second method is called
/// descent, and never has an answer.
fn gallery(study: &Study) -> Gallery {
    let mut gallery = Gallery::new(study, 1, 7, &["linf", DESCENT]).unwrap();
    let whole = gallery.images().clone();
    let mut part = whole.clone();
    part.rows_mut(0, 27).fill(f64::NAN);
    for (name, observations) in [("whole", whole), ("part", part)] {
        let (name, caption, shown) = (name.to_owned(), name.to_owned(), observations.clone());
        gallery.observe(Block { name, caption, observations, shown, matrix: None });
    }
    gallery
}

fn recovered(study: &Study, gallery: &Gallery) -> Vec<Row> {
    let invert = |_: usize, observation: &DMatrix<f64>, _: usize, method: usize| {
        if method == 1 {
            return Ok(Outcome::NotTried("a reason"));
        }
        let options =
            crate::batch::Options { device: DeviceChoice::Cpu, threads: Some(1), ..crate::batch::Options::default() };
        let inverter = Inverter::new(Arc::clone(gallery.network()), options)?;
        timed(|| inverter.invert(observation))
    };
    gallery.recover(study, "gallery", invert).unwrap()
}

#[test]
fn rows_agree_with_errors_computed_from_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let study = Study::open(options(folder.path()), &Nobody).unwrap();
    let gallery = gallery(&study);
    let rows = recovered(&study, &gallery);
    assert_eq!(rows.len(), 2 * 7 * 2);
    // Entry by entry, in loops: not as the gallery computes them.
    let output = |code: &[f64]| {
        gallery.network().layers().iter().fold(code.to_vec(), |input, layer| {
            let unit = |row: usize| -> f64 {
                let sum: f64 = input.iter().enumerate().map(|(column, z)| layer.weight()[(row, column)] * z).sum();
                (sum + layer.bias[row]).max(0.0)
            };
            (0..layer.units()).map(unit).collect()
        })
    };
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    for row in &rows {
        let code: Vec<f64> = row.code.split(' ').map(|entry| entry.parse().unwrap()).collect();
        if row.method == DESCENT {
            assert!(code.iter().all(|entry| entry.is_nan()) && row.status == "not tried: a reason");
            assert!(row.image_error.is_infinite() && !row.success, "{row:?}");
            continue;
        }
        let truth = gallery.codes.column(row.image);
        let image = output(truth.as_slice());
        let image_error = distance(&output(&code), &image) / distance(&image, &vec![0.0; image.len()]);
        let code_error = distance(&code, truth.as_slice()) / truth.norm();
        assert!((row.image_error - image_error).abs() < 1e-12 * (1.0 + image_error), "{row:?} {image_error}");
        assert!((row.code_error - code_error).abs() < 1e-12 * (1.0 + code_error), "{row:?} {code_error}");
        assert_eq!(row.success, image_error <= 1e-3);
        assert!((row.image_pinned && row.layers_determined) || row.case == "part", "{row:?}");
    }
    assert!(rows.iter().any(|row| row.success) && rows.iter().any(|row| !row.code_pinned));
    let tally = gallery.tally(&rows, "whole", "linf").unwrap();
    let recovered = rows.iter().filter(|row| row.case == "whole" && row.success).count();
    assert_eq!((tally.recovered, tally.pinned, tally.by_layers), (recovered, recovered, recovered));
    let words = format!("recovered {recovered} ({recovered} of the pinned down, {recovered} of the determined);");
    assert!(gallery.summary(&rows).contains(&words), "{}", gallery.summary(&rows));
}

#[test]
fn nothing_is_nearer_than_what_was_not_tried() {
    let folder = tempfile::tempdir().unwrap();
    let study = Study::open(options(folder.path()), &Nobody).unwrap();
    let gallery = gallery(&study);
    let mut rows = recovered(&study, &gallery);
    assert!(gallery.tally(&rows, "whole", DESCENT).is_none());
    assert_eq!(gallery.nearer(&rows, "whole", "linf", DESCENT), None);
    let summary = gallery.summary(&rows);
    assert!(summary.contains("descent  not tried: a reason") && !summary.contains("nearer"), "{summary}");
    // The second method gets answers, all worse except for two.
    for row in rows.iter_mut().filter(|row| row.method == DESCENT) {
        row.status = "converged".to_owned();
        row.image_error = if row.image < 2 { 0.0 } else { 1e9 };
    }
    assert_eq!(gallery.nearer(&rows, "whole", "linf", DESCENT), Some(5));
    assert!(gallery.summary(&rows).contains("nearer than \"descent\" 5;"), "{}", gallery.summary(&rows));
}

#[test]
fn errors_relative_to_nothing() {
    let of = |found: [f64; 2], truth: [f64; 2]| {
        let matrix = |entries: [f64; 2]| DMatrix::from_column_slice(2, 1, &entries);
        relative(&matrix(found).column(0), &matrix(truth).column(0))
    };
    assert_eq!((of([0.0; 2], [0.0; 2]), of([3.0, 8.0], [3.0, 4.0])), (0.0, 0.8));
    assert_eq!((of([1e-9, 0.0], [0.0; 2]), of([f64::NAN; 2], [0.0; 2])), (f64::INFINITY, f64::INFINITY));
}

#[test]
fn a_picture_is_drawn_from_the_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    let grid = {
        let study = Study::open(options(folder.path()), &Nobody).unwrap();
        let gallery = gallery(&study);
        gallery.grid("title", &recovered(&study, &gallery))
    };
    let study = Study::open(options(folder.path()), &Nobody).unwrap();
    let again = self::gallery(&study);
    let nothing = |_: usize, _: &DMatrix<f64>, _: usize, _: usize| -> Result<Outcome> { panic!("it is all recorded") };
    let rows = again.recover(&study, "gallery", nothing).unwrap();
    let drawn = again.grid("title", &rows);
    // NaN is not equal to itself, but its text is.
    assert_eq!(format!("{drawn:?}"), format!("{grid:?}"));
    // Two groups of six: truth, observed, linf, and nothing of the second method.
    assert_eq!(drawn.captions, ["whole", "", "", "", "", "", "part", "", "", "", "", ""]);
    assert_eq!((drawn.rows.len(), drawn.height, drawn.width), (4, 5, 6));
    assert!(drawn.rows[3].images.iter().all(|pixel| pixel.is_nan()));
    let success = rows.iter().find(|row| row.case == "whole" && row.success && row.image < 6).unwrap().image;
    let difference = drawn.rows[2].images.column(success) - drawn.rows[0].images.column(success);
    assert!(difference.norm() <= 1e-3 * drawn.rows[0].images.column(success).norm());
}

#[test]
fn larger_networks_get_less() {
    let of = |sizes: &[usize], number| within_reach(&random_network(sizes, Activation::Relu, 1).unwrap(), number);
    assert_eq!((of(&[20, 60, 784], 100), of(&[20, 200, 500, 784], 100), of(&[20, 200, 500, 784], 4)), (100, 10, 1));
}
