//! Tests of the modules of a whole model.

use super::*;
use crate::formats::stated::{Named, join};

fn text(text: &str) -> Vec<u8> {
    [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// The opcodes of a dictionary.
fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(".to_vec(), entries.collect(), b"u".to_vec()].concat()
}

/// The opcodes of a module without modules inside it; `parameter`: its weight.
fn leaf(class: &str, parameter: &[u8]) -> Vec<u8> {
    object(class, &[("_parameters", dictionary(&[("weight", parameter.to_vec())])), ("_modules", dictionary(&[]))])
}

fn object(class: &str, state: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (package, name) = class.rsplit_once('.').unwrap();
    let class = format!("c{package}\n{name}\n)");
    [class.as_bytes(), b"\x81", dictionary(state).as_slice(), b"b"].concat()
}

fn pickle(value: &[u8]) -> Pickle {
    Pickle::read(&mut [b"\x80\x02", value, b"."].concat().as_slice()).unwrap()
}

/// The pickle of a `Sequential`. Modules of class `Linear` and `PReLU` have a weight.
fn sequential(classes: &[&str]) -> Pickle {
    let modules: Vec<_> = classes.iter().map(|class| nn(class)).collect();
    let names: Vec<_> = (0..classes.len()).map(|index| index.to_string()).collect();
    let modules: Vec<_> = names.iter().map(String::as_str).zip(modules).collect();
    pickle(&object(SEQUENTIAL, &[("_modules", dictionary(&modules))]))
}

fn nn(class: &str) -> Vec<u8> {
    let has_weight = class.ends_with("Linear") || class.ends_with("PReLU");
    let full = if class.starts_with("own.") { class.to_owned() } else { format!("torch.nn.modules.{class}") };
    leaf(&full, if has_weight { b"K\x01" } else { b"N" })
}

/// The output of [`join`] for the layers of a `Sequential` of a linear layer, the modules
/// `behind` it, and another linear layer; the text of a refusal.
fn joined(behind: &[&str], hidden: Option<Activation>) -> Result<Vec<Option<Activation>>, String> {
    let classes = [&["linear.Linear"], behind, &["linear.Linear"]].concat();
    let pickle = sequential(&classes);
    let last = (classes.len() - 1).to_string();
    let layers = ["0", last.as_str()];
    let stated = Model::of(&pickle).stated(&pickle, &layers);
    let named = Named { activation: hidden, output_activation: None };
    join(&stated, &layers, "file", named).map(|(_, known)| known).map_err(|error| error.to_string())
}

#[test]
fn norms_without_tensors_are_refused() {
    let relu = "activation.ReLU";
    for norm in
        ["normalization.LayerNorm", "normalization.RMSNorm", "instancenorm.InstanceNorm1d", "batchnorm.BatchNorm1d"]
    {
        let name = format!("`1` ({})", norm.rsplit_once('.').unwrap().1);
        let refusal = joined(&[norm, relu], None).unwrap_err();
        assert!(refusal.contains(&name), "{refusal}");
        assert!(joined(&[norm], Some(Activation::Relu)).unwrap_err().contains(&name));
    }
    let norm = leaf("torch.nn.modules.batchnorm.BatchNorm1d", b"K\x01");
    let pickle = pickle(&norm);
    assert!(matches!(Model::of(&pickle).modules[0].kind(&pickle), Kind::Neutral));
}

#[test]
fn modules_of_unknown_classes_are_refused_by_name() {
    let relu = "activation.ReLU";
    for behind in [[relu, "own.Swish"], ["own.Swish", relu]] {
        for hidden in [None, Some(Activation::Relu)] {
            let refusal = joined(&behind, hidden).unwrap_err();
            assert!(refusal.contains("(own.Swish)") && refusal.contains("behind layer `0`"), "{refusal}");
        }
    }
    let refusal = joined(&["own.Swish"], None).unwrap_err();
    assert!(refusal.contains("`1` (own.Swish)") && refusal.contains("option `activation: relu`"), "{refusal}");
    // Nothing was found there: the option says what it is.
    assert_eq!(joined(&["own.Swish"], Some(Activation::Relu)).unwrap(), [None, Some(Activation::Identity)]);
}

/// The activation of another layer does not stand in for it.
#[test]
fn an_unknown_class_behind_another_layer_is_not_forgotten() {
    let pickle = sequential(&["linear.Linear", "activation.ReLU", "linear.Linear", "own.Out"]);
    let stated = Model::of(&pickle).stated(&pickle, &["0", "2"]);
    let named = |output_activation| Named { activation: None, output_activation };
    let refusal = join(&stated, &["0", "2"], "file", named(None)).unwrap_err().to_string();
    assert!(refusal.contains("`3` (own.Out)") && refusal.contains("`output_activation: relu`"), "{refusal}");
    assert!(join(&stated, &["0", "2"], "file", named(Some(Activation::Sigmoid))).is_ok());
}

#[test]
fn modules_that_do_nothing_are_no_activations() {
    let neutral = [
        "dropout.Dropout",
        "flatten.Flatten",
        "linear.Identity",
        "container.ModuleList",
        "container.ModuleDict",
        "loss.MSELoss",
        "sparse.Embedding",
    ];
    for class in neutral {
        let expected = [Some(Activation::Relu), Some(Activation::Identity)];
        assert_eq!(joined(&["activation.ReLU", class], None).unwrap(), expected, "{class}");
    }
    // Without an order, the option alone says the activation.
    let modules: Vec<_> = ["l1", "l2"].iter().map(|name| (*name, nn("linear.Linear"))).collect();
    let others = neutral.iter().map(|class| (*class, nn(class)));
    let modules: Vec<_> = modules.into_iter().chain(others).collect();
    let pickle = pickle(&object("own.Decoder", &[("_modules", dictionary(&modules))]));
    assert_eq!(Model::of(&pickle).stated(&pickle, &["l1", "l2"]).anywhere, []);
}

/// The pickle of a model of two layers with its own `forward`, and these modules beside them.
fn with_forward(beside: &[(&str, Vec<u8>)]) -> Pickle {
    let layers = ["fc1", "fc2"].map(|name| (name, nn("linear.Linear")));
    let modules: Vec<_> = layers.into_iter().chain(beside.iter().cloned()).collect();
    pickle(&object("own.Decoder", &[("_modules", dictionary(&modules))]))
}

fn refusal(pickle: &Pickle, layers: &[&str], activation: Option<Activation>) -> Option<String> {
    let named = Named { activation, output_activation: Some(Activation::Identity) };
    join(&Model::of(pickle).stated(pickle, layers), layers, "file", named).err().map(|error| error.to_string())
}

#[test]
fn what_acts_without_tensors_is_refused_without_an_order() {
    let relu = Some(Activation::Relu);
    let layers = ["fc1", "fc2"];
    for class in ["normalization.LayerNorm", "batchnorm.BatchNorm1d", "activation.Softmax", "own.Norm"] {
        for hidden in [None, relu] {
            let model = with_forward(&[("act", nn("activation.ReLU")), ("norm", nn(class))]);
            let refusal = refusal(&model, &layers, hidden).unwrap();
            let named = class.strip_prefix("own.").map_or(class.rsplit_once('.').unwrap().1, |_| class);
            assert!(refusal.contains(&format!("`norm` ({named})")), "{refusal}");
            assert!(refusal.contains("save the state_dict"), "{refusal}");
        }
    }
    // A class that is alone may be the activation that the user names.
    let own = with_forward(&[("act", nn("own.Swish"))]);
    assert!(refusal(&own, &layers, None).unwrap().contains("`act` (own.Swish)"));
    assert_eq!(refusal(&own, &layers, relu), None);
    // With a tensor it is judged by that.
    let with_tensor = leaf("torch.nn.modules.normalization.LayerNorm", b"K\x01");
    assert_eq!(refusal(&with_forward(&[("norm", with_tensor)]), &layers, relu), None);
}

#[test]
fn modules_of_an_encoder_do_not_act() {
    let inside =
        [("fc", nn("linear.Linear")), ("norm", nn("normalization.LayerNorm")), ("act", nn("activation.Softmax"))];
    let encoder = object("own.Encoder", &[("_modules", dictionary(&inside))]);
    let model = with_forward(&[("encoder", encoder), ("act", nn("activation.ReLU"))]);
    assert_eq!(refusal(&model, &["fc1", "fc2"], None), None);
    let message = refusal(&model, &["encoder.fc", "fc2"], None).unwrap();
    assert!(message.contains("`encoder.norm` (LayerNorm), `encoder.act` (Softmax)"), "{message}");
}

/// A norm or an activation that a model applies to the output of its `Sequential`.
#[test]
fn what_stands_behind_a_sequential_counts() {
    let layers = [("0", nn("linear.Linear")), ("1", nn("activation.ReLU")), ("2", nn("linear.Linear"))];
    let net = object(SEQUENTIAL, &[("_modules", dictionary(&layers))]);
    let with = |class: &str| {
        let modules = [("net", net.clone()), ("out", nn(class))];
        pickle(&object("own.Decoder", &[("_modules", dictionary(&modules))]))
    };
    let layers = ["net.0", "net.2"];
    let message = refusal(&with("normalization.LayerNorm"), &layers, None).unwrap();
    assert!(message.contains("`out` (LayerNorm)"), "{message}");
    let sigmoid = with("activation.Sigmoid");
    let stated = Model::of(&sigmoid).stated(&sigmoid, &layers);
    let message = join(&stated, &layers, "file", Named { activation: None, output_activation: None }).unwrap_err();
    assert!(message.to_string().contains("`out` (sigmoid)"), "{message}");
}

/// An activation with these numbers as attributes.
fn with_numbers(class: &str, numbers: &[(&str, f64)]) -> Vec<u8> {
    let number = |number: f64| [b"G".as_slice(), &number.to_be_bytes()].concat();
    let mut state = vec![("_modules", dictionary(&[]))];
    state.extend(numbers.iter().map(|(name, value)| (*name, number(*value))));
    object(&format!("torch.nn.modules.activation.{class}"), &state)
}

/// Softplus, and a tanh between layers, were refused in whole models.
#[test]
fn curved_activations_are_read_where_they_stand() {
    let between = |module: Vec<u8>| {
        let modules = [("0", nn("linear.Linear")), ("1", module), ("2", nn("linear.Linear"))];
        let pickle = pickle(&object(SEQUENTIAL, &[("_modules", dictionary(&modules))]));
        let layers = ["0", "2"];
        let named = Named { activation: None, output_activation: None };
        join(&Model::of(&pickle).stated(&pickle, &layers), &layers, "file", named)
            .map(|(_, known)| known[0])
            .map_err(|error| error.to_string())
    };
    let softplus = Activation::Softplus { beta: 2.0, threshold: 5.0 };
    for (module, activation) in [
        (with_numbers("Softplus", &[("beta", 2.0), ("threshold", 5.0)]), softplus),
        (with_numbers("ELU", &[("alpha", 0.5)]), Activation::Elu(0.5)),
        (nn("activation.SELU"), Activation::Selu),
        (nn("activation.SiLU"), Activation::Silu),
        (nn("activation.GELU"), Activation::Gelu),
        (nn("activation.Tanh"), Activation::Tanh),
        (nn("activation.Sigmoid"), Activation::Sigmoid),
    ] {
        assert_eq!(between(module), Ok(Some(activation)));
    }
    let gelu =
        object("torch.nn.modules.activation.GELU", &[("_modules", dictionary(&[])), ("approximate", text("tanh"))]);
    assert_eq!(between(gelu), Ok(Some(Activation::GeluTanh)));
    for (module, words) in [
        (with_numbers("Softplus", &[("beta", -1.0), ("threshold", 20.0)]), "`1` (Softplus with beta -1"),
        (with_numbers("Hardtanh", &[]), "`1` (Hardtanh)"),
    ] {
        let refusal = between(module).unwrap_err();
        assert!(refusal.contains(words) && refusal.contains("option `architecture`"), "{refusal}");
    }
    let refusal = between(nn("linear.Identity")).unwrap_err();
    assert!(refusal.contains("no activation behind layer `0`"), "{refusal}");
}

#[test]
fn a_prelu_leaves_the_activation_to_its_slope() {
    assert_eq!(joined(&["activation.PReLU"], None).unwrap(), [None, Some(Activation::Identity)]);
    let refusal = joined(&["activation.PReLU", "activation.ReLU"], None).unwrap_err();
    assert!(refusal.contains("`1` (PReLU), `2` (relu)"), "{refusal}");
}

#[test]
fn values_that_contain_themselves_are_no_model() {
    // `d['a'] = d; d['b'] = d`
    let twice = pickle(b"}q\0X\x01\0\0\0ah\0sX\x01\0\0\0bh\0s");
    assert!(Model::of(&twice).is_empty());
    // A `Sequential` that is its own modules.
    let state = b"}X\x08\0\0\0_modules}(X\x01\0\0\0ah\0X\x01\0\0\0bh\0usb";
    let class = b"ctorch.nn.modules.container\nSequential\n)\x81q\0";
    assert!(Model::of(&pickle(&[class.as_slice(), state].concat())).is_empty());
    // One module under two names is two modules.
    let shared = [b"}(X\x01\0\0\0a".to_vec(), nn("linear.Linear"), b"q\0X\x01\0\0\0bh\0u".to_vec()].concat();
    assert_eq!(Model::of(&pickle(&shared)).modules.len(), 2);
    // 5000 names of one module with 30 000 entries.
    let empty = [text(""), b"N".to_vec()].concat().repeat(30_000);
    let large = object("own.Large", &[("_modules", [b"}(".as_slice(), &empty, b"u"].concat())]);
    let again = [text("again"), b"h\0".to_vec()].concat().repeat(5000);
    let shared = [b"}(".to_vec(), text("first"), large, b"q\0".to_vec(), again, b"u".to_vec()].concat();
    assert!(Model::of(&pickle(&shared)).is_empty());
}
