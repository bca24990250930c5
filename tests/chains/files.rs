//! Chains in files: saved, and read from a list of operations beside their tensors.

use unrelu::{Activation, Assumption, Network, NetworkOptions, load_network, read_network};

use crate::fixtures::{RELU, TANH, all, dcgan};

#[test]
fn what_was_saved_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (name, network)) in all().into_iter().enumerate() {
        let path = folder.path().join(format!("{index}.safetensors"));
        network.save(&path, false).unwrap();
        let read = Network::load(&path).unwrap();
        assert!(read == network, "{name}");
        let codes = network.random_codes(3, 1);
        assert_eq!(read.forward(&codes).unwrap(), network.forward(&codes).unwrap(), "{name}");
    }
}

#[test]
fn a_list_of_operations_stands_beside_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    let dense = Network::random(&[3, 8], Activation::Relu, 1).unwrap();
    dense.save(&weights, false).unwrap();
    let text = r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "softplus"}, {"op": "reshape", "shape": [2, 2, 2]},
        {"op": "upsample", "size": 4}]}"#;
    std::fs::write(&list, text).unwrap();
    let options = NetworkOptions::default().architecture(Some(list.clone()));
    let network = load_network(&weights, &options).unwrap();
    let codes = network.random_codes(2, 1);
    let made = network.forward(&codes).unwrap();
    let hidden = dense.layers()[0].weight() * &codes;
    for (column, image) in made.column_iter().enumerate() {
        for (place, value) in image.iter().enumerate() {
            let (channel, row, at) = (place / 16, place / 4 % 4, place % 4);
            let a: f64 = hidden[(channel * 4 + row / 2 * 2 + at / 2, column)];
            assert!((value - a.exp().ln_1p()).abs() < 1e-12);
        }
    }
    let twice = options.activation(Some(Activation::Relu));
    let refusal = load_network(&weights, &twice).unwrap_err().to_string();
    assert!(refusal.contains("activation") && refusal.contains("net.json"), "{refusal}");
    std::fs::write(&list, "{").unwrap();
    let refusal = load_network(&weights, &NetworkOptions::default().architecture(Some(list))).unwrap_err().to_string();
    assert!(refusal.contains("net.json") && refusal.contains("line 1"), "{refusal}");
}

#[test]
fn an_ordinary_file_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    Network::random(&[3, 8, 20], Activation::LeakyRelu(0.1), 1).unwrap().save(&path, false).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(text.contains(r#""activation":"leaky_relu:0.1""#) && !text.contains("operations"));
    let path = folder.path().join("chain.safetensors");
    dcgan(RELU, TANH, 1).save(&path, false).unwrap();
    assert!(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("conv_transpose2d"));
}

/// The shapes of a list are those of its input and of its last operation.
#[test]
fn shapes_of_images_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    write_tensors(&weights, &[("w", &[2, 3, 2, 2]), ("slopes", &[3])]);
    let shapes = |operations: &str| {
        let text = format!(
            r#"{{"format": "unrelu operations", "version": 1, "input": [2, 1, 1], "operations": [
            {{"op": "conv_transpose2d", "weight": "w"}}{operations}]}}"#
        );
        std::fs::write(&list, text).unwrap();
        let options = NetworkOptions::default().architecture(Some(list.clone())).ignore_tensors(vec!["slopes".into()]);
        let read = read_network(&weights, &options).unwrap();
        // They are saved.
        let path = folder.path().join("saved.safetensors");
        read.network.save(&path, true).unwrap();
        let again = read_network(&path, &NetworkOptions::default()).unwrap();
        assert_eq!(again.network, read.network);
        ([read.code_shape, read.image_shape], [again.code_shape, again.image_shape])
    };
    let image = [vec![2, 1, 1], vec![3, 2, 2]];
    for operations in [
        "",
        r#", {"op": "tanh"}, {"op": "scale", "weight": 0.5, "bias": 0.5}"#,
        r#", {"op": "hardtanh"}"#,
        r#", {"op": "prelu", "weight": "slopes"}"#,
    ] {
        assert_eq!(shapes(operations), (image.clone(), image.clone()), "{operations}");
    }
    assert_eq!(shapes(r#", {"op": "reshape", "shape": [12]}"#).0, [vec![2, 1, 1], vec![12]]);
    let dense = folder.path().join("dense.safetensors");
    Network::random(&[3, 8], Activation::Relu, 1).unwrap().save(&dense, false).unwrap();
    let read = read_network(&dense, &NetworkOptions::default()).unwrap();
    assert_eq!((read.code_shape, read.image_shape), (vec![3], vec![8]));
}

/// A list that leaves out a norm or a layer would be another network.
#[test]
fn a_module_that_a_list_forgets_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    Network::random(&[3, 8, 8], Activation::Relu, 1).unwrap().save(&weights, false).unwrap();
    let text = r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "softplus"}]}"#;
    std::fs::write(&list, text).unwrap();
    let options = NetworkOptions::default().architecture(Some(list));
    let refusal = load_network(&weights, &options).unwrap_err().to_string();
    assert!(refusal.contains("`layers.1.weight`") && refusal.contains("ignore_tensors"), "{refusal}");
    let ignoring = options.ignore_tensors(vec!["layers.1".to_owned()]);
    assert_eq!(load_network(&weights, &ignoring).unwrap().depth(), 1);
}

/// Writes a file with tensors of ones.
fn write_tensors(path: &std::path::Path, tensors: &[(&str, &[usize])]) {
    let bytes: Vec<u8> = (0..100).flat_map(|_| 1.0_f64.to_le_bytes()).collect();
    let views = tensors.iter().map(|(name, shape)| {
        let size = 8 * shape.iter().product::<usize>();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, shape.to_vec(), &bytes[..size]);
        (*name, view.unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A dense layer by name, a module of a block and a bare parameter were left out without a message.
#[test]
fn what_stands_between_named_modules_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    let square: &[usize] = &[3, 3];
    for (named, forgotten, shape) in [
        (["fc1", "fc3"], "fc2.weight", square),
        (["blocks.0.0", "blocks.2.0"], "blocks.1.0.weight", square),
        (["decoder.fc1", "decoder.fc2"], "decoder.scale", &[1]),
        (["decoder.fc1", "decoder.fc2"], "decoder.norms.0.weight", &[3]),
    ] {
        let names = named.map(|module| format!("{module}.weight"));
        write_tensors(&weights, &[(&names[0], square), (&names[1], square), (forgotten, shape)]);
        let text = format!(
            r#"{{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
            {{"op": "linear", "weight": "{}"}}, {{"op": "relu"}}, {{"op": "linear", "weight": "{}"}}]}}"#,
            names[0], names[1]
        );
        std::fs::write(&list, text).unwrap();
        let options = NetworkOptions::default().architecture(Some(list.clone()));
        let refusal = load_network(&weights, &options).unwrap_err().to_string();
        assert!(refusal.contains(&format!("`{forgotten}`")) && refusal.contains("ignore_tensors"), "{refusal}");
        let read = read_network(&weights, &options.ignore_tensors(vec![forgotten.to_owned()])).unwrap();
        assert_eq!(read.network.depth(), 2);
        assert_eq!(read.ignored_tensors, [forgotten]);
    }
}

/// Another part of the model is left out, and this is said.
#[test]
fn what_a_list_leaves_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    let square: &[usize] = &[3, 3];
    let tensors = [("decoder.0.weight", square), ("encoder.0.weight", square), ("encoder.1.weight", &[3]), ("t", &[1])];
    write_tensors(&weights, &tensors);
    let text = r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
        {"op": "linear", "weight": "decoder.0.weight"}, {"op": "softplus"}]}"#;
    std::fs::write(&list, text).unwrap();
    let options = NetworkOptions::default().architecture(Some(list));
    let read = read_network(&weights, &options).unwrap();
    assert_eq!(read.assumptions, [Assumption::LeftOut { parts: vec!["encoder".to_owned(), "t".to_owned()] }]);
    let ignoring = options.clone().ignore_tensors(vec!["encoder".to_owned(), "t".to_owned()]);
    let read = read_network(&weights, &ignoring).unwrap();
    assert_eq!(read.ignored_tensors, ["encoder.0.weight", "encoder.1.weight", "t"]);
    assert!(matches!(read.assumptions[..], [Assumption::Ignored { .. }]));
    let refusal = read_network(&weights, &options.ignore_tensors(vec!["other".to_owned()])).unwrap_err().to_string();
    assert!(refusal.contains("`other`"), "{refusal}");
}
