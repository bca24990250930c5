//! The operators against explicit matrices, and adjoints against inner products.

use nalgebra::DMatrix;
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{BlockAverage, Dense, Operator, Pixels};

fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Noise, 0, rows * columns))
}

fn operators() -> Vec<Box<dyn Operator>> {
    let matrix = random(7, 24, 9);
    vec![
        Box::new(Pixels(24)),
        Box::new(Dense::gaussian(11, 24, 3).unwrap()),
        Box::new(Dense::new(matrix, "the test matrix", ("operator".to_owned(), "test".to_owned())).unwrap()),
        Box::new(BlockAverage::new(4, 6, 2).unwrap()),
    ]
}

#[test]
fn adjoints_are_adjoint_and_matrices_are_what_is_applied() {
    for operator in operators() {
        let (n, m) = (operator.pixels(), operator.measurements());
        // 300 columns are processed in several blocks.
        for count in [1, 5, 300] {
            let (x, y) = (random(n, count, 1), random(m, count, 2));
            let (applied, adjoint) = (operator.apply(&x), operator.adjoint(&y));
            for column in 0..count {
                let left = applied.column(column).dot(&y.column(column));
                let right = x.column(column).dot(&adjoint.column(column));
                assert!((left - right).abs() < 1e-12 * (1.0 + left.abs()), "{operator:?}: {left} {right}");
            }
            let matrix = operator.matrix().unwrap_or_else(|| DMatrix::identity(n, n));
            let by_hand = DMatrix::from_fn(m, count, |row, column| {
                (0..n).map(|pixel| matrix[(row, pixel)] * x[(pixel, column)]).sum::<f64>()
            });
            assert!((&by_hand - &applied).amax() < 1e-12, "{operator:?}");
            // A column does not depend on its neighbours, bit for bit.
            let first = operator.apply(&x.columns(0, 1).into_owned());
            assert_eq!(first.column(0), applied.column(0));
            assert_eq!(operator.adjoint(&y.columns(0, 1).into_owned()).column(0), adjoint.column(0));
        }
    }
}

#[test]
fn averages_are_those_of_the_blocks() {
    // 4 × 6 pixels numbered from 0 row by row, in blocks of 2 × 2.
    let image = DMatrix::from_fn(24, 1, |pixel, _| pixel as f64);
    let averages = BlockAverage::new(4, 6, 2).unwrap().apply(&image);
    assert_eq!(averages.as_slice(), [3.5, 5.5, 7.5, 15.5, 17.5, 19.5]);
    for (height, width, block) in [(4, 6, 4), (4, 6, 0), (0, 6, 2)] {
        assert!(BlockAverage::new(height, width, block).unwrap_err().is_usage());
    }
}

#[test]
fn gaussian_columns_have_unit_norm_on_average_and_come_from_the_seed() {
    let operator = Dense::gaussian(400, 100, 3).unwrap();
    let matrix = operator.matrix().unwrap();
    let mean = matrix.norm_squared() / 100.0;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    assert!((matrix.mean() * 20.0).abs() < 0.02);
    assert_eq!(Dense::gaussian(400, 100, 3).unwrap().matrix(), Some(matrix.clone()));
    assert_ne!(Dense::gaussian(400, 100, 4).unwrap().matrix(), Some(matrix));
    assert!(Dense::gaussian(0, 100, 3).unwrap_err().is_usage());
}

#[test]
fn matrices_that_measure_nothing_are_refused() {
    let option = ("operator".to_owned(), "test".to_owned());
    for matrix in [DMatrix::zeros(2, 3), DMatrix::zeros(0, 3), DMatrix::from_element(2, 3, f64::NAN)] {
        let error = Dense::new(matrix, "the test matrix", option.clone()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("the test matrix"), "{error}");
    }
}

/// Bytes are pixel values in observations and masks; in a matrix they are plain numbers.
#[test]
fn a_matrix_of_bytes_holds_the_numbers_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes().chain([1, 0, 255, 7, 2, 0]));
    std::fs::write(&path, bytes).unwrap();
    let matrix = Dense::from_file(&path, 3).unwrap().matrix().unwrap();
    assert_eq!(matrix, DMatrix::from_row_slice(2, 3, &[1.0, 0.0, 255.0, 7.0, 2.0, 0.0]));
}

/// An operator of the caller's own, whose matrix is wrong.
#[derive(Debug)]
struct Wrong(nalgebra::DMatrix<f64>);

impl Operator for Wrong {
    fn pixels(&self) -> usize {
        60
    }
    fn measurements(&self) -> usize {
        20
    }
    fn apply(&self, images: &nalgebra::DMatrix<f64>) -> nalgebra::DMatrix<f64> {
        images.rows(0, 20).into_owned()
    }
    fn adjoint(&self, measurements: &nalgebra::DMatrix<f64>) -> nalgebra::DMatrix<f64> {
        measurements.clone().resize_vertically(60, 0.0)
    }
    fn matrix(&self) -> Option<nalgebra::DMatrix<f64>> {
        Some(self.0.clone())
    }
    fn identity(&self) -> (String, String) {
        ("wrong".to_owned(), String::new())
    }
}

#[test]
fn a_matrix_that_does_not_fit_its_operator_is_refused() {
    let refused = |matrix: nalgebra::DMatrix<f64>, word: &str| {
        let options = unrelu::RecoverOptions::default();
        let network = crate::support::network();
        let error = unrelu::Recoverer::new(network, Box::new(Wrong(matrix)), options).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{error}");
    };
    refused(nalgebra::DMatrix::zeros(60, 20), "20 × 60");
    refused(nalgebra::DMatrix::from_element(20, 60, f64::NAN), "finite");
}
