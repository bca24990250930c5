//! Shapes and types of masks, operators and observations that people have.

use crate::folder::{Folder, npy};

/// 3 → 16 → 64, images `x.npy` of 8 × 8 pixels and their codes `truth.npy`.
fn with_images() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,64", "-o", "net.safetensors", "--seed", "1"]);
    let to = ["--codes-out", "truth.npy", "-o", "x.npy", "--seed", "4"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "4"], &to[..]].concat());
    folder
}

fn file(kind: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    npy(&format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"), data)
}

fn data(folder: &Folder, name: &str) -> Vec<f64> {
    folder.bytes(name)[128..].as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
}

fn bytes(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Recovers the codes and compares them with the truth; returns what was said.
#[track_caller]
fn recovers(folder: &Folder, measurements: &str, more: &[&str]) -> String {
    let start = ["recover", "net.safetensors", measurements, "-o", "z.npy", "--device", "cpu", "--force"];
    let output = folder.run(&[&start, more].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (found, truth) = (data(folder, "z.npy"), data(folder, "truth.npy"));
    assert!(found.iter().zip(&truth).all(|(z, t)| (z - t).abs() < 1e-6), "{more:?}: other codes");
    said
}

#[test]
fn one_mask_for_all_images_has_many_shapes_and_types() {
    let folder = with_images();
    let seen: Vec<u8> = (0..64).map(|pixel| u8::from(pixel % 3 != 0)).collect();
    let floats: Vec<u8> = seen.iter().flat_map(|x| f32::from(*x).to_le_bytes()).collect();
    let integers: Vec<u8> = seen.iter().flat_map(|x| i64::from(*x).to_le_bytes()).collect();
    let cases: [(&str, &str, &[u8]); 7] = [
        ("|b1", "(64,)", &seen),
        ("|b1", "(8, 8)", &seen),
        ("|b1", "(1, 8, 8)", &seen),
        ("|u1", "(8, 8)", &seen),
        ("<f4", "(1, 1, 8, 8)", &floats),
        ("<i8", "(64,)", &integers),
        ("<i8", "(1, 64)", &integers),
    ];
    for (kind, shape, numbers) in cases {
        folder.write("mask.npy", file(kind, false, shape, numbers));
        let said = recovers(&folder, "x.npy", &["--mask", "mask.npy"]);
        let told = format!("shape {shape} is read as one mask of 64 entries, for all observations");
        assert_eq!(said.contains(&told), shape != "(1, 64)", "{said}");
    }
    folder.write("mask.npy", file("|b1", false, "(4, 8, 8)", &seen.repeat(4)));
    let said = recovers(&folder, "x.npy", &["--mask", "mask.npy"]);
    assert!(said.contains("read as 4 masks of 64 entries") && !said.contains("for all"), "{said}");
}

#[test]
fn other_masks_are_refused_with_value_and_place() {
    let folder = with_images();
    let refused = |kind: &str, shape: &str, numbers: &[u8], words: &[&str]| {
        folder.write("mask.npy", file(kind, false, shape, numbers));
        folder.refuses(&["recover", "net.safetensors", "x.npy", "-o", "c.npy", "--mask", "mask.npy"], words);
    };
    let mut seen = vec![1u8; 256];
    seen[9] = 255;
    refused("|u1", "(8, 8)", &seen[..64], &["mask.npy", "the number 255 in mask 0 at entry 9", "mask > 0.5"]);
    seen[9] = 1;
    seen[64 * 3 + 5] = 2;
    refused("|u1", "(4, 64)", &seen, &["the number 2 in mask 3 at entry 5"]);
    refused("|u1", "(3, 8, 8)", &seen[..192], &["3 masks", "4, one for each"]);
    refused("|b1", "(63,)", &seen[..63], &["shape (63,)", "64 entries per row"]);
}

#[test]
fn operators_are_read_in_any_order_and_their_faults_are_named() {
    let folder = with_images();
    let entry = |row: usize, column: usize| f64::from(((row * 7 + column * 3) % 11) as u8) - 5.0;
    let rows: Vec<f64> = (0..20).flat_map(|row| (0..64).map(move |column| entry(row, column))).collect();
    let columns: Vec<f64> = (0..64).flat_map(|column| (0..20).map(move |row| entry(row, column))).collect();
    let images = data(&folder, "x.npy");
    let product = |image: &[f64], row: &[f64]| image.iter().zip(row).map(|(x, a)| x * a).sum::<f64>();
    let measured: Vec<f64> =
        images.chunks(64).flat_map(|image| rows.chunks(64).map(move |row| product(image, row))).collect();
    folder.write("y.npy", file("<f8", false, "(4, 20)", &bytes(&measured)));
    let whole: Vec<u8> = columns.iter().map(|x| (*x as i8) as u8).collect();
    for operator in [
        file("<f8", false, "(20, 64)", &bytes(&rows)),
        file("<f8", true, "(20, 64)", &bytes(&columns)),
        file("|i1", true, "(20, 64)", &whole),
        file("<f8", false, "(20, 8, 8)", &bytes(&rows)),
    ] {
        folder.write("A.npy", operator);
        recovers(&folder, "y.npy", &["--operator", "A.npy"]);
    }
    let refused = |operator: Vec<u8>, words: &[&str]| {
        folder.write("A.npy", operator);
        folder.refuses(&["recover", "net.safetensors", "y.npy", "-o", "c.npy", "--operator", "A.npy"], words);
    };
    refused(
        file("<f8", false, "(64, 20)", &bytes(&columns)),
        &["A.npy", "shape (64, 20)", "its other dimension fits: save A.T"],
    );
    for (bad, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let mut rows = rows.clone();
        rows[2 * 64 + 1] = bad;
        let words = format!("{name} in the operator at [2, 1]");
        refused(file("<f8", false, "(20, 64)", &bytes(&rows)), &["A.npy", &words, "how the operator was made"]);
    }
    refused(file("<f8", false, "(20, 63)", &bytes(&rows[..20 * 63])), &["63 entries per row"]);
}

#[test]
fn observations_are_images_or_a_single_one() {
    let folder = with_images();
    let images = data(&folder, "x.npy");
    folder.write("images.npy", file("<f8", false, "(4, 1, 8, 8)", &bytes(&images)));
    let said = recovers(&folder, "images.npy", &[]);
    assert!(said.contains("shape (4, 1, 8, 8) is read as 4 observations of 64 entries"), "{said}");
    let by_column: Vec<f64> =
        (0..64).flat_map(|pixel| (0..4).map(move |image| image * 64 + pixel)).map(|at| images[at]).collect();
    folder.write("fortran.npy", file("<f8", true, "(4, 64)", &bytes(&by_column)));
    recovers(&folder, "fortran.npy", &[]);
    for shape in ["(64,)", "(8, 8)"] {
        folder.write("one.npy", file("<f8", false, shape, &bytes(&images[..64])));
        let said = recovers(&folder, "one.npy", &[]);
        assert!(said.contains(&format!("shape {shape} is read as one observation of 64 entries")), "{said}");
    }
}
