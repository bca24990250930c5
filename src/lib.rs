//! unrelu inverts ReLU and LeakyReLU generators in bulk.

pub mod configuration;
pub mod cpu;
pub mod descent;
pub mod device;
pub mod error;
pub mod network;
pub mod random;

pub use error::{Error, Result};
