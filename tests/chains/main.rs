//! Networks that are chains of any maps and activations: products, descent, searches, and which
//! method takes which network.

mod files;
mod fixtures;
mod inversion;
mod passes;
