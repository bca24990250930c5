//! `recover` and `picture`: input files, output files, and rejected inputs.

use std::fs;

use crate::folder::{Folder, npy};

/// A file of f64 rows.
fn numbers(rows: &[Vec<f64>]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}", rows.len(), rows[0].len());
    npy(&header, &rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

/// A file of truth values.
fn mask(rows: &[Vec<bool>]) -> Vec<u8> {
    let header = format!("{{'descr': '|b1', 'fortran_order': False, 'shape': ({}, {}), }}", rows.len(), rows[0].len());
    npy(&header, &rows.iter().flatten().map(|x| u8::from(*x)).collect::<Vec<u8>>())
}

/// 3 → 16 → 64, 20 images `x.npy` of 8 × 8 pixels and their codes `truth.npy`.
fn with_images() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,64", "-o", "net.safetensors", "--seed", "1"]);
    let to = ["--codes-out", "truth.npy", "-o", "x.npy", "--seed", "4"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "20"], &to[..]].concat());
    folder
}

fn recover<'a>(measurements: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["recover", "net.safetensors", measurements, "-o", "z.npy", "--device", "cpu"], more].concat()
}

fn data(folder: &Folder, name: &str) -> Vec<f64> {
    folder.bytes(name)[128..].as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
}

/// Measurements of `x.npy` by a matrix, computed independently here.
fn measured(folder: &Folder, matrix: &[Vec<f64>]) -> Vec<u8> {
    let images = data(folder, "x.npy");
    let measure = |image: &[f64], row: &[f64]| row.iter().zip(image).map(|(a, x)| a * x).sum::<f64>();
    numbers(&images.chunks(64).map(|image| matrix.iter().map(|row| measure(image, row)).collect()).collect::<Vec<_>>())
}

fn matrix(rows: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|i| (0..64).map(|j| (((i * 64 + j) as f64).powi(2) * 0.37).sin() / 5.0).collect()).collect()
}

#[track_caller]
fn all_codes_found(folder: &Folder, least: usize) {
    let (found, truth) = (data(folder, "z.npy"), data(folder, "truth.npy"));
    let close = |(z, truth): (&[f64], &[f64])| z.iter().zip(truth).all(|(z, t)| (z - t).abs() < 1e-3);
    let count = found.chunks(3).zip(truth.chunks(3)).filter(|pair| close(*pair)).count();
    assert!(count >= least, "{count} of 20");
}

#[test]
fn masks_one_for_all_and_one_each() {
    let folder = with_images();
    let seen = |i: usize, j: usize| !(i * 5 + j * 7).is_multiple_of(3);
    folder.write("each.npy", mask(&(0..20).map(|i| (0..64).map(|j| seen(i, j)).collect()).collect::<Vec<_>>()));
    folder.write("all.npy", mask(&[(0..64).map(|j| seen(0, j)).collect()]));
    let report = ["--truth", "truth.npy", "--report", "r.csv", "--force"];
    for name in ["each.npy", "all.npy"] {
        let text = folder.succeeds(&recover("x.npy", &[&["--mask", name], &report[..]].concat()));
        assert!(text.contains("20 converged") && text.contains("image error up to 1e-3: 20 (100.0 %)"), "{text}");
        all_codes_found(&folder, 20);
        let report = String::from_utf8(folder.bytes("r.csv")).unwrap();
        assert!(
            report.starts_with("index,status") && report.lines().next().unwrap().contains("image_error"),
            "{report}"
        );
    }
    // NaN has the same effect as a mask.
    let mut images = data(&folder, "x.npy");
    images.iter_mut().enumerate().filter(|(at, _)| !seen(0, at % 64)).for_each(|(_, x)| *x = f64::NAN);
    folder.write("nan.npy", numbers(&images.chunks(64).map(<[f64]>::to_vec).collect::<Vec<_>>()));
    let masked = folder.bytes("z.npy");
    folder.succeeds(&recover("nan.npy", &["--force"]));
    assert_eq!(folder.bytes("z.npy"), masked);
    // Layer by layer, and by projected gradient descent.
    folder.run(&recover("x.npy", &["--mask", "all.npy", "--direct=linf", "--force"]));
    all_codes_found(&folder, 8);
    folder.run(&recover("x.npy", &["--mask", "all.npy", "--inner", "linf", "--refine", "--restarts", "3", "--force"]));
    all_codes_found(&folder, 18);
}

#[test]
fn matrices_projections_and_averages() {
    let folder = with_images();
    let a = matrix(24);
    folder.write("A.npy", numbers(&a));
    folder.write("y.npy", measured(&folder, &a));
    let picture = ["--picture", "p.png", "--truth", "truth.npy"];
    folder.succeeds(&recover("y.npy", &[&["--operator", "A.npy"], &picture[..]].concat()));
    all_codes_found(&folder, 20);
    assert!(folder.bytes("p.png").starts_with(b"\x89PNG"));
    folder.succeeds(&recover("y.npy", &["--operator", "A.npy", "--picture", "p.svg", "--force"]));
    let picture = String::from_utf8(folder.bytes("p.svg")).unwrap();
    assert!(picture.contains(">Images recovered from linear measurements: observations 0 to 11</text>"));
    fs::rename(folder.path("z.npy"), folder.path("direct.npy")).unwrap();
    // The descents are baselines, at their defaults.
    for (way, least) in [("--direct=descent", 3), ("--inner=descent", 3), ("--inner=best", 12)] {
        let beside =
            ["--operator", "A.npy", "--picture", "p.png", "--beside", "direct.npy", "--restarts", "5", "--force"];
        folder.run(&recover("y.npy", &[&[way], &beside[..]].concat()));
        all_codes_found(&folder, least);
    }
    let average = |i: usize, j: usize| if (j / 8 / 2, j % 8 / 2) == (i / 4, i % 4) { 0.25 } else { 0.0 };
    let average: Vec<Vec<f64>> = (0..16).map(|i| (0..64).map(|j| average(i, j)).collect()).collect();
    folder.write("small.npy", measured(&folder, &average));
    folder.succeeds(&recover("small.npy", &["--average", "2", "--image", "8x8", "--force"]));
    all_codes_found(&folder, 19);
}

/// The same bytes for every batch size, after a resume with nothing left to do, and from shards.
#[test]
fn batches_shards_and_resuming() {
    let folder = with_images();
    let a = matrix(24);
    folder.write("A.npy", numbers(&a));
    folder.write("y.npy", measured(&folder, &a));
    let way = ["--operator", "A.npy", "--inner", "linf", "--refine", "--restarts", "1", "--report"];
    let run = |more: &[&str]| folder.run(&recover("y.npy", &[&way[..], more].concat()));
    run(&["r.jsonl", "--batch", "5"]);
    let whole = (folder.bytes("z.npy"), folder.bytes("r.jsonl"));
    let again = run(&["r.jsonl", "--batch", "5", "--resume"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to do"));
    let other = run(&["r.jsonl", "--batch", "5", "--resume", "--momentum", "0.5"]);
    assert!(other.status.code() == Some(2) && String::from_utf8_lossy(&other.stderr).contains("--momentum"));
    run(&["r.jsonl", "--batch", "7", "--force"]);
    assert_eq!((folder.bytes("z.npy"), folder.bytes("r.jsonl")), whole);
    for shard in ["1", "2"] {
        let (codes, report, of) = (format!("p{shard}.npy"), format!("p{shard}.jsonl"), format!("{shard}/2"));
        let mut part = vec!["recover", "net.safetensors", "y.npy", "-o", &codes, "--batch", "5", "--shard", &of];
        part.extend(way);
        part.extend([&report, "--device", "cpu"]);
        folder.run(&part);
    }
    folder.succeeds(&["merge", "-o", "m.npy", "--report", "m.jsonl", "p1.npy", "p2.npy"]);
    assert_eq!((folder.bytes("m.npy"), folder.bytes("m.jsonl")), whole);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = with_images();
    folder.write("A.npy", numbers(&matrix(24)));
    folder.write("y.npy", measured(&folder, &matrix(24)));
    folder.write("narrow.npy", numbers(&[vec![1.0; 63]]));
    folder.write("zeros.npy", numbers(&[vec![0.0; 64]]));
    folder.write("nothing.npy", mask(&[vec![false; 64]]));
    folder.write("nothings.npy", mask(&vec![vec![false; 64]; 20]));
    folder.write("few.npy", mask(&vec![vec![true; 64]; 3]));
    folder.write("half.npy", numbers(&[vec![0.5; 64]]));
    folder.write("short.npy", mask(&[vec![true; 63]]));
    let refused = |measurements: &str, more: &[&str], words: &[&str]| {
        folder.refuses(&recover(measurements, more), words);
    };
    // Operators of other shapes, and measurements of another operator.
    refused(
        "y.npy",
        &["--operator", "narrow.npy"],
        &["narrow.npy", "63 entries per row", "64", "a row of the operator"],
    );
    refused("y.npy", &["--operator", "zeros.npy"], &["zeros.npy", "a matrix of zeros"]);
    refused(
        "x.npy",
        &["--operator", "A.npy"],
        &["x.npy", "64 entries per row", "24", "one per measurement of the operator"],
    );
    refused("y.npy", &["--gaussian", "10"], &["y.npy", "24 entries per row", "expected 10"]);
    refused("y.npy", &["--gaussian", "0"], &["--gaussian", "at least one measurement"]);
    refused("y.npy", &["--gaussian", "1000000000000"], &["y.npy", "24 entries per row"]);
    let nowhere = ["--gaussian", "24", "--image", "8x8", "--picture", "no/such/p.png"];
    refused("y.npy", &nowhere, &["no/such/p.png", "make the folder first"]);
    refused("y.npy", &["--average", "3"], &["--average", "8 × 8", "divides"]);
    refused("y.npy", &["--average", "2", "--image", "8x9"], &["--image", "8x9", "64"]);
    refused("y.npy", &[], &["y.npy", "24 entries per row"]);
    // Masks.
    refused(
        "x.npy",
        &["--mask", "nothing.npy"],
        &["nothing.npy", "zeros only", "at least one observed", "the mask is inverted"],
    );
    refused("x.npy", &["--mask", "nothings.npy"], &["nothings.npy", "zeros only"]);
    refused("x.npy", &["--mask", "few.npy"], &["few.npy", "3 masks", "20, one for each"]);
    refused("x.npy", &["--mask", "half.npy"], &["half.npy", "the number 0.5", "astype(bool)"]);
    refused("x.npy", &["--mask", "short.npy"], &["short.npy", "63 entries", "64 entries per row, one per entry"]);
    // Methods and options that exclude each other.
    refused("y.npy", &["--operator", "A.npy", "--direct=linf"], &["--direct", "layer-wise method", "--inner"]);
    refused("y.npy", &["--operator", "A.npy", "--step", "1"], &["--step", "--inner"]);
    refused("y.npy", &["--operator", "A.npy", "--refine"], &["--refine"]);
    refused("y.npy", &["--operator", "A.npy", "--inner", "linf", "--starts", "3"], &["--starts"]);
    refused("y.npy", &["--operator", "A.npy", "--inner", "linf", "--step", "-1"], &["--step", "positive"]);
    refused("y.npy", &["--operator", "A.npy", "--inner", "linf", "--momentum", "1"], &["--momentum"]);
    refused("y.npy", &["--operator", "A.npy", "--mask", "few.npy"], &["cannot be used with"]);
    refused("y.npy", &["--operator", "A.npy", "--inner", "simplex"], &["expected best, descent, linf"]);
    // Outputs with the path of an input.
    folder.write("A", numbers(&matrix(24)));
    folder.write("y", measured(&folder, &matrix(24)));
    for picture in ["A", "y"] {
        refused("y", &["--operator", "A", "--picture", picture, "--force"], &["--picture", "which is also"]);
    }
    folder.refuses(
        &["recover", "net.safetensors", "y.npy", "--operator", "A.npy", "-o", "A.npy", "--force"],
        &["-o", "which is also the operator"],
    );
}

#[test]
fn one_bad_observation_does_not_stop_the_others() {
    let folder = with_images();
    let mut images: Vec<Vec<f64>> = data(&folder, "x.npy").chunks(64).map(<[f64]>::to_vec).collect();
    images[1][5] = f64::INFINITY;
    images[2].fill(f64::NAN);
    folder.write("bad.npy", numbers(&images));
    for way in ["--direct", "--inner=linf"] {
        let output = folder.run(&recover("bad.npy", &[way, "--report", "r.jsonl", "--force"]));
        assert_eq!(output.status.code(), Some(3));
        let report = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
        let failed: Vec<&str> = report.lines().filter(|line| line.contains("failed: ")).collect();
        assert!(failed.len() == 2 && failed[0].contains("entry 5") && failed[1].contains("observed"), "{report}");
        let codes = data(&folder, "z.npy");
        assert!(codes[3..9].iter().all(|z| z.is_nan()) && codes[9..].iter().all(|z| z.is_finite()));
    }
}

#[test]
fn pictures_of_files() {
    let folder = with_images();
    folder
        .succeeds(&["picture", "x.npy", "x.npy", "-o", "p.png", "--labels", "one,two", "--count", "5", "--first", "3"]);
    assert!(folder.bytes("p.png").starts_with(b"\x89PNG"));
    // The captions above the images; an SVG contains them as text.
    let title = |more: &[&str]| {
        folder.succeeds(&[&["picture", "x.npy", "-o", "p.svg", "--force"], more].concat());
        String::from_utf8(folder.bytes("p.svg")).unwrap()
    };
    assert!(title(&["--count", "5", "--first", "3"]).contains(">Images 3 to 7, one row per file</text>"));
    assert!(title(&["--count", "1"]).contains(">Image 0, one row per file</text>"));
    assert!(title(&["--title", "Two digits"]).contains(">Two digits</text>"));
    folder.refuses(&["picture", "x.npy", "-o", "p.png"], &["p.png", "already exists"]);
    folder.refuses(&["picture", "x.npy", "-o", "q.png", "--image", "8x9"], &["--image", "8x9"]);
    folder.refuses(&["picture", "truth.npy", "-o", "q.png"], &["--image", "3 is not a square number of pixels"]);
    folder.refuses(&["picture", "x.npy", "truth.npy", "-o", "q.png"], &["truth.npy", "3 entries per row"]);
    folder.refuses(&["picture", "x.npy", "-o", "q.png", "--labels", "a,b"], &["--labels", "2 labels"]);
    folder.refuses(&["picture", "x.npy", "-o", "q.png", "--first", "20"], &["--first", "less than 20"]);
    folder.refuses(&["picture", "x.npy", "-o", "x.npy", "--force"], &["-o", "which is also"]);
}
