//! The modules of a whole model: their names, classes, numbers and, inside a `Sequential`, their
//! order. A state_dict has none of these.

use super::pickle::{Id, Pickle, Value};
use crate::formats::stated::{Place, Stated, StatedActivation};
use crate::network::Activation;

/// Maximum nesting and number of modules. Shared modules count each time.
const DEEPEST: usize = 64;
const MOST: usize = 100_000;

/// The modules of a model, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Model {
    modules: Vec<Module>,
    /// Whether a `Sequential` is all that the file holds.
    whole: bool,
    /// Number of runs of modules that are carried out one after the other.
    runs: usize,
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
    /// The modules of a pickle; empty if it holds no model.
    pub fn of(pickle: &Pickle) -> Model {
        let whole = pickle.class(pickle.root) == Some(SEQUENTIAL);
        let mut model = Model { whole, ..Model::default() };
        model.add(pickle, pickle.root, String::new(), None, 0);
        model
    }

    /// Whether the pickle holds no model.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    fn add(&mut self, pickle: &Pickle, id: Id, path: String, run: Option<usize>, depth: usize) {
        if depth > DEEPEST || self.modules.len() >= MOST {
            return;
        }
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some((state, children)) = module(pickle, id) else {
            for (name, value) in pickle.entries(id).unwrap_or_default() {
                self.add(pickle, value, inside(&name), None, depth + 1);
            }
            return;
        };
        let class = pickle.class(id).unwrap_or_default();
        let children: Vec<_> =
            children.into_iter().filter(|(_, child)| *pickle.value(*child) != Value::Nothing).collect();
        let mut inner = None;
        if class == SEQUENTIAL {
            inner = run.or(Some(self.runs));
            self.runs += 1;
        } else {
            self.modules.push(Module { path: path.clone(), class: class.to_owned(), state, run });
        }
        for (name, child) in children {
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
            behind: vec![Place::Unknown; layers.len()],
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
            let mut found = Vec::new();
            let mut known = ends_inside || !last;
            for module in of_run(place + 1, end) {
                match kind(pickle, module) {
                    Kind::Activation(activation) => {
                        found.push(StatedActivation { module: module.path.clone(), activation })
                    }
                    Kind::Neutral => {}
                    Kind::Unknown => known = false,
                }
            }
            behind.push(match found.len() {
                0 if known => Place::Nothing,
                0 => Place::Unknown,
                _ => Place::Found(found),
            });
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
    Unknown,
}

fn kind(pickle: &Pickle, module: &Module) -> Kind {
    let Some((package, name)) = module.class.rsplit_once('.') else { return Kind::Unknown };
    let number = |attribute: &str| pickle.number(pickle.entry(module.state, attribute)?);
    match (package, name) {
        ("torch.nn.modules.activation", "PReLU") => Kind::Neutral,
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
        ("torch.nn.modules.dropout" | "torch.nn.modules.flatten" | "torch.nn.modules.batchnorm", _) => Kind::Neutral,
        ("torch.nn.modules.normalization" | "torch.nn.modules.instancenorm", _) => Kind::Neutral,
        ("torch.nn.modules.linear", _) => Kind::Neutral,
        _ if is_layer(&module.class) => Kind::Neutral,
        // Another part of PyTorch changes its input in a way that no tensor shows.
        (package, name) if package.starts_with("torch.nn.modules.") => Kind::Activation(Err(name.to_owned())),
        _ => Kind::Unknown,
    }
}
