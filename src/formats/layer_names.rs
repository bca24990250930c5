//! The tensors of one layer of the generator, with everything that is folded into it.

use super::norms_by_name::NormNames;
use super::slopes::Slope;
use super::weights::WeightNames;

/// The tensors of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNames {
    /// The module's name: `decoder.0`.
    pub name: String,
    /// The weight, units × inputs.
    pub weight: WeightNames,
    pub units: usize,
    pub inputs: usize,
    /// The name of the bias, if there is one.
    pub bias: Option<String>,
    /// The name of the mask that prunes it, if there is one.
    pub bias_mask: Option<String>,
    /// BatchNorm layers between the activation before this layer and its linear map.
    pub norms_before: Vec<NormNames>,
    /// BatchNorm layers between the linear map and its activation.
    pub norms: Vec<NormNames>,
    /// The slope of its activation, if the file has it.
    pub slope: Option<Slope>,
}

impl LayerNames {
    /// Whether the layer has a bias, its own or that of a folded BatchNorm.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some() || self.folded().next().is_some()
    }

    /// All BatchNorm layers that are folded into the layer.
    pub fn folded(&self) -> impl Iterator<Item = &NormNames> {
        self.norms_before.iter().chain(&self.norms)
    }

    /// What the weight or bias is computed by; `None` if both are stored whole.
    pub fn computed_by(&self) -> Option<&'static str> {
        self.weight.normalisation().or(self.bias_mask.as_ref().map(|_| "pruning"))
    }

    /// The names of all its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &String> {
        let norms = self.folded().flat_map(NormNames::tensors);
        let slope = self.slope.iter().map(|slope| &slope.tensor);
        self.weight.tensors().into_iter().chain(&self.bias).chain(&self.bias_mask).chain(norms).chain(slope)
    }
}
