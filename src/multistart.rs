//! Codes of lowest squared error, or lowest in another norm, by working on the linear regions of
//! the generator.
//!
//! While no unit switches on or off, `G` is an affine map ([`linearisation`]), and the best code of
//! that region is a least-squares solution. [`local_search`] goes from a code to a local minimum
//! across regions, [`active_set`] to one that lies between them, exactly. [`refine`] does that
//! once, from a code that another method found, and [`follow`] from the answer to an observation
//! that has moved since; [`search`] does it from many starts, until the lowest loss has been found
//! often enough, and [`rounds`] does so for a whole batch with a device that comes near the minima.
//! What is to be low is the [`Objective`]: for `l1` and `linf` [`absolute`] goes on by linear
//! programs.

pub mod absolute;
pub mod active_set;
pub mod answer;
pub mod follow;
pub mod gradients;
pub mod kink;
pub mod layerwise;
pub mod linearisation;
pub mod local_search;
pub mod majorant;
mod minimum;
pub mod objective;
pub mod options;
pub mod packed_network;
pub mod pin;
pub mod point;
pub(crate) mod products;
mod progress;
pub mod refine;
pub mod region;
pub mod rounds;
pub mod search;
pub mod sensitivities;
pub mod starts;
pub mod uniqueness;

pub use answer::BestAnswer;
pub use follow::{Followed, follow_batch};
pub use objective::Objective;
pub use options::BestOptions;
pub use packed_network::PackedNetwork;
pub use refine::{RefineOptions, Refinement, refine_batch, refine_one};
pub use rounds::best_batch_on;
pub use search::best_batch;
