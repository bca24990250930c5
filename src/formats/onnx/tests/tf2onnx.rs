//! Models as tf2onnx writes them: channels last, with transpositions around convolutions.

use super::builder::*;

/// A dense layer, an image with the channels last, and a convolution.
fn decoder(activation: &str) -> Builder {
    Builder::new(&[-1, 3])
        .normal("w", &[3, 24])
        .normal("b", &[24])
        .with(integers("image", &[-1, 2, 3, 4]))
        .normal("k", &[4, 3, 3, 3])
        .node("MatMul", "x w", "a0", &[])
        .node("Add", "a0 b", "a1", &[])
        .node(activation, "a1", "a2", &[])
        .node("Reshape", "a2 image", "a3", &[])
        .node("Transpose", "a3", "a4", &[ints("perm", &[0, 3, 1, 2])])
        .node("ConvTranspose", "a4 k", "a5", &[ints("strides", &[2, 2])])
}

/// The same in the order of ONNX, computed by the definition.
fn by_hand(code: &[f64]) -> Vec<f64> {
    let (w, b, k) = (normal("w", 72), normal("b", 24), normal("k", 108));
    let a: Vec<f64> =
        (0..24).map(|unit| ((0..3).map(|i| code[i] * w[i * 24 + unit]).sum::<f64>() + b[unit]).max(0.0)).collect();
    let (rows, columns) = (5, 7);
    let mut image = vec![0.0; 3 * rows * columns];
    for (y, x, from) in (0..2).flat_map(|y| (0..3).flat_map(move |x| (0..4).map(move |from| (y, x, from)))) {
        for (to, dy, dx) in (0..3).flat_map(|to| (0..3).flat_map(move |dy| (0..3).map(move |dx| (to, dy, dx)))) {
            let place = (to * rows + 2 * y + dy) * columns + 2 * x + dx;
            image[place] += a[(y * 3 + x) * 4 + from] * k[((from * 3 + to) * 3 + dy) * 3 + dx];
        }
    }
    image
}

const CODE: [f64; 3] = [0.4, -1.1, 0.9];

#[test]
fn a_transposition_goes_into_the_matrix_before_it() {
    let model = decoder("Relu").node("Identity", "a5", "y", &[]);
    assert!(close(&model.forward(&CODE), &by_hand(&CODE)));
    assert_eq!(model.read().unwrap().depth(), 2);
}

#[test]
fn the_image_may_end_with_the_channels_last() {
    let model =
        decoder("Relu").node("Tanh", "a5", "a6", &[]).node("Transpose", "a6", "y", &[ints("perm", &[0, 2, 3, 1])]);
    let image = by_hand(&CODE);
    let wanted: Vec<f64> =
        (0..35).flat_map(|pixel| [0, 1, 2].map(|channel: usize| image[channel * 35 + pixel].tanh())).collect();
    assert!(close(&model.forward(&CODE), &wanted));
    // The last activation stays the last.
    let network = model.read().unwrap();
    assert_eq!(network.layers()[network.depth() - 1].activation, crate::network::Activation::Tanh);
}

#[test]
fn transpositions_that_cancel_leave_nothing() {
    let through = decoder("Relu")
        .with(tensor("c", &[3], &[1.5, -0.5, 2.0]))
        .node("Transpose", "a5", "a6", &[ints("perm", &[0, 2, 3, 1])])
        .node("Add", "a6 c", "a7", &[])
        .node("Relu", "a7", "a8", &[])
        .node("Transpose", "a8", "y", &[ints("perm", &[0, 3, 1, 2])]);
    let image = by_hand(&CODE);
    let wanted: Vec<f64> = (0..105).map(|place| (image[place] + [1.5, -0.5, 2.0][place / 35]).max(0.0)).collect();
    assert!(close(&through.forward(&CODE), &wanted));
    assert_eq!(through.read().unwrap().depth(), 2);
}

#[test]
fn a_flattened_image_goes_into_the_matrix_behind_it() {
    let model = decoder("Relu")
        .with(integers("flat", &[-1, 105]))
        .normal("v", &[105, 2])
        .node("Transpose", "a5", "a6", &[ints("perm", &[0, 2, 3, 1])])
        .node("Reshape", "a6 flat", "a7", &[])
        .node("MatMul", "a7 v", "y", &[]);
    let (image, v) = (by_hand(&CODE), normal("v", 210));
    let last: Vec<f64> =
        (0..35).flat_map(|pixel| [0, 1, 2].map(|channel: usize| image[channel * 35 + pixel])).collect();
    let wanted = [0, 1].map(|unit: usize| last.iter().zip(v[unit..].iter().step_by(2)).map(|(a, v)| a * v).sum());
    assert!(close(&model.forward(&CODE), &wanted));
}

#[test]
fn a_code_may_be_an_image_with_the_channels_last() {
    let model = Builder::new(&[1, 2, 2, 3])
        .normal("k", &[1, 3, 1, 1])
        .node("Transpose", "x", "a", &[ints("perm", &[0, 3, 1, 2])])
        .node("Conv", "a k", "y", &[]);
    let (code, k) = (normal("code", 12), normal("k", 3));
    let wanted: Vec<f64> = code.chunks(3).map(|pixel| pixel.iter().zip(&k).map(|(a, k)| a * k).sum()).collect();
    assert!(close(&model.forward(&code), &wanted));
}

#[test]
fn pixels_are_shuffled() {
    for (mode, place) in [("CRD", 1), ("DCR", 2)] {
        let model =
            Builder::new(&[1, 8, 1, 2]).node("DepthToSpace", "x", "y", &[int("blocksize", 2), text("mode", mode)]);
        let code = normal("code", 16);
        let found = model.forward(&code);
        // Output channel 0, row 0, column 1: block column 1 of the first pixel.
        let channel = if place == 1 { 1 } else { 2 };
        assert_eq!(found[1], code[channel * 2]);
        assert_eq!(found.len(), 16);
    }
}
