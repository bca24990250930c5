//! Layer-wise inversion of a batch: from the observations inwards, each layer's recovered input is
//! the target of the layer before it. What a layer's LP leaves undetermined is handed on as
//! unobserved, or as a point of its optimal face if that leads to a lower residual ([`hand_on`]).
//!
//! From the bottom up: [`problem`] is the form of a linear program, [`solver`] solves a batch of
//! them, [`certificate`] checks an answer from itself, [`face`] reads off what is determined and
//! finishes, [`certified`] joins these, in better units where a layer's own are bad; [`climb`] is a
//! chain of them that is only looked at; [`formulation`] says which rows and which ε, [`layer`]
//! runs one layer's searches in rounds, [`chain`] chains the layers, [`passes`] inverts them again
//! with the inputs that are off fixed, and [`hand_on`] chooses what undetermined entries hand on.

pub(crate) mod bases;
pub mod basis;
pub mod certificate;
pub mod certified;
mod chain;
pub mod climb;
mod comparison;
pub mod face;
pub mod formulation;
mod hand_on;
mod inversion;
pub mod layer;
mod own_layer;
mod passes;
pub mod problem;
pub mod solution;
pub mod solver;
mod spread;

pub use chain::{LayerChain, LayerSystems};
pub use inversion::Inversion;
