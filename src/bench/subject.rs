//! The measured networks.

use std::sync::Arc;

use crate::error::Result;
use crate::formats::network_file::bundled_generator;
use crate::network::{Activation, Network};
use crate::random::random_network;

const SEED: u64 = 1;

/// A network to measure.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The name in its rows.
    pub name: String,
    /// The network.
    pub network: Arc<Network>,
}

impl Subject {
    /// Names `network` by `name` and its sizes: `net.safetensors 20→60→784`.
    pub fn new(name: &str, network: Network) -> Self {
        let units = network.layers().iter().map(|layer| layer.units().to_string());
        let sizes: Vec<String> = std::iter::once(network.code_length().to_string()).chain(units).collect();
        Subject { name: format!("{name} {}", sizes.join("→")), network: Arc::new(network) }
    }

    /// The random network 20→100→500 and the bundled trained one, 20→60→784.
    ///
    /// # Errors
    /// None, unless the program was built from a damaged source.
    pub fn usual() -> Result<Vec<Self>> {
        Ok(vec![
            Subject::new("random", random_network(&[20, 100, 500], Activation::Relu, SEED)?),
            Subject::new("trained", bundled_generator()?),
        ])
    }
}
