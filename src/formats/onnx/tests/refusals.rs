//! Refusals name the node, what was found, and what was expected.

use prost::Message;

use super::super::OnnxFile;
use super::super::messages::TensorProto;
use super::builder::*;
use crate::formats::tensor_file::TensorFile;

fn names(model: &Builder, words: &[&str]) {
    let message = model.refusal();
    for words in words {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn operators_that_are_no_chain() {
    let x = || Builder::new(&[-1, 4]).normal("w", &[4, 4]);
    names(&x().node("LayerNormalization", "x", "y", &[]), &["node `to y` (LayerNormalization)", "does not read"]);
    names(&x().node("Softmax", "x", "y", &[]), &["node `to y` (Softmax)"]);
    let skip = x().node("MatMul", "x w", "a", &[]).node("Add", "x a", "y", &[]);
    names(&skip, &["node `to y` (Add)", "input `x`", "node `to a` (MatMul)", "a branch"]);
    let behind = x().node("Relu", "x", "a", &[]).node("MatMul", "a w", "b", &[]).node("Add", "x b", "y", &[]);
    names(&behind, &["a branch, such as a skip connection"]);
    let both = x().node("Concat", "x x", "y", &[int("axis", 1)]);
    names(&both, &["node `to y` (Concat)", "does not read"]);
    names(&x().node("Exp", "x", "y", &[]), &["none of the known activations"]);
    names(&x().node("Gemm", "x w", "y", &[int("transA", 1)]), &["transA 1"]);
    let swapped = x().node("Transpose", "x", "y", &[]);
    names(&swapped, &["the batch first"]);
}

#[test]
fn inputs_that_do_not_exist() {
    let x = || Builder::new(&[-1, 4]);
    names(&x().node("MatMul", "x w", "y", &[]), &["node `to y` (MatMul)", "input `w`", "onnx.checker"]);
    // A circle needs a value before it is computed.
    let circle = x().node("Add", "x b", "a", &[]).node("Relu", "a", "b", &[]).node("Relu", "b", "y", &[]);
    names(&circle, &["node `to a` (Add)", "input `b`"]);
    let twice = x().node("Relu", "x", "a", &[]).node("Relu", "a", "a", &[]).node("Relu", "a", "y", &[]);
    names(&twice, &["output `a`"]);
    names(&x(), &["output `y`"]);
    let constant = x().with(tensor("c", &[1], &[1.0])).node("Relu", "c", "y", &[]);
    names(&constant, &["does not depend on the input"]);
}

#[test]
fn inputs_outputs_and_versions() {
    let mut model = Builder::new(&[-1, 4]).node("Relu", "x", "y", &[]);
    model.opset = 9;
    names(&model, &["opset 9", "opset 11 to 21", "export"]);
    model.opset = 18;
    model.graph.input.push(model.graph.input[0].clone());
    names(&model, &["inputs `x`, `x`", "one input"]);
    let relu = |input: &[i64]| Builder::new(input).node("Relu", "x", "y", &[]);
    names(&relu(&[-1, -1]), &["input `x` of shape [?, ?]", "fixed extents"]);
    names(&relu(&[4]), &["input `x` of shape [4]"]);
    names(&relu(&[1, 1 << 40]), &["input `x`"]);
    let mut model = relu(&[-1, 4]);
    model.graph.output.push(model.graph.output[0].clone());
    names(&model, &["outputs `y`, `y`", "one output"]);
}

#[test]
fn sizes_that_do_not_fit() {
    let x = || Builder::new(&[1, 2, 3, 3]).normal("k", &[1, 2, 2, 2]).normal("one", &[1, 1, 2, 2]);
    names(&x().node("Conv", "x one", "y", &[]), &["node `to y` (Conv)", "[1, 1, 2, 2]", "weight (out, in / group"]);
    names(&x().node("Conv", "x k", "y", &[ints("strides", &[0, 1])]), &["numbers of 1 or more"]);
    names(&x().node("Conv", "x k", "y", &[ints("pads", &[-1, 0, 0, 0])]), &["pads [-1, 0, 0, 0]"]);
    names(&x().node("Conv", "x k", "y", &[ints("pads", &[i64::MAX, 0, 0, 0])]), &["pads", "from 0 to"]);
    names(&x().node("Conv", "x k", "y", &[ints("dilations", &[9, 9])]), &["a smaller kernel"]);
    let far = [ints("pads", &[1 << 20, 1 << 20, 1 << 20, 1 << 20])];
    names(&x().node("Conv", "x k", "y", &far), &["entries"]);
    let wide = x().with(integers("sizes", &[1, 2, 1 << 40, 3]));
    names(&wide.node("Resize", "x - - sizes", "y", &[]), &["node `to y` (Resize)", "up to 65536"]);
    let cubic = x().with(integers("sizes", &[1, 2, 4, 4])).node("Resize", "x - - sizes", "y", &[text("mode", "cubic")]);
    names(&cubic, &["mode cubic"]);
    let shape = x().with(integers("shape", &[-1, 5])).node("Reshape", "x shape", "y", &[]);
    names(&shape, &["node `to y` (Reshape)", "[1, 2, 3, 3] to [-1, 5]"]);
    let batch = x().with(integers("shape", &[2, 9])).node("Reshape", "x shape", "y", &[]);
    names(&batch, &["the batch as an axis of its own"]);
    let reflect = x().with(integers("pads", &[0; 8])).node("Pad", "x pads", "y", &[text("mode", "reflect")]);
    names(&reflect, &["mode reflect"]);
    let matrix = Builder::new(&[-1, 4]).normal("w", &[3, 5]).node("MatMul", "x w", "y", &[]);
    names(&matrix, &["node `to y` (MatMul)", "(3, 5)"]);
    let wide = Builder::new(&[-1, 4]).normal("w", &[4, 2]).normal("b", &[3]).node("Gemm", "x w b", "y", &[]);
    names(&wide, &["a bias of shape [3]"]);
}

#[test]
fn constants_that_would_be_large() {
    let x = || Builder::new(&[1, 4]);
    let large = x().with(integers("shape", &[1 << 20, 1 << 20])).node("ConstantOfShape", "shape", "c", &[]);
    names(&large.node("Add", "x c", "y", &[]), &["node `to c` (ConstantOfShape)", "at most"]);
    let expanded = x().with(tensor("one", &[1], &[1.0])).with(integers("shape", &[1 << 30]));
    names(&expanded.node("Expand", "one shape", "c", &[]).node("Add", "x c", "y", &[]), &["at most"]);
    let one = |name: &str, number| TensorProto { dims: Vec::new(), ..integers(name, &[number]) };
    let range = x().with(one("from", 0)).with(one("to", i64::MAX)).with(one("by", 1));
    names(&range.node("Range", "from to by", "c", &[]).node("Add", "x c", "y", &[]), &["at most"]);
    // 40 doublings, each of which is small.
    let mut doubling = x().with(tensor("c0", &[1], &[1.0]));
    for step in 0..40 {
        doubling = doubling.node("Concat", &format!("c{step} c{step}"), &format!("c{}", step + 1), &[int("axis", 0)]);
    }
    names(&doubling.node("Add", "x c40", "y", &[]), &["(Concat)", "at most"]);
}

#[test]
fn tensors_that_do_not_fit_their_bytes() {
    let with = |tensor| Builder::new(&[1, 4]).with(tensor).node("Add", "x c", "y", &[]);
    names(
        &with(TensorProto { dims: vec![5], ..tensor("c", &[4], &[0.0; 4]) }),
        &["tensor `c`", "32 bytes", "40 bytes"],
    );
    names(&with(TensorProto { dims: vec![-4], ..tensor("c", &[4], &[0.0; 4]) }), &["extents [-4]"]);
    names(&with(TensorProto { dims: vec![1 << 40, 1 << 40], ..tensor("c", &[4], &[0.0; 4]) }), &["extents"]);
    names(&with(TensorProto { dims: vec![1 << 31], ..tensor("c", &[4], &[0.0; 4]) }), &["32 bytes"]);
    names(&with(TensorProto { data_type: 17, ..tensor("c", &[4], &[0.0; 4]) }), &["type 17", "without quantisation"]);
    names(&with(TensorProto { dims: vec![3], ..integers("c", &[1, 2]) }), &["2 numbers"]);
    let infinite = with(tensor("c", &[4], &[f64::INFINITY; 4]));
    names(&infinite, &["finite"]);
}

/// A model of a file, with a tensor of 4 numbers in another file.
fn with_external(folder: &std::path::Path, entries: &[(&str, &str)]) -> crate::error::Result<Vec<f64>> {
    let external_data = entries
        .iter()
        .map(|(key, value)| super::super::messages::StringStringEntryProto {
            key: (*key).into(),
            value: (*value).into(),
        })
        .collect();
    let tensor = TensorProto {
        dims: vec![4],
        data_type: 11,
        name: "c".to_owned(),
        external_data,
        data_location: 1,
        ..Default::default()
    };
    let path = folder.join("net.onnx");
    std::fs::write(&path, Builder::new(&[1, 4]).with(tensor).node("Add", "x c", "y", &[]).bytes()).unwrap();
    let network = OnnxFile::open(&path)?.own_network().unwrap()?.network;
    Ok(network.forward(&nalgebra::DMatrix::zeros(4, 1)).unwrap().as_slice().to_vec())
}

#[test]
fn data_in_other_files_of_the_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let bytes: Vec<u8> = [9.0_f64, 1.0, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    for place in [folder.path(), &inner] {
        std::fs::write(place.join("net.data"), &bytes).unwrap();
    }
    let read = |entries: &[(&str, &str)]| with_external(&inner, entries);
    assert_eq!(read(&[("location", "net.data"), ("offset", "8"), ("length", "32")]).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(read(&[("location", "net.data")]).unwrap(), [9.0, 1.0, 2.0, 3.0]);
    let absolute = inner.join("net.data").display().to_string();
    for location in ["../net.data", "inner/../../net.data", &absolute, "", ".", "..", "a/net.data", "..\\net.data"] {
        let message = read(&[("location", location)]).unwrap_err().to_string();
        assert!(message.contains("without a path"), "{location}: {message}");
    }
    for (offset, length) in [("16", "32"), ("8", "31"), ("18446744073709551615", "32"), ("-8", "32"), ("8", "none")] {
        let entries = [("location", "net.data"), ("offset", offset), ("length", length)];
        let message = read(&entries).unwrap_err().to_string();
        assert!(message.contains("tensor `c`"), "{offset}: {message}");
    }
    assert!(read(&[("location", "absent")]).unwrap_err().to_string().contains("absent"));
}

#[test]
fn messages_that_are_none() {
    assert!(read(vec![0xff; 40]).unwrap_err().to_string().contains("an ONNX model"));
    let model = Builder::new(&[1, 4]).node("Relu", "x", "y", &[]);
    let graph = model.graph.encode_to_vec();
    assert!(read(graph).is_err());
    let mut deep = vec![];
    for _ in 0..10_000 {
        let mut next = vec![0x3a];
        prost::encoding::encode_varint(deep.len() as u64, &mut next);
        next.extend(deep);
        deep = next;
    }
    assert!(read(deep).is_err());
}

#[test]
fn names_of_other_libraries_mean_nothing_in_a_model() {
    // Those of Keras, which are translated in files of weights.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net");
    let model = Builder::new(&[-1, 4]).normal("0.kernel", &[4, 3]).node("MatMul", "x 0.kernel", "y", &[]);
    std::fs::write(&path, model.bytes()).unwrap();
    let options = crate::formats::network_file::NetworkOptions::default();
    let network = crate::formats::network_file::load_network(&path, &options).unwrap();
    assert_eq!(network, model.read().unwrap());
    for options in
        [options.clone().layers(Some(vec!["0".to_owned()])), options.ignore_tensors(vec!["0.kernel".to_owned()])]
    {
        let message = crate::formats::network_file::load_network(&path, &options).unwrap_err().to_string();
        assert!(message.contains("the list of operations says it"), "{message}");
    }
}
