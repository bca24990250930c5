//! The CPU device, in f64: it replaces a missing GPU, checks the GPU's f32 answers in tests, and
//! finishes them in f64.
//!
//! [`levenberg_marquardt`], [`classify`], [`compact`], [`compare`], [`convolution`], [`curve`],
//! [`descend`], [`forward`], [`gather`], [`gram`] and [`residual`] are the naive twins of the
//! kernels: functions of one observation, simple enough to check by reading. The device itself uses
//! [`blocked`] for products, which is tested against the twins. No answer depends on the batch
//! around it, in either version. All work runs on the rayon pool of the caller, and on no other
//! thread.

pub mod blocked;
pub mod classify;
pub mod compact;
pub mod compare;
pub mod convolution;
pub mod curve;
pub mod descend;
pub mod forward;
pub mod gather;
pub mod gram;
pub mod levenberg_marquardt;
pub mod peak;
pub mod residual;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nalgebra::{DMatrix, DVector};

use self::blocked::descend::gradients::gradients;
use self::blocked::descend::prepared;
use self::blocked::map::PackedMap;
use self::blocked::packed::PackedNetwork;
use self::blocked::product::{Columns, ColumnsMut, Finish};
use crate::descent::{Start, Steps, default_step, default_step_by, moments_from};
use crate::error::{Error, Result};
use crate::network::Network;

/// The CPU as a device that holds one network.
#[derive(Debug)]
pub struct CpuDevice {
    network: Arc<Network>,
    double: OnceLock<PackedNetwork<f64>>,
    single: OnceLock<PackedNetwork<f32>>,
    /// [`Network::single_unit`], which reads every weight.
    single_unit: OnceLock<f64>,
    default_step: OnceLock<f64>,
    sweeps: AtomicU64,
}

impl CpuDevice {
    /// Creates a device for `network`; the first product prepares what products need.
    pub fn new(network: Arc<Network>) -> Self {
        CpuDevice {
            network,
            double: OnceLock::new(),
            single: OnceLock::new(),
            single_unit: OnceLock::new(),
            default_step: OnceLock::new(),
            sweeps: AtomicU64::new(0),
        }
    }

    /// The network packed for products in f64; packed once.
    pub fn double(&self) -> &PackedNetwork<f64> {
        self.double.get_or_init(|| PackedNetwork::new(&self.network))
    }

    /// The network packed for products in f32; packed once. Its outputs are divided by
    /// [`Network::single_unit`].
    pub fn single(&self) -> &PackedNetwork<f32> {
        self.single.get_or_init(|| PackedNetwork::new(&self.network.with_outputs_in(self.single_unit())))
    }

    /// The unit of the outputs of [`Self::single`]; found once.
    fn single_unit(&self) -> f64 {
        *self.single_unit.get_or_init(|| self.network.single_unit())
    }

    /// Advances runs in f32 as far as it is accurate; see [`prepared`].
    pub(crate) fn prepared(&self, observations: &DMatrix<f64>, starts: &[Start], steps: &Steps) -> Vec<Option<Start>> {
        let unit = self.single_unit();
        let mut reached = prepared(self.single(), &(observations / unit), starts, &steps.with_outputs_in(unit));
        for start in reached.iter_mut().flatten() {
            start.moments.iter_mut().for_each(|moments| *moments = moments_from(unit, *moments));
        }
        reached
    }

    /// `G(Z)` with products in f32. `codes`: `k` × count; returns `n` × count.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if the codes do not have `k` rows.
    pub fn forward_f32(&self, codes: &DMatrix<f32>) -> Result<DMatrix<f32>> {
        self.network.check_codes(codes)?;
        self.count_sweep();
        let unit = Some(self.single_unit() as f32).filter(|unit| *unit != 1.0);
        Ok(blocked::forward::forward_in(self.single(), 0..self.network.depth(), codes, unit))
    }

    /// `½‖G(z) − x‖²` over the observed entries, and its gradient by `z`, for each column of
    /// `codes` (`k` × count) and of `observations` (`n` × count, `NaN` where unobserved). `in_f32`:
    /// the products of both passes are in f32. Returns count losses, and `k` × count.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if codes or observations do not fit the network or each other.
    pub fn gradients(
        &self,
        observations: &DMatrix<f64>,
        codes: &DMatrix<f64>,
        in_f32: bool,
    ) -> Result<(Vec<f64>, DMatrix<f64>)> {
        self.network.check_codes(codes)?;
        self.network.check_observations(observations)?;
        if codes.ncols() != observations.ncols() {
            return Err(Error::input(
                "the codes",
                format!("{} codes for {} observations", codes.ncols(), observations.ncols()),
                "one code per observation",
                "pass as many codes as observations",
            ));
        }
        self.count_sweep();
        if !in_f32 {
            return Ok(gradients(self.double(), observations, codes));
        }
        let unit = self.single_unit();
        let (mut losses, mut found) = gradients(self.single(), &(observations / unit), codes);
        // The square of the unit may be beyond f64.
        losses.iter_mut().for_each(|loss| *loss = *loss * unit * unit);
        found *= unit;
        found *= unit;
        Ok((losses, found))
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// [`default_step`] of the network, computed once.
    pub fn default_step(&self) -> f64 {
        *self.default_step.get_or_init(|| default_step_of(&self.network, || self.double()))
    }

    /// Number of parallel sweeps over a batch so far.
    pub fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Relaxed)
    }

    /// Counts one parallel sweep over a batch.
    pub(crate) fn count_sweep(&self) {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`default_step`] of a network, by the products of `packed` where maps are not matrices.
pub(crate) fn default_step_of<'a>(network: &'a Network, packed: impl Fn() -> &'a PackedNetwork<f64>) -> f64 {
    if network.is_dense() {
        return default_step(network);
    }
    let packed = packed();
    default_step_by(network, |index, _, scale| {
        let map = &packed.layers()[index].map;
        Box::new(move |v| normal_product(map, v, scale))
    })
}

/// `WᵀW v / scale²`.
fn normal_product(map: &PackedMap<f64>, v: &DVector<f64>, scale: f64) -> DVector<f64> {
    let given = v / scale;
    let (mut sums, mut image) = (vec![0.0; map.outputs()], DVector::zeros(map.inputs()));
    let inputs = Columns { entries: given.as_slice(), stride: given.len() };
    let outputs = ColumnsMut { stride: sums.len(), entries: &mut sums };
    map.apply(None, inputs, outputs, 1, Finish::Plain);
    let inputs = Columns { entries: &sums, stride: sums.len() };
    let outputs = ColumnsMut { stride: image.len(), entries: image.as_mut_slice() };
    map.apply_transposed(inputs, outputs, 1, Finish::Plain);
    image / scale
}
