//! The tensors of a BatchNorm.

use super::modules::Module;

/// The names of the tensors of a BatchNorm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormNames {
    pub name: String,
    pub mean: String,
    pub variance: String,
    /// `weight`; `None` if the BatchNorm has no affine parameters.
    pub scale: Option<String>,
    /// `bias`; `None` if the BatchNorm has no affine parameters.
    pub shift: Option<String>,
}

impl NormNames {
    /// The tensors of a BatchNorm module; `None` for other modules.
    pub fn of(module: &Module) -> Option<Self> {
        Some(NormNames {
            name: module.name.to_owned(),
            mean: module.tensor("running_mean")?.to_owned(),
            variance: module.tensor("running_var")?.to_owned(),
            scale: module.tensor("weight").map(str::to_owned),
            shift: module.tensor("bias").map(str::to_owned),
        })
    }

    /// The names of all its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &String> {
        [Some(&self.mean), Some(&self.variance), self.scale.as_ref(), self.shift.as_ref()].into_iter().flatten()
    }
}
