//! Reading and writing files. Networks are read from `.safetensors`, PyTorch and ONNX files, and
//! written as safetensors. Observations and codes are read and written as `.npy`, batch by
//! batch.
//!
//! Inputs are checked before any work begins. An output gets its final name only when it is
//! complete ([`output::OutputFile`]).

mod activations;
mod arrangement;
pub mod assumption;
mod automatic;
pub mod batch_norm;
mod bounded;
mod chains;
mod described;
pub mod extent;
pub mod files;
mod ignored;
mod layer_names;
mod layer_reading;
mod layers_by_name;
mod left_out;
mod left_over;
mod lfs;
mod modules;
pub(crate) mod names;
pub mod network_file;
mod norms_by_name;
pub mod npy;
mod npz;
mod npz_network;
mod numpy_names;
pub mod onnx;
pub mod operations;
pub mod output;
mod picks;
mod places;
pub mod pytorch;
pub mod report;
pub mod safetensors;
mod scopes;
mod slopes;
mod spectral_norm;
mod stated;
pub mod streams;
mod suggestions;
pub mod tensor_file;
pub mod unfinished;
mod weights;
