//! unrelu inverts ReLU and LeakyReLU generators in bulk.

pub mod configuration;
pub mod descent;
pub mod device;
pub mod error;
pub mod formats;
pub mod generate;
pub mod inspection;
pub mod network;
pub mod random;
