//! Groups the tensors of a file into modules, and detects the kind of each. A state_dict has only
//! names such as `decoder.0.weight`. So the kind is detected from the names and shapes of the
//! parameters.

use super::tensor_file::{TensorInfo, natural_order};

/// The tensors whose names agree up to the last dot: one layer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Module<'a> {
    /// The common part of the names: `decoder.0`; empty for a model with a single layer.
    pub name: &'a str,
    pub kind: Kind,
    /// The part after the last dot, and the tensor.
    parameters: Vec<(&'a str, &'a TensorInfo)>,
}

/// The kind of a module, detected from its tensors.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `W a + b`.
    Linear { units: usize, inputs: usize },
    /// BatchNorm with its running statistics.
    BatchNorm { features: usize },
    /// A layer that cannot be inverted; the text names its kind.
    Unsupported(String),
    /// Not a layer: counters, the state of an optimizer.
    Unknown,
}

impl<'a> Module<'a> {
    /// The full name of the tensor called `parameter` in this module.
    pub fn tensor(&self, parameter: &str) -> Option<&'a str> {
        self.info(parameter).map(|info| info.name.as_str())
    }

    fn info(&self, parameter: &str) -> Option<&'a TensorInfo> {
        self.parameters.iter().find(|(name, _)| *name == parameter).map(|(_, info)| *info)
    }

    /// The module for messages: `` `fc3` (400 × 20) ``.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Linear { units, inputs } => format!("`{}` ({units} × {inputs})", self.name),
            Kind::BatchNorm { features } => format!("`{}` (BatchNorm of {features})", self.name),
            Kind::Unsupported(what) => format!("`{}` ({what})", self.name),
            Kind::Unknown => format!("`{}`", self.name),
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
        if let Some(weight) = self.info("weight") {
            return match weight.shape[..] {
                [units, inputs] => Kind::Linear { units, inputs },
                [_, _, _, ..] => Kind::Unsupported(format!("a convolution, weight of shape {:?}", weight.shape)),
                _ => Kind::Unsupported(format!("a normalisation or PReLU, weight of shape {:?}", weight.shape)),
            };
        }
        let split = |(name, _): &(&str, _)| matches!(*name, "weight_g" | "weight_v" | "weight_orig");
        if self.parameters.iter().any(split) || self.name.contains("parametrizations") {
            return Kind::Unsupported("a weight stored in parts, by weight or spectral normalisation".into());
        }
        if self.parameters.iter().any(|(name, _)| name.starts_with("weight_ih") || name.starts_with("in_proj")) {
            return Kind::Unsupported("a recurrent or attention layer".into());
        }
        Kind::Unknown
    }
}

/// The modules of a file, in natural order of their names.
pub fn modules(tensors: &[TensorInfo]) -> Vec<Module<'_>> {
    let mut modules: Vec<Module> = Vec::new();
    let mut named: Vec<_> = tensors
        .iter()
        .map(|info| {
            let (module, parameter) = info.name.rsplit_once('.').unwrap_or(("", &info.name));
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
    modules
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
            ("norm.weight", &[3]),
            ("fc.weight_g", &[3, 1]),
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
                "`conv` (a convolution, weight of shape [8, 3, 3, 3])",
                "`fc` (a weight stored in parts, by weight or spectral normalisation)",
                "`net.2` (3 × 2)",
                "`net.3` (BatchNorm of 3)",
                "`net.10` (4 × 3)",
                "`norm` (a normalisation or PReLU, weight of shape [3])",
            ]
        );
        assert_eq!(modules[3].tensor("bias"), Some("net.2.bias"));
    }
}
