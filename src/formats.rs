//! Files in and out. Networks are read from `.safetensors` and PyTorch `.pth`/`.pt` and written as
//! safetensors; observations and codes are read and written as `.npy`, a batch at a time, never
//! whole.
//!
//! What is read is checked before any work begins; what is written appears under its name only when
//! it is complete ([`output::OutputFile`]).

pub mod batch_norm;
mod chains;
pub mod extent;
mod layers_by_name;
mod modules;
pub mod network_file;
mod norms_by_name;
pub mod npy;
pub mod output;
pub mod pytorch;
pub mod report;
pub mod safetensors;
pub mod tensor_file;
