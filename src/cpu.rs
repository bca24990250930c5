//! The CPU device, in f64: the fallback where there is no GPU, the truth that the GPU's f32 answers
//! are held against and finished by.
//!
//! [`levenberg_marquardt`], [`classify`], [`compact`], [`descend`] and [`forward`] are the naive
//! twins of the kernels, functions of one observation that a reader believes at sight. What the
//! device itself runs for products is [`blocked`], held against them; there too no answer depends
//! on the batch around it. Work runs on the rayon pool that the caller is in, and on no other
//! thread.

pub mod blocked;
pub mod classify;
pub mod compact;
pub mod descend;
pub mod forward;
pub mod levenberg_marquardt;
pub mod peak;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use self::blocked::packed::PackedNetwork;
use crate::descent::default_step;
use crate::network::Network;

/// The CPU as a device that holds one network.
#[derive(Debug)]
pub struct CpuDevice {
    network: Arc<Network>,
    double: OnceLock<PackedNetwork<f64>>,
    single: OnceLock<PackedNetwork<f32>>,
    default_step: OnceLock<f64>,
    sweeps: AtomicU64,
}

impl CpuDevice {
    /// A device for `network`; what its products need is prepared when the first of them runs.
    pub fn new(network: Arc<Network>) -> Self {
        CpuDevice {
            network,
            double: OnceLock::new(),
            single: OnceLock::new(),
            default_step: OnceLock::new(),
            sweeps: AtomicU64::new(0),
        }
    }

    /// The network as products in f64 read it, packed once.
    pub fn double(&self) -> &PackedNetwork<f64> {
        self.double.get_or_init(|| PackedNetwork::new(&self.network))
    }

    /// The network as products in f32 read it, packed once.
    pub fn single(&self) -> &PackedNetwork<f32> {
        self.single.get_or_init(|| PackedNetwork::new(&self.network))
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// [`default_step`] of the network, found once.
    pub fn default_step(&self) -> f64 {
        *self.default_step.get_or_init(|| default_step(&self.network))
    }

    /// Parallel sweeps over a batch so far.
    pub fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Relaxed)
    }

    /// Counts one parallel sweep over a batch.
    pub(crate) fn count_sweep(&self) {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
    }
}
