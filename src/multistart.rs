//! Finds codes of lowest squared error, or lowest error in another norm, by working on the linear
//! regions of the generator.
//!
//! While no unit switches on or off, `G` is an affine map ([`linearisation`]), and the best code of
//! that region is a least-squares solution. [`local_search`] descends from a code to the
//! neighbourhood of a local minimum, across regions. [`active_set`] finds the local minimum
//! exactly, also where it lies on the border between regions.
//!
//! [`refine`] runs both once, from a code that another method found. [`follow`] runs them from the
//! previous answer when an observation has changed. [`search`] runs them from many starts, until it
//! has found the lowest loss often enough. [`rounds`] searches for a whole batch, with a device
//! that brings the codes near their minima.
//!
//! [`calibration`] measures on a network's own outputs how many runs it needs.
//!
//! [`uncertainty`] says how far the true code may be from the answer, entry by entry.
//!
//! The [`Objective`] is the measure to minimise. For `l1` and `linf`, [`absolute`] continues with
//! linear programs; in a search, [`reweighted`] comes near first.

pub mod absolute;
pub mod active_set;
pub mod alternatives;
pub mod answer;
pub mod calibration;
mod evaluation_error;
pub mod follow;
pub mod gradients;
pub mod kink;
mod layer_map;
pub mod layerwise;
pub mod linearisation;
pub mod local_search;
pub mod majorant;
mod map_rows;
mod minimum;
mod multipliers;
mod newton;
pub mod objective;
pub mod options;
pub mod packed_layer;
pub mod packed_network;
pub mod pin;
pub mod point;
pub(crate) mod products;
mod progress;
pub mod radii;
pub mod refine;
pub mod region;
mod reweighted;
pub mod rounds;
pub mod search;
mod second_order;
pub mod sensitivities;
pub mod starts;
pub mod stored;
mod surroundings;
pub mod uncertainty;
pub mod uniqueness;

pub use answer::BestAnswer;
pub use calibration::{MeasuredRule, calibrate};
pub use follow::{Followed, follow_batch};
pub use objective::Objective;
pub use options::BestOptions;
pub use packed_network::PackedNetwork;
pub use refine::{RefineOptions, Refinement, refine_batch, refine_one};
pub use rounds::best_batch_on;
pub use search::best_batch;
pub use stored::Stored;
pub use uncertainty::{NoiseModel, UncertaintyOptions, assess_batch, assess_one};
