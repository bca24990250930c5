//! Groups the tensors of a file into modules, and detects the kind of each. A state_dict has only
//! names such as `decoder.0.weight`. So the kind is detected from the names and shapes of the
//! parameters.

use super::names::{is_of_an_activation, own, parent, position, words};
use super::spectral_norm::Layout;
use super::tensor_file::{TensorInfo, natural_order};
use super::weights::{Per, WeightNames};

/// The tensors whose names agree up to the last dot: one layer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Module<'a> {
    /// The common part of the names: `decoder.0`; empty for a model with a single layer.
    pub name: &'a str,
    pub kind: Kind,
    /// The part after the name, and the tensor.
    parameters: Vec<(&'a str, &'a TensorInfo)>,
}

/// The kind of a module, detected from its tensors.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `W a + b`.
    Linear { units: usize, inputs: usize },
    /// BatchNorm with its running statistics.
    BatchNorm { features: usize },
    /// A single vector `weight`: the slopes of a PReLU, or the scale of an RMSNorm.
    Slopes { count: usize },
    /// A normalisation that depends on the values, such as LayerNorm; the text names it.
    Norm { features: usize, what: &'static str },
    /// A layer that cannot be inverted; the text names its kind.
    Unsupported(String),
    /// Not a layer: loose tensors, counters, the state of an optimizer.
    Unknown,
}

/// The part of a name where the parametrizations of PyTorch begin.
const PARAMETRIZATIONS: &str = "parametrizations.";

impl<'a> Module<'a> {
    /// The full name of the tensor called `parameter` in this module.
    pub fn tensor(&self, parameter: &str) -> Option<&'a str> {
        self.info(parameter).map(|info| info.name.as_str())
    }

    /// All tensors of the module.
    pub fn infos(&self) -> impl Iterator<Item = &'a TensorInfo> {
        self.parameters.iter().map(|(_, info)| *info)
    }

    fn info(&self, parameter: &str) -> Option<&'a TensorInfo> {
        self.parameters.iter().find(|(name, _)| *name == parameter).map(|(_, info)| *info)
    }

    /// The module for messages: `` `fc3` (400 × 20) ``.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Linear { units, inputs } => format!("`{}` ({units} × {inputs})", self.name),
            Kind::BatchNorm { features } => format!("`{}` (BatchNorm of {features})", self.name),
            Kind::Slopes { count: 1 } => format!("`{}` (PReLU)", self.name),
            Kind::Slopes { count } => format!("`{}` (PReLU or RMSNorm of {count})", self.name),
            Kind::Norm { features, what } => format!("`{}` ({what} of {features})", self.name),
            Kind::Unsupported(what) => format!("`{}` ({what})", self.name),
            Kind::Unknown => format!("`{}`", self.name),
        }
    }

    /// The weight of a linear layer, with its units and inputs; `None` for other modules, and for a
    /// weight in parts that do not fit together.
    pub fn weight(&self) -> Option<(WeightNames, usize, usize)> {
        let matrix = |parameter: &str| match self.info(parameter)?.shape[..] {
            [units, inputs] => Some((self.tensor(parameter)?.to_owned(), units, inputs)),
            _ => None,
        };
        let vector = |parameter: &str| match self.info(parameter)?.shape[..] {
            [length] => Some((self.tensor(parameter)?.to_owned(), length)),
            _ => None,
        };
        let has = |parameter: &str| self.info(parameter).is_some();
        let parts = self
            .parameters
            .iter()
            .filter(|(name, _)| *name == "weight" || is_part(name) && !name.starts_with("bias_"))
            .count();
        if has("weight") && parts == 1 {
            return matrix("weight").map(|(name, units, inputs)| (WeightNames::Whole(name), units, inputs));
        }
        for (magnitude, direction) in
            [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")]
        {
            if has(magnitude) && parts == 2 {
                let (name, units, inputs) = matrix(direction)?;
                let per = Per::of(&self.info(magnitude)?.shape, units, inputs)?;
                let magnitude = self.tensor(magnitude)?.to_owned();
                return Some((WeightNames::WeightNorm { magnitude, direction: name, per }, units, inputs));
            }
        }
        for (weight, left, right) in [
            ("weight_orig", "weight_u", "weight_v"),
            ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
        ] {
            if has(weight) && parts == 3 {
                let (name, units, inputs) = matrix(weight)?;
                let ((left, of_left), (right, of_right)) = (vector(left)?, vector(right)?);
                let layout = Layout::of(of_left, of_right, units, inputs)?;
                return Some((WeightNames::SpectralNorm { weight: name, left, right, layout }, units, inputs));
            }
        }
        if has("weight_orig") && has("weight_mask") && parts == 2 {
            let ((weight, units, inputs), (mask, ..)) = (matrix("weight_orig")?, matrix("weight_mask")?);
            let fits = self.info("weight_mask")?.shape == [units, inputs];
            return fits.then_some((WeightNames::Pruned { weight, mask }, units, inputs));
        }
        None
    }

    /// The bias, if there is one, and the mask that prunes it.
    pub fn bias(&self) -> Option<(String, Option<String>)> {
        if let Some(bias) = self.tensor("bias") {
            return Some((bias.to_owned(), None));
        }
        Some((self.tensor("bias_orig")?.to_owned(), self.tensor("bias_mask").map(str::to_owned)))
    }

    /// Whether the bias is whole or pruned, and not in other parts.
    fn bias_is_known(&self) -> bool {
        let part = |name: &str| self.info(name).map(|info| &info.shape);
        match (part("bias"), part("bias_orig"), part("bias_mask")) {
            (_, None, None) => true,
            (None, Some(bias), Some(mask)) => bias == mask,
            _ => false,
        }
    }

    fn classify(&self) -> Kind {
        let one_dimension = |parameter| match self.info(parameter)?.shape[..] {
            [length] => Some(length),
            _ => None,
        };
        if let (Some(features), Some(_)) = (one_dimension("running_mean"), one_dimension("running_var")) {
            return Kind::BatchNorm { features };
        }
        if let Some((_, units, inputs)) = self.weight().filter(|_| self.bias_is_known()) {
            return Kind::Linear { units, inputs };
        }
        if self.parameters.iter().any(|(name, _)| is_part(name)) {
            return Kind::Unsupported("a weight in parts that unrelu cannot combine".into());
        }
        if let Some(weight) = self.info("weight") {
            return self.by_weight(weight);
        }
        if self.parameters.iter().any(|(name, _)| name.starts_with("weight_ih") || name.starts_with("in_proj")) {
            return Kind::Unsupported("a recurrent or attention layer".into());
        }
        Kind::Unknown
    }

    /// The kind of a module whose `weight` is not a matrix.
    fn by_weight(&self, weight: &TensorInfo) -> Kind {
        let [features] = weight.shape[..] else {
            return match weight.shape.len() {
                0 => Kind::Unknown,
                _ => Kind::Unsupported(format!("a convolution, weight of shape {:?}", weight.shape)),
            };
        };
        if self.info("bias").is_some() {
            return Kind::Norm { features, what: "LayerNorm or GroupNorm" };
        }
        let own = words(own(self.name));
        let is_scale = ["norm", "ln", "rms", "rmsnorm", "layernorm", "scale", "gamma"];
        if own.iter().any(|word| is_scale.contains(&word.as_str())) {
            return Kind::Norm { features, what: "RMSNorm or scale" };
        }
        Kind::Slopes { count: features }
    }
}

/// Whether a parameter is a part of a weight that is stored in parts.
fn is_part(parameter: &str) -> bool {
    parameter.starts_with("weight_") && !parameter.starts_with("weight_ih") && !parameter.starts_with("weight_hh")
        || parameter.starts_with("bias_orig")
        || parameter.starts_with("bias_mask")
        || parameter.starts_with(PARAMETRIZATIONS)
}

/// The module of a tensor, and the rest of its name. All parametrizations belong to the module that
/// has them.
fn split(name: &str) -> (&str, &str) {
    let marks = name.match_indices(PARAMETRIZATIONS).map(|(at, _)| at);
    for at in marks {
        match at {
            0 => return ("", name),
            _ if name[..at].ends_with('.') => return (&name[..at - 1], &name[at..]),
            _ => {}
        }
    }
    name.rsplit_once('.').unwrap_or(("", name))
}

/// The modules of a file, in natural order of their names. `tensors`: those that are not ignored.
pub fn modules<'a>(tensors: impl IntoIterator<Item = &'a TensorInfo>) -> Vec<Module<'a>> {
    let mut modules: Vec<Module> = Vec::new();
    let mut named: Vec<_> = tensors
        .into_iter()
        .map(|info| {
            let (module, parameter) = split(&info.name);
            (module, parameter, info)
        })
        .collect();
    // The sort is stable, so that the parameters of a module keep their order.
    named.sort_by(|left, right| natural_order(left.0, right.0));
    for (name, parameter, info) in named {
        match modules.last_mut().filter(|module| module.name == name) {
            Some(module) => module.parameters.push((parameter, info)),
            None => modules.push(Module { name, kind: Kind::Unknown, parameters: vec![(parameter, info)] }),
        }
    }
    for module in &mut modules {
        module.kind = module.classify();
    }
    refuse_loose_scales(&mut modules);
    modules
}

/// A vector `weight` is a PReLU only if its name says so, or if it has a position in a `Sequential`
/// of layers. Otherwise it is a scale.
fn refuse_loose_scales(modules: &mut [Module]) {
    let mut sequentials: Vec<&str> = Vec::new();
    for module in modules.iter().filter(|m| matches!(m.kind, Kind::Linear { .. } | Kind::Unsupported(_))) {
        let mut part = module.name;
        while !part.is_empty() {
            if position(part).is_some() {
                sequentials.push(parent(part));
            }
            part = parent(part);
        }
    }
    sequentials.sort_unstable();
    for module in modules {
        let Kind::Slopes { count } = module.kind else { continue };
        let has_place = position(module.name).is_some() && sequentials.binary_search(&parent(module.name)).is_ok();
        if !has_place && !is_of_an_activation(module.name) {
            module.kind = Kind::Norm { features: count, what: "scale" };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_from_names_and_shapes() {
        let tensors: Vec<_> = [
            ("net.10.weight", &[4, 3][..]),
            ("net.2.weight", &[3, 2]),
            ("net.2.bias", &[3]),
            ("net.3.running_mean", &[3]),
            ("net.3.running_var", &[3]),
            ("net.3.num_batches_tracked", &[]),
            ("conv.weight", &[8, 3, 3, 3]),
            ("act.weight", &[1]),
            ("norm.weight", &[3]),
            ("norm2.weight", &[3]),
            ("norm2.bias", &[3]),
            ("fc.weight_g", &[3, 1]),
            ("fc.weight_v", &[3, 2]),
            ("pruned.weight_orig", &[3, 2]),
            ("pruned.weight_mask", &[3, 2]),
            ("pruned2.weight", &[3, 2]),
            ("pruned2.bias_orig", &[3]),
            ("sn.parametrizations.weight.original", &[3, 2]),
            ("sn.parametrizations.weight.0._u", &[3]),
            ("sn.parametrizations.weight.0._v", &[2]),
            ("step", &[]),
        ]
        .iter()
        .map(|(name, shape)| TensorInfo { name: name.to_string(), shape: shape.to_vec(), element_type: "F32".into() })
        .collect();
        let modules = modules(&tensors);
        let described: Vec<_> = modules.iter().map(Module::describe).collect();
        assert_eq!(
            described,
            [
                "``",
                "`act` (PReLU)",
                "`conv` (a convolution, weight of shape [8, 3, 3, 3])",
                "`fc` (3 × 2)",
                "`net.2` (3 × 2)",
                "`net.3` (BatchNorm of 3)",
                "`net.10` (4 × 3)",
                "`norm` (RMSNorm or scale of 3)",
                "`norm2` (LayerNorm or GroupNorm of 3)",
                "`pruned` (3 × 2)",
                "`pruned2` (a weight in parts that unrelu cannot combine)",
                "`sn` (3 × 2)",
            ]
        );
        assert_eq!(modules[4].tensor("bias"), Some("net.2.bias"));
    }
}
