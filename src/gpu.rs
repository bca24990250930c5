//! The GPU device: WGSL kernels through wgpu, in f32.
//!
//! Pipelines and weights are uploaded to the device once, and the buffers of a batch are kept there
//! for the next one ([`workspace`]). The results are those of f32. Where f32 is not sufficient
//! (values beyond its range, the last digits of gradient descent), the answer says so, and
//! `device/` finishes it in f64.

pub mod adapters;
pub mod buffers;
pub mod classify;
pub mod compact;
mod compare;
pub mod context;
mod convolution;
mod curve;
pub mod descend;
pub mod faults;
mod fitting;
pub mod forward;
mod gather;
mod gram;
pub mod kernel;
mod lane_loop;
mod layer_steps;
mod layout;
pub mod levenberg_marquardt;
pub mod limits;
mod maps;
pub mod pace;
pub mod peak;
mod phases;
pub mod pipeline;
mod residual;
pub mod staging;
mod targets;
mod terms;
pub mod tiles;
mod transfer;
pub mod workspace;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use buffers::Room;
use context::Context;
use fitting::Fitting;
use layer_steps::LayerPipelines;
use layout::Layout;
use levenberg_marquardt::MarquardtPipelines;
use maps::LayerBuffers;
use pace::Paces;
use pipeline::{Product, Rows};
use tiles::Tiles;
use workspace::{Workspace, Workspaces};

use crate::cpu::blocked::packed::PackedNetwork;
use crate::cpu::default_step_of;
use crate::error::{Error, Result};
use crate::kernel_params::curve;
use crate::kernel_params::entry_points::{
    BACKWARD, CLASSIFY, FORWARD, RANK, RESIDUAL, SCATTER, UPDATE, UPDATE_SUBGROUPS,
};
use crate::network::Network;

/// A GPU that holds one network.
#[derive(Debug)]
pub struct GpuDevice {
    context: Context,
    network: Arc<Network>,
    /// What outputs and observations are divided by on the device, a power of two: sums of squares
    /// then stay within the range of f32.
    unit: f64,
    layers: Vec<LayerBuffers>,
    /// Of the code and of each layer's output.
    layouts: Vec<Layout>,
    pipelines: Pipelines,
    layer_pipelines: OnceLock<LayerPipelines>,
    marquardt: OnceLock<MarquardtPipelines>,
    tiles: Tiles,
    room: Room,
    workspaces: Workspaces,
    fitting: Fitting,
    paces: Paces,
    default_step: OnceLock<f64>,
    packed: OnceLock<PackedNetwork<f64>>,
    undecided_rows: AtomicU64,
    compactions: AtomicU64,
}

#[derive(Debug)]
struct Pipelines {
    forward: Product,
    classify: Rows,
    residual: Product,
    backward: Product,
    update: Rows,
    rank: Rows,
    scatter: Rows,
}

impl Pipelines {
    fn new(context: &Context, tiles: Tiles) -> Self {
        let update = if context.has_subgroups() { &UPDATE_SUBGROUPS } else { &UPDATE };
        Pipelines {
            forward: Product::new(context, &FORWARD, tiles),
            classify: Rows::new(context, &CLASSIFY),
            residual: Product::new(context, &RESIDUAL, tiles),
            backward: Product::new(context, &BACKWARD, tiles),
            update: Rows::new(context, update),
            rank: Rows::new(context, &RANK),
            scatter: Rows::new(context, &SCATTER),
        }
    }
}

impl GpuDevice {
    /// Uploads `network` and compiles the kernels.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the network does not fit the device (a weight beyond the range of
    /// f32, a matrix larger than a binding or than the free memory); [`Error::DeviceLost`] if the
    /// device fails.
    pub fn new(context: Context, network: Arc<Network>) -> Result<Self> {
        let room = Room::of(context.limits());
        let tiles = Tiles::for_limits(context.limits());
        let unit = network.single_unit();
        let on_device = network.with_outputs_in(unit);
        let layouts = Layout::of(&network);
        check_fit(&on_device, &context, &layouts, (room, tiles))?;
        let uploaded = context.guarded(|| {
            let layers = on_device.layers().iter().enumerate().map(|(index, layer)| {
                let below = index.checked_sub(1).map(|below| on_device.layers()[below].activation);
                LayerBuffers::new(&context, layer, &layouts[index..index + 2], below)
            });
            Ok((layers.collect(), Pipelines::new(&context, tiles)))
        });
        let (layers, pipelines) = uploaded.map_err(|error| match error {
            Error::DeviceMemory(reason) => Error::NoDevice(format!(
                "{} has too little free memory for the weights ({reason}); use option `device: cpu`",
                context.adapter().name
            )),
            other => other,
        })?;
        Ok(GpuDevice {
            context,
            network,
            unit,
            layers,
            layouts,
            pipelines,
            layer_pipelines: OnceLock::new(),
            marquardt: OnceLock::new(),
            tiles,
            room,
            workspaces: Workspaces::default(),
            fitting: Fitting::default(),
            paces: Paces::default(),
            default_step: OnceLock::new(),
            packed: OnceLock::new(),
            undecided_rows: AtomicU64::new(0),
            compactions: AtomicU64::new(0),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What outputs and observations are divided by on the device.
    pub(crate) fn unit(&self) -> f64 {
        self.unit
    }

    /// One line for the user if the card has run out of memory.
    pub(crate) fn warning(&self) -> Option<String> {
        self.fitting.warning(&self.context.adapter().name)
    }

    /// Multiply–adds of these layers on the device, times two.
    fn operations(&self, layers: Range<usize>) -> f64 {
        let products =
            |index: usize| maps::products(self.network.layers()[index].map(), &self.layouts[index..index + 2]);
        layers.map(|index| 2.0 * products(index) as f64).sum()
    }

    /// The underlying device context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// [`default_step`](crate::descent::default_step) of the network, computed once.
    pub fn default_step(&self) -> f64 {
        *self.default_step.get_or_init(|| default_step_of(&self.network, || self.packed()))
    }

    /// The network packed for the CPU, which finishes descents in f64; packed once.
    pub(crate) fn packed(&self) -> &PackedNetwork<f64> {
        self.packed.get_or_init(|| PackedNetwork::new(&self.network))
    }

    /// Number of rows that [`Self::classify_exactly`] has decided in f64 so far, because f32 cannot
    /// separate them from their threshold.
    pub fn undecided_rows(&self) -> u64 {
        self.undecided_rows.load(Ordering::Relaxed)
    }

    /// The tiles used for products on this device.
    pub fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// How often gradient descent and Levenberg–Marquardt have moved the running lanes of a batch
    /// to the front so far.
    pub fn compactions(&self) -> u64 {
        self.compactions.load(Ordering::Relaxed)
    }

    /// Processes `count` observations in parts of at most `most`. `start` uploads and submits a
    /// part. `finish` reads the result of the previous part while the device works on this one.
    fn in_overlapping_parts(
        &self,
        count: usize,
        most: usize,
        start: impl Fn(&mut Workspace, Range<usize>),
        mut finish: impl FnMut(&mut Workspace, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let spare = self.context.guarded(|| {
            let mut spare: Vec<Workspace> = Vec::new();
            let mut under_way: Option<(Workspace, Range<usize>)> = None;
            for columns in buffers::ranges(count, most) {
                let mut space = spare.pop().unwrap_or_else(|| self.workspaces.take());
                start(&mut space, columns.clone());
                if let Some((mut before, columns)) = under_way.replace((space, columns)) {
                    finish(&mut before, columns)?;
                    spare.push(before);
                }
            }
            if let Some((mut last, columns)) = under_way {
                finish(&mut last, columns)?;
                spare.push(last);
            }
            Ok(spare)
        })?;
        // Only now, because errors of the device are known when `guarded` ends.
        self.workspaces.give(spare);
        Ok(())
    }
}

/// Workgroups in one dimension with which two dimensions are enough for the pixels of the largest
/// array of a batch.
const FEWEST_WORKGROUPS: u32 = 1024;

fn check_fit(network: &Network, context: &Context, layouts: &[Layout], (room, tiles): (Room, Tiles)) -> Result<()> {
    let name = &context.adapter().name;
    if let Some(obstacle) = network.gpu_obstacle() {
        let message = format!("the GPU's kernels do not support {obstacle}; use option `device: cpu`");
        return Err(Error::NoDevice(message));
    }
    let has_plain_kernels =
        network.is_dense() && network.layers().iter().all(|layer| curve(layer.activation).is_none());
    if !has_plain_kernels && room.workgroups < FEWEST_WORKGROUPS {
        return Err(Error::NoDevice(format!(
            "convolutions and smooth activations need {FEWEST_WORKGROUPS} workgroups in one dimension and {name} \
             offers {}; use option `device: cpu`",
            room.workgroups
        )));
    }
    for (index, layer) in network.layers().iter().enumerate() {
        let number = index + 1;
        let mut numbers = layer.map().numbers().chain(layer.bias.iter());
        if let Some(weight) = numbers.find(|w| (**w as f32).is_infinite()) {
            return Err(Error::NoDevice(format!(
                "layer {number} has the weight {weight:e}, beyond the range of f32, in which {name} computes; use option `device: cpu`"
            )));
        }
        let (bytes, columns) = maps::needs(layer.map(), &layouts[index..index + 2]);
        if bytes > room.binding_bytes {
            return Err(Error::NoDevice(format!(
                "the weight of layer {number} needs {bytes} bytes in one binding and {name} offers {}; use option `device: cpu`",
                room.binding_bytes
            )));
        }
        let tiles = tiles.most_workgroups(columns);
        if tiles > room.workgroups {
            return Err(Error::NoDevice(format!(
                "layer {number} needs {tiles} workgroups in a dispatch and {name} offers {}; use option `device: cpu`",
                room.workgroups
            )));
        }
    }
    Ok(())
}
