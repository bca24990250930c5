//! The GPU device: WGSL kernels through wgpu, in f32.
//!
//! Pipelines and weights go to the device once. What is returned is what f32 gives; where f32 does not reach (values
//! beyond its range, the last digits of gradient descent) the answer says so and `device/` finishes it in f64.

pub mod buffers;
pub mod classify;
pub mod context;
pub mod descend;
pub mod forward;
pub mod peak;
pub mod pipeline;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use buffers::Room;
use context::Context;
use pipeline::{Pipeline, Sizes};

use crate::descent::default_step;
use crate::error::{Error, Result};
use crate::kernel_params::{BACKWARD, CLASSIFY, FORWARD, RESIDUAL, UPDATE};
use crate::network::Network;

/// A GPU that holds one network.
#[derive(Debug)]
pub struct GpuDevice {
    context: Context,
    network: Arc<Network>,
    layers: Vec<LayerBuffers>,
    pipelines: Pipelines,
    sizes: Sizes,
    room: Room,
    default_step: OnceLock<f64>,
    undecided_rows: AtomicU64,
}

/// One layer's weights on the device.
#[derive(Debug)]
struct LayerBuffers {
    weight: wgpu::Buffer,
    bias: wgpu::Buffer,
}

#[derive(Debug)]
struct Pipelines {
    forward: Pipeline,
    classify: Pipeline,
    residual: Pipeline,
    backward: Pipeline,
    update: Pipeline,
}

impl GpuDevice {
    /// Uploads `network` and compiles the kernels.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when the network does not fit the device (a weight beyond the range of f32, a matrix
    /// larger than a binding); [`Error::DeviceLost`] when the device fails.
    pub fn new(context: Context, network: Arc<Network>) -> Result<Self> {
        let room = Room::of(context.limits());
        let sizes = Sizes::for_limits(context.limits());
        check_fit(&network, &context, room, sizes)?;
        let (layers, pipelines) = context.guarded(|| {
            let layers = network.layers().iter().map(|layer| LayerBuffers {
                weight: buffers::upload(&context, &narrowed(&layer.weight)),
                bias: buffers::upload(&context, &narrowed(&layer.bias)),
            });
            let pipelines = Pipelines {
                forward: Pipeline::new(&context, &FORWARD, sizes),
                classify: Pipeline::new(&context, &CLASSIFY, sizes),
                residual: Pipeline::new(&context, &RESIDUAL, sizes),
                backward: Pipeline::new(&context, &BACKWARD, sizes),
                update: Pipeline::new(&context, &UPDATE, sizes),
            };
            Ok((layers.collect(), pipelines))
        })?;
        Ok(GpuDevice {
            context,
            network,
            layers,
            pipelines,
            sizes,
            room,
            default_step: OnceLock::new(),
            undecided_rows: AtomicU64::new(0),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device underneath.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// [`default_step`] of the network, found once.
    pub fn default_step(&self) -> f64 {
        *self.default_step.get_or_init(|| default_step(&self.network))
    }

    /// Rows so far that [`Self::classify_exactly`] has decided in f64, because f32 cannot tell them from their threshold.
    pub fn undecided_rows(&self) -> u64 {
        self.undecided_rows.load(Ordering::Relaxed)
    }

    /// Workgroups of a tiled product with `rows` rows and `count` columns.
    fn tiles(&self, rows: usize, count: usize) -> (u32, u32) {
        (rows.div_ceil(self.sizes.tile as usize) as u32, count.div_ceil(self.sizes.tile as usize) as u32)
    }
}

fn narrowed<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> Vec<f32> {
    numbers.into_iter().map(|number| *number as f32).collect()
}

fn check_fit(network: &Network, context: &Context, room: Room, sizes: Sizes) -> Result<()> {
    let name = &context.adapter().name;
    for (index, layer) in network.layers().iter().enumerate() {
        let number = index + 1;
        if let Some(weight) = layer.weight.iter().chain(layer.bias.iter()).find(|w| (**w as f32).is_infinite()) {
            return Err(Error::NoDevice(format!(
                "layer {number} has a weight of {weight:e}, beyond the range of f32 that {name} computes in; use --device cpu"
            )));
        }
        let bytes = 4 * layer.weight.len() as u64;
        if bytes > room.binding_bytes {
            return Err(Error::NoDevice(format!(
                "the weight of layer {number} needs {bytes} bytes in one binding and {name} offers {}; use --device cpu",
                room.binding_bytes
            )));
        }
        let tiles = layer.units().max(layer.inputs()).div_ceil(sizes.tile as usize);
        if tiles > room.workgroups as usize {
            return Err(Error::NoDevice(format!(
                "layer {number} needs {tiles} workgroups in a dispatch and {name} offers {}; use --device cpu",
                room.workgroups
            )));
        }
    }
    Ok(())
}
