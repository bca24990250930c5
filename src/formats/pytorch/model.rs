//! The modules of a whole model: their names, classes, numbers and, inside a `Sequential`, their
//! order. A state_dict has none of these.

use super::pickle::{Id, Pickle, Value};
use crate::formats::stated::{Place, Stated, StatedActivation};
use crate::network::Activation;

/// Maximum nesting of dictionaries and modules.
const DEEPEST: usize = 64;
/// Maximum number of visits of dictionaries and modules. Shared ones count each time: a dictionary
/// may contain itself.
const MOST: usize = 100_000;
/// Bytes of a name, and entries of a dictionary, that count as another visit.
const PER_VISIT: usize = 256;
/// Maximum length of a name.
const LONGEST: usize = 1 << 14;

/// The modules of a model, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Model {
    modules: Vec<Module>,
    /// Whether a `Sequential` is all that the file holds.
    whole: bool,
    /// Number of runs of modules that are carried out one after the other.
    runs: usize,
    visits: usize,
    /// Whether it is nested too deep, or has too many values or too long names.
    too_large: bool,
}

/// A module without modules inside it, or one whose inner order is not known.
#[derive(Debug)]
struct Module {
    /// Its name as in the state_dict.
    path: String,
    class: String,
    state: Id,
    /// The `Sequential` that it belongs to.
    run: Option<usize>,
}

impl Model {
    /// The modules of a pickle; empty if it holds no model, or one that is too large.
    pub fn of(pickle: &Pickle) -> Model {
        let whole = pickle.class(pickle.root) == Some(SEQUENTIAL);
        let mut model = Model { whole, ..Model::default() };
        model.add(pickle, pickle.root, String::new(), None, 0);
        if model.too_large { Model::default() } else { model }
    }

    /// Whether the pickle holds no model.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    fn add(&mut self, pickle: &Pickle, id: Id, path: String, run: Option<usize>, depth: usize) {
        let size = path.len() + dictionary_size(pickle, id);
        self.visits += 1 + size / PER_VISIT;
        self.too_large |= depth > DEEPEST || self.visits > MOST || path.len() > LONGEST;
        if self.too_large {
            return;
        }
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some((state, children)) = module(pickle, id) else {
            let mut entries = pickle.entries(id).unwrap_or_default();
            entries.retain(|(_, value)| may_contain(pickle, *value));
            for (name, value) in entries {
                if self.too_large {
                    return;
                }
                self.add(pickle, value, inside(&name), None, depth + 1);
            }
            return;
        };
        let class = pickle.class(id).unwrap_or_default();
        let children: Vec<_> = children.into_iter().filter(|(_, child)| may_contain(pickle, *child)).collect();
        let mut inner = None;
        if class == SEQUENTIAL {
            inner = run.or(Some(self.runs));
            self.runs += 1;
        } else {
            self.modules.push(Module { path: path.clone(), class: class.to_owned(), state, run });
        }
        for (name, child) in children {
            if self.too_large {
                return;
            }
            self.add(pickle, child, inside(&name), inner, depth + 1);
        }
    }

    /// A number that a module has as an attribute.
    pub fn number(&self, pickle: &Pickle, module: &str, attribute: &str) -> Option<f64> {
        let module = self.modules.iter().find(|found| found.path == module)?;
        pickle.number(pickle.entry(module.state, attribute)?)
    }

    /// What the modules say about the activations behind `layers`, from the code to the output.
    pub fn stated(&self, pickle: &Pickle, layers: &[&str]) -> Stated {
        self.ordered(pickle, layers).unwrap_or_else(|| Stated {
            behind: vec![Place::Unknown(Vec::new()); layers.len()],
            anywhere: self.anywhere(pickle, layers),
        })
    }

    /// The activations of layers that are in one `Sequential`.
    fn ordered(&self, pickle: &Pickle, layers: &[&str]) -> Option<Stated> {
        let index = |layer: &&str| self.modules.iter().position(|module| module.path == **layer);
        let places = layers.iter().map(index).collect::<Option<Vec<_>>>()?;
        let run = self.modules[*places.first()?].run?;
        let rising = places.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || places.iter().any(|place| self.modules[*place].run != Some(run)) {
            return None;
        }
        let of_run =
            |from: usize, to: usize| self.modules[from..to].iter().filter(move |module| module.run == Some(run));
        let mut behind = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let last = number + 1 == places.len();
            let end = match places.get(number + 1) {
                Some(next) => *next,
                // The next layer ends the search, whether it was picked or not.
                None => (place + 1..self.modules.len())
                    .find(|at| self.modules[*at].run == Some(run) && is_layer(&self.modules[*at].class))
                    .unwrap_or(self.modules.len()),
            };
            let ends_inside = end < self.modules.len() || self.whole;
            let modules: Vec<_> = of_run(place + 1, end).map(|module| (module, kind(pickle, module))).collect();
            behind.push(place_of(&modules, ends_inside || !last));
        }
        Some(Stated { behind, anywhere: Vec::new() })
    }

    /// All activations beside the layers; if there are none, all activations of the model.
    fn anywhere(&self, pickle: &Pickle, layers: &[&str]) -> Vec<StatedActivation> {
        let parent = |name: &str| name.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("{parent}."));
        let shared = layers.iter().map(|layer| parent(layer)).reduce(|a, b| if a.len() < b.len() { a } else { b });
        let shared = shared.filter(|shared| layers.iter().all(|layer| layer.starts_with(shared.as_str())));
        let all = || {
            self.modules.iter().filter_map(|module| match kind(pickle, module) {
                Kind::Activation(activation) => Some(StatedActivation { module: module.path.clone(), activation }),
                _ => None,
            })
        };
        let beside: Vec<_> = all()
            .filter(|found| shared.as_ref().is_some_and(|shared| found.module.starts_with(shared.as_str())))
            .collect();
        if beside.is_empty() { all().collect() } else { beside }
    }
}

const SEQUENTIAL: &str = "torch.nn.modules.container.Sequential";

/// What stands behind a layer. `known`: whether all modules up to the next layer, or the output,
/// are given.
fn place_of(modules: &[(&Module, Kind)], known: bool) -> Place {
    let state = |module: &Module, activation: &Result<Activation, String>| StatedActivation {
        module: module.path.clone(),
        activation: activation.clone(),
    };
    let acting = |with_slopes: bool| {
        let of_kind = move |(module, kind): &(&Module, Kind)| match kind {
            Kind::Activation(activation) => Some(state(module, activation)),
            Kind::Slopes => with_slopes.then(|| state(module, &Err("PReLU".to_owned()))),
            Kind::Unknown => Some(state(module, &Err(module.class.clone()))),
            Kind::Neutral => None,
        };
        modules.iter().filter_map(of_kind).collect::<Vec<_>>()
    };
    if modules.iter().any(|(_, kind)| matches!(kind, Kind::Activation(_))) {
        Place::Found(acting(true))
    } else if known && acting(true).is_empty() {
        Place::Nothing
    } else {
        Place::Unknown(acting(false))
    }
}

/// The number of entries of a dictionary; those of the state of an object, and of the dictionaries
/// in it.
fn dictionary_size(pickle: &Pickle, id: Id) -> usize {
    let entries = |id: Id| match pickle.value(id) {
        Value::Dict(entries) => entries.as_slice(),
        _ => &[],
    };
    match pickle.value(id) {
        Value::Call { state: Some(state), .. } => {
            entries(*state).iter().map(|(_, value)| 1 + entries(*value).len()).sum()
        }
        _ => entries(id).len(),
    }
}

/// Whether a value is a dictionary or may be a module.
fn may_contain(pickle: &Pickle, id: Id) -> bool {
    matches!(pickle.value(id), Value::Dict(_) | Value::Call { state: Some(_), .. })
}

/// The state of a module, and the modules inside it.
fn module(pickle: &Pickle, id: Id) -> Option<(Id, Vec<(String, Id)>)> {
    let Value::Call { state: Some(state), .. } = pickle.value(id) else { return None };
    let children = pickle.entry(*state, "_modules")?;
    Some((*state, pickle.entries(children)?))
}

/// Whether it is a layer with a weight that maps its inputs, such as a `ParametrizedLinear`.
fn is_layer(class: &str) -> bool {
    let name = class.rsplit_once('.').map_or(class, |(_, name)| name);
    class.starts_with("torch.nn.") && (name.contains("Linear") || name.contains("Conv"))
}

/// What a module does to its input.
enum Kind {
    /// An activation; the name of one that is not supported.
    Activation(Result<Activation, String>),
    /// Nothing in evaluation, or something that its tensors show.
    Neutral,
    /// An activation whose slopes are in its tensor.
    Slopes,
    Unknown,
}

fn kind(pickle: &Pickle, module: &Module) -> Kind {
    let Some((package, name)) = module.class.rsplit_once('.') else { return Kind::Unknown };
    let number = |attribute: &str| pickle.number(pickle.entry(module.state, attribute)?);
    match (package, name) {
        ("torch.nn.modules.activation", "PReLU") => Kind::Slopes,
        ("torch.nn.modules.activation", name) => Kind::Activation(match name {
            "ReLU" => Ok(Activation::Relu),
            "Sigmoid" => Ok(Activation::Sigmoid),
            "Tanh" => Ok(Activation::Tanh),
            "LeakyReLU" => match number("negative_slope") {
                Some(slope) if slope > 0.0 && slope < 1.0 => Ok(Activation::LeakyRelu(slope)),
                Some(0.0) => Ok(Activation::Relu),
                slope => Err(format!(
                    "LeakyReLU with slope {}",
                    slope.map_or("unknown".to_owned(), |slope| slope.to_string())
                )),
            },
            other => Err(other.to_owned()),
        }),
        // A norm without tensors acts as well.
        ("torch.nn.modules.batchnorm" | "torch.nn.modules.normalization" | "torch.nn.modules.instancenorm", name) => {
            if has_tensors(pickle, module.state) {
                Kind::Neutral
            } else {
                Kind::Activation(Err(name.to_owned()))
            }
        }
        ("torch.nn.modules.dropout" | "torch.nn.modules.flatten" | "torch.nn.modules.linear", _) => Kind::Neutral,
        // Their modules count by themselves; a loss is no part of the network.
        ("torch.nn.modules.container" | "torch.nn.modules.loss" | "torch.nn.modules.sparse", _) => Kind::Neutral,
        _ if is_layer(&module.class) => Kind::Neutral,
        // Another part of PyTorch changes its input in a way that no tensor shows.
        (package, name) if package.starts_with("torch.nn.modules.") => Kind::Activation(Err(name.to_owned())),
        _ => Kind::Unknown,
    }
}

/// Whether a module has a parameter or buffer.
fn has_tensors(pickle: &Pickle, state: Id) -> bool {
    ["_parameters", "_buffers"].iter().any(|key| {
        let tensors = pickle.entry(state, key).and_then(|tensors| pickle.entries(tensors)).unwrap_or_default();
        tensors.iter().any(|(_, tensor)| *pickle.value(*tensor) != Value::Nothing)
    })
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(kind(&pickle, &Model::of(&pickle).modules[0]), Kind::Neutral));
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
}
