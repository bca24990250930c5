//! Generators with convolutions on the command line: `--architecture`, `convert`, and what takes
//! them.

use crate::folder::{Folder, npy};

const LIST: &str = r#"{"format": "unrelu operations", "version": 1, "input": [4], "operations": [
    {"op": "linear", "weight": "layers.0.weight"}, {"op": "relu"}, {"op": "reshape", "shape": [3, 4, 4]},
    {"op": "upsample", "size": 8}, {"op": "reshape", "shape": [192]},
    {"op": "linear", "weight": "layers.1.weight"}, {"op": "silu"}]}"#;

fn folder() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,48", "-o", "first.safetensors", "--seed", "1"]);
    folder.succeeds(&["random-network", "192,60", "-o", "second.safetensors", "--seed", "2"]);
    let layers: Vec<_> = ["first.safetensors", "second.safetensors"]
        .iter()
        .flat_map(|name| unrelu::Network::load(folder.path(name)).unwrap().layers().to_vec())
        .collect();
    // A file with the two matrices, which do not fit each other without the list.
    let tensors = layers.iter().enumerate().map(|(index, layer)| {
        let numbers = layer.weight().transpose().iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        (format!("layers.{index}.weight"), vec![layer.units(), layer.inputs()], numbers)
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors.iter().map(|(name, shape, numbers)| {
        (name.clone(), safetensors::tensor::TensorView::new(safetensors::Dtype::F64, shape.clone(), numbers).unwrap())
    });
    std::fs::write(folder.path("net.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    std::fs::write(folder.path("net.json"), LIST).unwrap();
    folder
}

#[test]
fn a_generator_with_an_architecture_is_inverted() {
    let folder = folder();
    let with = ["--architecture", "net.json"];
    let generate = ["generate", "net.safetensors", "--count", "9", "--codes-out", "z.npy", "-o", "x.npy"];
    folder.succeeds(&[&generate[..], &with].concat());
    let invert = ["invert", "net.safetensors", "x.npy", "-o", "found.npy", "--method", "best", "--batch", "4"];
    folder.succeeds(&[&invert[..], &with].concat());
    let (found, truth) =
        (unrelu::read_npy(folder.path("found.npy")).unwrap(), unrelu::read_npy(folder.path("z.npy")).unwrap());
    let near = (0..9).filter(|column| (found.column(*column) - truth.column(*column)).amax() < 1e-6).count();
    assert!(near >= 8, "{near} of 9");
    let text = folder.succeeds(&[&["inspect", "net.safetensors"][..], &with].concat());
    assert!(text.contains("resample 3×4×4 → 3×8×8") && text.contains("activation silu in layer 3"), "{text}");
}

#[test]
fn a_converted_file_needs_no_options() {
    let folder = folder();
    let convert = ["convert", "net.safetensors", "--architecture", "net.json", "-o", "one.safetensors"];
    folder.succeeds(&convert);
    folder.refuses(&convert, &["one.safetensors", "already exists"]);
    for (network, with, to) in
        [("net.safetensors", &["--architecture", "net.json"][..], "a.npy"), ("one.safetensors", &[], "b.npy")]
    {
        folder.succeeds(&[&["generate", network, "--count", "5", "-o", to][..], with].concat());
    }
    assert_eq!(folder.bytes("a.npy"), folder.bytes("b.npy"));
}

#[test]
fn what_does_not_take_it_says_why_and_writes_nothing() {
    let folder = folder();
    let with = ["--architecture", "net.json"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "3", "-o", "x.npy"][..], &with].concat());
    let invert = |more: &[&str]| {
        let arguments = [&["invert", "net.safetensors", "x.npy", "-o", "z.npy"][..], &with, more].concat();
        folder.refuses(&arguments, &["activation silu in layer 3", "best"]);
        assert!(!folder.path("z.npy").exists());
    };
    invert(&["--method", "linf"]);
    invert(&["--method", "exact"]);
    invert(&["--refine"]);
    let activation = [&["inspect", "net.safetensors", "--activation", "relu"][..], &with].concat();
    folder.refuses(&activation, &["--activation", "net.json"]);
    folder.refuses(&["inspect", "net.safetensors", "--architecture", "none.json"], &["none.json"]);
}

/// 4 → 3×4×4 with a tanh: `net.safetensors`, `net.json`, and 6 images `x.npy`.
fn colours() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "4,48", "-o", "net.safetensors", "--seed", "1", "--activation", "tanh"]);
    let list = r#"{"format": "unrelu operations", "version": 1, "input": [4], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "tanh"}, {"op": "reshape", "shape": [3, 4, 4]}]}"#;
    std::fs::write(folder.path("net.json"), list).unwrap();
    folder.succeeds(&["generate", "net.safetensors", "--count", "6", "-o", "x.npy"]);
    folder
}

/// The colours of a PNG file.
fn pixels(bytes: &[u8]) -> std::collections::BTreeSet<[u8; 3]> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// Images of three channels were refused, and values below 0 were all black.
#[test]
fn three_channels_from_minus_one_to_one_are_drawn_in_colour() {
    let folder = colours();
    let images = unrelu::read_npy(folder.path("x.npy")).unwrap();
    let drawn_as = |image: usize, pixel: usize, black: f64| {
        [0, 1, 2].map(|channel| {
            let value = images[(16 * channel + pixel, image)];
            ((value - black) / (1.0 - black) * 255.0).round().clamp(0.0, 255.0) as u8
        })
    };
    let has_all = |name: &str, black: f64| {
        let found = pixels(&folder.bytes(name));
        (0..6).all(|image| (0..16).all(|pixel| found.contains(&drawn_as(image, pixel, black))))
    };
    let recover = ["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--picture", "p.png"];
    folder.succeeds(&[&recover[..], &["--architecture", "net.json"]].concat());
    assert!(has_all("p.png", -1.0) && !has_all("p.png", 0.0));
    // Without the list, the size says it, and so does the number of entries.
    for size in [&["--image", "4x4"][..], &["--image", "3x4x4"], &[]] {
        folder.succeeds(&[&recover[..], &["--force"], size].concat());
        assert!(has_all("p.png", -1.0), "{size:?}");
        folder.succeeds(&[&["picture", "x.npy", "-o", "q.png", "--range=-1..1", "--force"], size].concat());
        assert!(has_all("q.png", -1.0), "{size:?}");
    }
    folder.refuses(&["picture", "x.npy", "-o", "r.png", "--range", "1..-1"], &["--range", "LOW..HIGH"]);
}

/// A mask of rows and columns holds for all channels, if the shape of the images is known.
#[test]
fn one_mask_for_all_channels() {
    let folder = colours();
    let mask = |shape: &str, planes: usize| {
        let header = format!("{{'descr': '|b1', 'fortran_order': False, 'shape': {shape}, }}");
        npy(&header, &(0..16 * planes).map(|at| u8::from(at % 16 % 5 != 2)).collect::<Vec<u8>>())
    };
    folder.write("whole.npy", mask("(48,)", 3));
    folder.write("plane.npy", mask("(4, 4)", 1));
    folder.write("each.npy", mask("(6, 1, 4, 4)", 6));
    let recover = |name: &str, more: &[&str]| {
        let arguments = ["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--mask", name];
        folder.succeeds(&[&arguments[..], more].concat());
        folder.bytes("z.npy")
    };
    let whole = recover("whole.npy", &[]);
    for name in ["plane.npy", "each.npy"] {
        assert_eq!(recover(name, &["--architecture", "net.json", "--picture", "p.png"]), whole, "{name}");
        assert!(pixels(&folder.bytes("p.png")).contains(&[196, 90, 80]), "hidden pixels are red");
        assert_eq!(recover(name, &["--image", "3x4x4"]), whole, "{name}");
    }
    let refused = ["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--mask", "plane.npy"];
    folder.refuses(&refused, &["plane.npy", "a third of an observation", "--image 3x4x4", "numpy.tile"]);
}

/// Without a method, a network whose codes no layer-wise program determines gets the search.
#[test]
fn the_default_method_suits_the_network() {
    let folder = folder();
    let with = ["--architecture", "net.json"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "3", "-o", "x.npy"][..], &with].concat());
    let invert = |to: &str, more: &[&str]| {
        let arguments = [&["invert", "net.safetensors", "x.npy", "-o", to][..], &with, more].concat();
        let output = folder.run(&arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = invert("z.npy", &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("--method best, since") && told.contains("activation silu in layer 3"), "{told}");
    let (code, told) = invert("named.npy", &["--method", "best"]);
    assert!(code == Some(0) && !told.contains("since"), "{told}");
    assert_eq!(folder.bytes("z.npy"), folder.bytes("named.npy"));
    // A dense network with a layer that narrows.
    folder.succeeds(&["random-network", "4,20,12", "-o", "narrow.safetensors"]);
    folder.succeeds(&["generate", "narrow.safetensors", "--count", "2", "-o", "y.npy"]);
    let told = folder.run(&["invert", "narrow.safetensors", "y.npy", "-o", "w.npy"]);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("--method best, since") && told.contains("12 units for 20 inputs"), "{told}");
}
