//! `generate` measures images: what it writes is what `recover` reads.

use unrelu::read_npy;

use crate::folder::Folder;

/// `y = A G(z)`, with the matrix that was written; and `recover` finds the codes by the matrix, and
/// by the same seed.
#[test]
fn projections_are_those_of_the_written_matrix() {
    let folder = Folder::with_network();
    let run = ["generate", "net.safetensors", "--count", "6", "--seed", "5", "--codes-out", "z.npy"];
    folder.succeeds(&[&run[..], &["-o", "x.npy"]].concat());
    let force = ["--force", "-o", "y.npy", "--gaussian", "9", "--operator-out", "A.npy"];
    folder.succeeds(&[&run[..], &force].concat());
    let [x, y, a] = ["x.npy", "y.npy", "A.npy"].map(|name| read_npy(folder.path(name)).unwrap());
    // Read as rows: the matrix is 9 × 20.
    assert_eq!((a.shape(), y.shape()), ((20, 9), (9, 6)));
    let apart = (a.transpose() * x - &y).amax();
    assert!(apart <= 1e-12 * y.amax(), "{apart}");
    for (out, operator) in [("a.npy", &["--operator", "A.npy"][..]), ("b.npy", &["--gaussian", "9", "--seed", "5"])] {
        folder.run(&[&["recover", "net.safetensors", "y.npy", "-o", out, "--device", "cpu"], operator].concat());
    }
    let [z, by_matrix, by_seed] = ["z.npy", "a.npy", "b.npy"].map(|name| read_npy(folder.path(name)).unwrap());
    assert!((&by_matrix - &by_seed).amax() < 1e-6 && (by_matrix - z).amax() < 1e-3);
    // Noise comes after the measurement.
    folder.succeeds(&[&run[..], &["--force", "-o", "n.npy", "--gaussian", "9", "--noise", "uniform:0.01"]].concat());
    let noise = read_npy(folder.path("n.npy")).unwrap() - y;
    assert!(noise.amax() <= 0.01 && noise.iter().all(|e| *e != 0.0), "{}", noise.amax());
}

#[test]
fn masks_and_averages() {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,8,16", "-o", "net.safetensors"]);
    let run = ["generate", "net.safetensors", "--count", "4", "--force"];
    folder.succeeds(&[&run[..], &["-o", "x.npy"]].concat());
    folder.succeeds(&[&run[..], &["-o", "y.npy", "--average", "2", "--operator-out", "A.npy"]].concat());
    let [x, y, a] = ["x.npy", "y.npy", "A.npy"].map(|name| read_npy(folder.path(name)).unwrap());
    assert!((a.transpose() * &x - &y).amax() <= 1e-12 && y.nrows() == 4);
    let mask: Vec<f64> = (0..16).map(|pixel| f64::from(pixel % 3 != 0)).collect();
    let mask = nalgebra::DMatrix::from_vec(16, 1, mask);
    unrelu::write_npy(folder.path("mask.npy"), &mask, unrelu::ElementType::F64, true).unwrap();
    folder.succeeds(&[&run[..], &["-o", "m.npy", "--mask", "mask.npy"]].concat());
    let masked = read_npy(folder.path("m.npy")).unwrap();
    for (place, (seen, image)) in masked.iter().zip(&x).enumerate() {
        assert!(if place % 16 % 3 == 0 { seen.is_nan() } else { seen == image }, "{place}");
    }
    folder.refuses(
        &[&run[..], &["-o", "m.npy", "--operator-out", "B.npy"]].concat(),
        &["--operator-out", "a linear map"],
    );
    folder.refuses(&[&run[..], &["-o", "A.npy", "--operator", "A.npy"]].concat(), &["A.npy", "operator"]);
    folder.refuses(&[&run[..], &["-o", "m.npy", "--average", "3"]].concat(), &["3"]);
}
