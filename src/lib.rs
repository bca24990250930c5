//! unrelu inverts ReLU and LeakyReLU generators in bulk.

pub mod adapter;
pub mod best;
pub mod configuration;
pub mod cpu;
pub mod descent;
pub mod device;
pub mod error;
pub mod formats;
pub mod generate;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(feature = "gpu")]
pub mod kernel_params;
pub mod lp;
pub mod network;
pub mod random;

pub use error::{Error, Result};
