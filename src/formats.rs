//! Reading and writing files. Networks are read from `.safetensors` and PyTorch `.pth`/`.pt` files,
//! and written as safetensors. Observations and codes are read and written as `.npy`, batch by
//! batch.
//!
//! Inputs are checked before any work begins. An output gets its final name only when it is
//! complete ([`output::OutputFile`]).

pub mod batch_norm;
mod chains;
pub mod extent;
pub mod files;
mod layers_by_name;
mod lfs;
mod modules;
pub mod network_file;
mod norms_by_name;
pub mod npy;
mod npz;
mod npz_network;
mod numpy_names;
pub mod output;
pub mod pytorch;
pub mod report;
pub mod safetensors;
mod stated;
pub mod tensor_file;
