//! The modules of a whole model: their names, classes, numbers and, inside a `Sequential`, their
//! order. A state_dict has none of these.

use super::kind::{Kind, has_tensors, is_layer};
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
    is_leaf: bool,
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
            let is_leaf = children.is_empty();
            self.modules.push(Module { path: path.clone(), class: class.to_owned(), state, run, is_leaf });
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
            acting: self.acting(pickle, layers, None),
        })
    }

    /// The modules without tensors that may act on the layers, in a way that is not known. Those of
    /// the `Sequential` called `run` are left out, because their places are known.
    fn acting(&self, pickle: &Pickle, layers: &[&str], run: Option<usize>) -> Vec<StatedActivation> {
        let outside = self.modules.iter().filter(|module| module.run.is_none() || module.run != run);
        let without_tensors = outside.filter(|module| module.is_leaf && !has_tensors(pickle, module.state));
        let of_kind = |module: &Module| {
            let what = match module.kind(pickle) {
                Kind::Activation(Err(name)) => name,
                Kind::Unknown => module.class.clone(),
                _ => return None,
            };
            self.is_beside(module, layers)
                .then(|| StatedActivation { module: module.path.clone(), activation: Err(what) })
        };
        without_tensors.filter_map(of_kind).collect()
    }

    /// Whether the smallest part of the model that has the module and any layer has one of
    /// `layers`. An encoder has layers of its own.
    fn is_beside(&self, module: &Module, layers: &[&str]) -> bool {
        let mut part = module.path.as_str();
        loop {
            part = part.rsplit_once('.').map_or("", |(parent, _)| parent);
            let is_inside =
                |path: &str| part.is_empty() || path.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'));
            if layers.iter().any(|layer| is_inside(layer)) {
                return true;
            }
            if part.is_empty() || self.modules.iter().any(|other| is_layer(&other.class) && is_inside(&other.path)) {
                return false;
            }
        }
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
            let modules: Vec<_> = of_run(place + 1, end).map(|module| (module, module.kind(pickle))).collect();
            behind.push(place_of(&modules, ends_inside || !last));
        }
        // What stands behind the `Sequential` may be the activation of the output.
        let mut anywhere = Vec::new();
        if matches!(behind.last(), Some(Place::Unknown(_))) {
            let is_outside = |module: &&Module| module.run != Some(run) && self.is_beside(module, layers);
            let bounded = self.modules.iter().filter(is_outside).filter_map(|module| match module.kind(pickle) {
                Kind::Activation(Ok(activation)) if activation.is_bounded() => {
                    Some(StatedActivation { module: module.path.clone(), activation: Ok(activation) })
                }
                _ => None,
            });
            anywhere = bounded.collect();
        }
        Some(Stated { behind, anywhere, acting: self.acting(pickle, layers, Some(run)) })
    }

    /// All activations beside the layers; if there are none, all activations of the model.
    fn anywhere(&self, pickle: &Pickle, layers: &[&str]) -> Vec<StatedActivation> {
        let of_kind = |module: &Module| match module.kind(pickle) {
            Kind::Activation(activation) => Some(StatedActivation { module: module.path.clone(), activation }),
            _ => None,
        };
        let beside = self.modules.iter().filter(|module| self.is_beside(module, layers));
        let beside: Vec<_> = beside.filter_map(of_kind).collect();
        if beside.is_empty() { self.modules.iter().filter_map(of_kind).collect() } else { beside }
    }
}

impl Module {
    fn kind(&self, pickle: &Pickle) -> Kind {
        Kind::of(pickle, &self.class, self.state)
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

#[cfg(test)]
mod tests;
