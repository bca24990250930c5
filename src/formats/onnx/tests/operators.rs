//! Operators against formulas that are written here.

use super::builder::*;

const CODE: [f64; 4] = [0.7, -1.3, 2.1, -0.2];

/// A model of one function of each entry.
fn entrywise(op: &str, attributes: &[super::super::messages::AttributeProto]) -> Vec<f64> {
    Builder::new(&[-1, 4]).node(op, "x", "y", attributes).forward(&CODE)
}

#[test]
fn activations_are_their_formulas() {
    let each = |function: fn(f64) -> f64| CODE.map(function).to_vec();
    assert!(close(&entrywise("Relu", &[]), &each(|x| x.max(0.0))));
    assert!(close(&entrywise("LeakyRelu", &[float("alpha", 0.2)]), &each(|x| if x > 0.0 { x } else { 0.2 * x })));
    assert!(close(&entrywise("LeakyRelu", &[]), &each(|x| if x > 0.0 { x } else { 0.01 * x })));
    assert!(close(&entrywise("Elu", &[float("alpha", 1.5)]), &each(|x| if x > 0.0 { x } else { 1.5 * x.exp_m1() })));
    assert!(close(&entrywise("Softplus", &[]), &each(|x| x.exp().ln_1p())));
    assert!(close(&entrywise("Sigmoid", &[]), &each(|x| 1.0 / (1.0 + (-x).exp()))));
    assert!(close(&entrywise("Tanh", &[]), &each(f64::tanh)));
    assert!(close(&entrywise("HardSigmoid", &[]), &each(|x| (0.2 * x + 0.5).clamp(0.0, 1.0))));
    assert!(close(&entrywise("Gelu", &[]), &each(|x| 0.5 * x * libm::erfc(-x / 2_f64.sqrt()))));
    let tanh = |x: f64| 0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044715 * x.powi(3))).tanh());
    assert!(close(&entrywise("Gelu", &[text("approximate", "tanh")]), &CODE.map(tanh)));
    let selu = |x: f64| 1.050_700_987_355_480_5 * if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() };
    assert!(close(&entrywise("Selu", &[]), &CODE.map(selu)));
    assert!(close(&entrywise("Neg", &[]), &each(|x| -x)));
}

#[test]
fn limits_may_be_on_one_side() {
    let clip = |inputs: &str| {
        let model = Builder::new(&[1, 4]).with(tensor("low", &[], &[-0.5])).with(tensor("high", &[], &[1.5]));
        model.node("Clip", inputs, "y", &[]).forward(&CODE)
    };
    assert!(close(&clip("x low high"), &CODE.map(|x| x.clamp(-0.5, 1.5))));
    assert!(close(&clip("x low"), &CODE.map(|x| x.max(-0.5))));
    assert!(close(&clip("x - high"), &CODE.map(|x| x.min(1.5))));
}

#[test]
fn functions_in_parts_are_recognised() {
    let erf = Builder::new(&[-1, 4])
        .with(tensor("root", &[], &[std::f64::consts::SQRT_2]))
        .with(tensor("one", &[], &[1.0]))
        .with(tensor("half", &[], &[0.5]))
        .node("Div", "x root", "a", &[])
        .node("Erf", "a", "b", &[])
        .node("Add", "b one", "c", &[])
        .node("Mul", "x c", "d", &[])
        .node("Mul", "d half", "y", &[]);
    assert!(close(&erf.forward(&CODE), &CODE.map(|x| 0.5 * x * libm::erfc(-x / 2_f64.sqrt()))));
    // Twice GELU and its half leave no layer.
    assert_eq!(erf.read().unwrap().depth(), 1);
    let silu = Builder::new(&[-1, 4]).node("Sigmoid", "x", "s", &[]).node("Mul", "s x", "y", &[]);
    assert!(close(&silu.forward(&CODE), &CODE.map(|x| x / (1.0 + (-x).exp()))));
    let softplus = Builder::new(&[-1, 4])
        .with(tensor("beta", &[], &[2.5]))
        .with(tensor("threshold", &[], &[30.0]))
        .node("Mul", "x beta", "a", &[])
        .node("Softplus", "a", "b", &[])
        .node("Div", "b beta", "c", &[])
        .node("Greater", "a threshold", "d", &[])
        .node("Where", "d x c", "y", &[]);
    assert!(close(&softplus.forward(&CODE), &CODE.map(|x| (2.5 * x).exp().ln_1p() / 2.5)));
    let named = softplus.read().unwrap().layers()[0].activation.to_string();
    assert_eq!(named, "softplus:2.5,30");
}

#[test]
fn a_function_that_is_nearly_one_is_refused() {
    for (op, words) in [("Tanh", "none of the known activations"), ("Relu", "none of the known activations")] {
        let model = Builder::new(&[1, 4]).node(op, "x", "s", &[]).node("Mul", "s x", "y", &[]);
        assert!(model.refusal().contains(words), "{}", model.refusal());
    }
    // x · sigmoid(1.702 x) is near GELU, and not GELU.
    let model = Builder::new(&[1, 4])
        .with(tensor("c", &[], &[1.702]))
        .node("Mul", "x c", "a", &[])
        .node("Sigmoid", "a", "b", &[])
        .node("Mul", "x b", "y", &[]);
    assert!(model.refusal().contains("none of the known activations"), "{}", model.refusal());
}

/// A matrix times a vector, plus a bias.
fn product(weight: &[f64], inputs: usize, x: &[f64], bias: &[f64]) -> Vec<f64> {
    weight.chunks(inputs).zip(bias).map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
}

#[test]
fn matrices_and_norms_are_their_formulas() {
    let w = normal("w", 12);
    let transposed: Vec<f64> = (0..12).map(|place| w[place % 3 * 4 + place / 3]).collect();
    let wanted: Vec<f64> = product(&w, 4, &CODE, &normal("b", 3));
    let gemm = Builder::new(&[-1, 4]).normal("w", &[3, 4]).normal("b", &[3]);
    assert!(close(&gemm.clone().node("Gemm", "x w b", "y", &[int("transB", 1)]).forward(&CODE), &wanted));
    let matmul = Builder::new(&[-1, 4]).with(tensor("v", &[4, 3], &transposed)).normal("b", &[3]);
    let matmul = matmul.node("MatMul", "x v", "a", &[]).node("Add", "b a", "y", &[]);
    assert!(close(&matmul.forward(&CODE), &wanted));
    let scaled = gemm.node("Gemm", "x w b", "y", &[int("transB", 1), float("alpha", 0.5), float("beta", 2.0)]);
    let wanted =
        product(&w, 4, &CODE, &[0.0; 3]).iter().zip(normal("b", 3)).map(|(a, b)| 0.5 * a + 2.0 * b).collect::<Vec<_>>();
    assert!(close(&scaled.forward(&CODE), &wanted));
    let norm = Builder::new(&[1, 4]).normal("g", &[4]).normal("b", &[4]).normal("m", &[4]);
    let norm = norm.with(tensor("v", &[4], &[0.3, 1.1, 2.0, 0.7]));
    let norm = norm.node("BatchNormalization", "x g b m v", "y", &[float("epsilon", 1e-3)]);
    let [g, b, m] = ["g", "b", "m"].map(|name| normal(name, 4));
    let wanted: Vec<f64> =
        (0..4).map(|i| (CODE[i] - m[i]) / ([0.3, 1.1, 2.0, 0.7][i] + 1e-3_f64).sqrt() * g[i] + b[i]).collect();
    assert!(close(&norm.forward(&CODE), &wanted));
}

#[test]
fn arithmetic_with_constants_scales_and_shifts() {
    let c = normal("c", 4);
    let with =
        |op: &str, inputs: &str| Builder::new(&[-1, 4]).normal("c", &[1, 4]).node(op, inputs, "y", &[]).forward(&CODE);
    let each = |f: &dyn Fn(f64, f64) -> f64| CODE.iter().zip(&c).map(|(x, c)| f(*x, *c)).collect::<Vec<_>>();
    assert!(close(&with("Add", "x c"), &each(&|x, c| x + c)));
    assert!(close(&with("Sub", "x c"), &each(&|x, c| x - c)));
    assert!(close(&with("Sub", "c x"), &each(&|x, c| c - x)));
    assert!(close(&with("Mul", "c x"), &each(&|x, c| x * c)));
    assert!(close(&with("Div", "x c"), &each(&|x, c| x / c)));
}

/// A convolution by its definition, with padding above, left, below, right.
fn convolved(
    image: &[f64],
    [h, w]: [usize; 2],
    kernel: &[f64],
    [kh, kw]: [usize; 2],
    pads: [usize; 4],
    stride: usize,
) -> Vec<f64> {
    let at = |y: usize, x: usize| {
        let inside = y.checked_sub(pads[0]).filter(|y| *y < h).zip(x.checked_sub(pads[1]).filter(|x| *x < w));
        inside.map_or(0.0, |(y, x)| image[y * w + x])
    };
    let rows = (h + pads[0] + pads[2] - kh) / stride + 1;
    let columns = (w + pads[1] + pads[3] - kw) / stride + 1;
    let mut output = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let taps = (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x)));
            output.push(taps.map(|(y, x)| kernel[y * kw + x] * at(row * stride + y, column * stride + x)).sum());
        }
    }
    output
}

#[test]
fn convolutions_take_any_padding() {
    let image = normal("image", 20);
    let kernel = normal("k", 6);
    let model = Builder::new(&[-1, 1, 4, 5]).normal("k", &[1, 1, 2, 3]);
    for pads in [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 2]] {
        let given = ints("pads", &pads.map(|pad| pad as i64));
        let found = model.clone().node("Conv", "x k", "y", &[given, ints("strides", &[2, 2])]).forward(&image);
        assert!(close(&found, &convolved(&image, [4, 5], &kernel, [2, 3], pads, 2)), "{pads:?}");
    }
    let same = model.clone().node("Conv", "x k", "y", &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])]);
    assert!(close(&same.forward(&image), &convolved(&image, [4, 5], &kernel, [2, 3], [0, 1, 0, 1], 2)));
    let before = model.with(integers("pads", &[0, 0, 1, 0, 0, 0, 2, 1]));
    let before = before.node("Pad", "x pads", "a", &[]).node("Conv", "a k", "y", &[]);
    assert!(close(&before.forward(&image), &convolved(&image, [4, 5], &kernel, [2, 3], [1, 0, 2, 1], 1)));
}

#[test]
fn transposed_convolutions_are_the_transpose_of_convolutions() {
    // <conv(u), v> = <u, transposed(v)>, with the same paddings and strides.
    let v = normal("v", 6);
    for pads in [[0_usize, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 0, 0]] {
        let given = ints("pads", &pads.map(|pad| pad as i64));
        let model = Builder::new(&[1, 1, 2, 3]).normal("k", &[1, 1, 3, 3]);
        let model = model.node("ConvTranspose", "x k", "y", &[given, ints("strides", &[2, 2])]);
        let found = model.forward(&v);
        let size = [0, 1].map(|axis| (([2, 3][axis] - 1) * 2 + 3) - pads[axis] - pads[axis + 2]);
        assert_eq!(found.len(), size[0] * size[1]);
        for place in 0..found.len() {
            let mut unit = vec![0.0; found.len()];
            unit[place] = 1.0;
            let row = convolved(&unit, size, &normal("k", 9), [3, 3], pads, 2);
            let wanted: f64 = row.iter().zip(&v).map(|(a, b)| a * b).sum();
            assert!((found[place] - wanted).abs() < 1e-12, "{pads:?} at {place}");
        }
    }
}

#[test]
fn resizing_is_by_the_definitions_of_onnx() {
    let image = [1.0, 2.0, 4.0];
    let resize = |attributes: &[_]| {
        let model = Builder::new(&[1, 1, 1, 3]).with(integers("sizes", &[1, 1, 1, 6]));
        model.node("Resize", "x - - sizes", "y", attributes).forward(&image)
    };
    // The examples of the operator's page, by hand.
    assert!(close(&resize(&[text("mode", "nearest")]), &[1.0, 1.0, 2.0, 2.0, 4.0, 4.0]));
    let asymmetric = text("coordinate_transformation_mode", "asymmetric");
    let found = resize(&[text("mode", "linear"), asymmetric]);
    assert!(close(&found, &[1.0, 1.5, 2.0, 3.0, 4.0, 4.0]), "{found:?}");
    let found = resize(&[text("mode", "linear")]);
    assert!(close(&found, &[1.0, 1.25, 1.75, 2.5, 3.5, 4.0]), "{found:?}");
    let corners = text("coordinate_transformation_mode", "align_corners");
    let found = resize(&[text("mode", "linear"), corners]);
    assert!(close(&found, &[1.0, 1.4, 1.8, 2.4, 3.2, 4.0]), "{found:?}");
}

#[test]
fn pooling_takes_means() {
    let image = normal("image", 12);
    let pool = |attributes: &[_]| Builder::new(&[1, 1, 3, 4]).node("AveragePool", "x", "y", attributes).forward(&image);
    let ones = [1.0 / 4.0; 4];
    let two = ints("kernel_shape", &[2, 2]);
    assert!(close(&pool(std::slice::from_ref(&two)), &convolved(&image, [3, 4], &ones, [2, 2], [0; 4], 1)));
    let counted = [two, ints("pads", &[0, 0, 1, 1]), int("count_include_pad", 1)];
    assert!(close(&pool(&counted), &convolved(&image, [3, 4], &ones, [2, 2], [0, 0, 1, 1], 1)));
    let mean = image.iter().sum::<f64>() / 12.0;
    let global = Builder::new(&[1, 1, 3, 4]).node("GlobalAveragePool", "x", "y", &[]);
    assert!(close(&global.forward(&image), &[mean]));
}

#[test]
fn shapes_are_computed_with_an_open_batch() {
    let model = Builder::new(&[-1, 4])
        .with(integers("zero", &[0]))
        .with(integers("rest", &[2, 2]))
        .with(integers("flat", &[0, -1]))
        .node("Shape", "x", "s", &[])
        .node("Gather", "s zero", "n", &[])
        .node("Concat", "n rest", "target", &[int("axis", 0)])
        .node("Reshape", "x target", "a", &[])
        .node("Relu", "a", "b", &[])
        .node("Reshape", "b flat", "y", &[]);
    assert!(close(&model.forward(&CODE), &CODE.map(|x| x.max(0.0))));
}

#[test]
fn numbers_of_half_the_size_are_read() {
    let mut weight = tensor("w", &[1, 4], &[]);
    weight.data_type = 10;
    weight.raw_data = [1.5_f32, -2.0, 0.25, 8.0]
        .iter()
        .flat_map(|x| half::f16::from_f32(*x).to_le_bytes())
        .collect::<Vec<_>>()
        .into();
    let model = Builder::new(&[1, 4]).with(weight).node("Gemm", "x w", "y", &[int("transB", 1)]);
    assert!(close(&model.forward(&CODE), &[1.5 * 0.7 + 2.0 * 1.3 + 0.25 * 2.1 - 8.0 * 0.2]));
}
