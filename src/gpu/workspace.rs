//! Reusable buffers of a call. Each buffer is created once for its role, and replaced only when a
//! larger batch arrives; its bind groups live as long. Each call takes a whole workspace, so calls
//! from several threads do not share one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytemuck::NoUninit;

use super::buffers;
use super::context::Context;
use super::kernel::Kernel;
use super::staging::Staging;
use super::transfer::Transfer;

/// The role of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The uniform of a kernel; one per layer or array if it is dispatched for several.
    Params(&'static str, usize),
    /// The uniform of one phase of a convolution: its pass, layer and phase. Among the numbers of
    /// `Params`, phases of the first layer would be other layers.
    PhaseParams(&'static str, usize, usize),
    /// The inputs of the first layer; the codes of gradient descent.
    Inputs,
    /// Outputs of a layer.
    Activation(usize),
    /// What a layer's activation is applied to, if that is not part of the product.
    Sums(usize),
    /// The tangents of the codes, if a kernel reads them.
    Units,
    /// `δ` of a layer's outputs.
    Delta(usize),
    /// Sums of the squares of a descent's residual.
    Squares,
    /// `δ` of the codes.
    Gradients,
    /// The optimizer's moments.
    Moments,
    /// Intermediate buffer for moments that move to another lane.
    MovedMoments,
    /// The state of each run.
    Lanes,
    /// Intermediate buffer for lanes that move to another place.
    MovedLanes,
    /// Codes that Levenberg–Marquardt has accepted; its trial codes are in `Inputs`.
    Codes,
    /// The dampings of Levenberg–Marquardt.
    Dampings,
    /// Tangents of a layer's outputs, `k` per lane.
    Tangents(usize),
    /// `JᵀJ` and `Jᵀr`.
    Normals,
    /// Intermediate buffer for one of several arrays that move to another lane.
    Moved(usize),
    /// The targets of gradient descent and of classification.
    Targets,
    /// Thresholds of a classification.
    Thresholds,
    /// Active bits of a classification.
    ActiveWords,
    /// Undecided bits of a classification.
    UndecidedWords,
    /// Number of active entries of each observation.
    ActiveCounts,
    /// The destination of each lane.
    Destinations,
    /// The number of running lanes.
    Running,
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// A buffer of the workspace.
    Own(Role),
    /// A buffer that lives as long as the device; the roles beside it identify it in the cache.
    Fixed(&'a wgpu::Buffer),
}

/// The buffers of one call, and its two staging buffers: one can be filled while the other is read.
#[derive(Debug, Default)]
pub struct Workspace {
    buffers: HashMap<Role, wgpu::Buffer>,
    /// What the uniforms contain.
    written: HashMap<Role, Vec<u8>>,
    bound: HashMap<(&'static str, Vec<Role>), wgpu::BindGroup>,
    /// The staging buffers.
    pub staging: [Staging; 2],
    /// The memory from which the targets are transferred.
    pub transfer: Transfer,
}

impl Workspace {
    /// Ensures that the buffer of `role` holds `entries` numbers of four bytes. Call it for all
    /// roles of a kernel before any of them is bound.
    pub fn reserve(&mut self, context: &Context, role: Role, entries: usize) -> &wgpu::Buffer {
        self.at_least(context, role, 4 * entries.max(1) as u64, buffers::storage_of)
    }

    /// Writes `data` to the buffer of `role`, before the next submission.
    pub fn upload<T: NoUninit>(&mut self, context: &Context, role: Role, data: &[T]) {
        let buffer = self.reserve(context, role, size_of_val(data) / 4);
        context.write(buffer, data);
    }

    /// Writes a kernel's uniform.
    pub fn params<T: NoUninit>(&mut self, context: &Context, role: Role, params: T) {
        let buffer = self.at_least(context, role, size_of::<T>() as u64, buffers::uniform_of);
        context.write(buffer, &[params]);
        let written = self.written.entry(role).or_default();
        written.clear();
        written.extend_from_slice(bytemuck::bytes_of(&params));
    }

    /// The buffer of a reserved role.
    pub fn buffer(&self, role: Role) -> &wgpu::Buffer {
        &self.buffers[&role]
    }

    /// Binds `kernel` to `operands` for a dispatch of this number of workgroups, or returns the
    /// cached bind group.
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn bind(
        &mut self,
        context: &Context,
        kernel: &Kernel,
        operands: &[Operand<'_>],
        workgroups: usize,
    ) -> wgpu::BindGroup {
        let own = |operand: &Operand<'_>| match operand {
            Operand::Own(role) => Some(*role),
            Operand::Fixed(_) => None,
        };
        let (buffers, written) = (&self.buffers, &self.written);
        let bound: Vec<&wgpu::Buffer> = operands
            .iter()
            .map(|operand| match operand {
                Operand::Own(role) => &buffers[role],
                Operand::Fixed(buffer) => buffer,
            })
            .collect();
        let params = operands.iter().filter_map(own).find_map(|role| written.get(&role));
        kernel.assert_within(params.map_or(&[], Vec::as_slice), workgroups as u64, &bound);
        let key = (kernel.name(), operands.iter().filter_map(own).collect());
        self.bound.entry(key).or_insert_with(|| kernel.bind(context, &bound)).clone()
    }

    fn at_least(
        &mut self,
        context: &Context,
        role: Role,
        bytes: u64,
        make: impl FnOnce(&Context, u64) -> wgpu::Buffer,
    ) -> &wgpu::Buffer {
        if self.buffers.get(&role).is_none_or(|buffer| buffer.size() < bytes) {
            // The smaller buffer and its bind groups are dropped first: the device might not have
            // room for both buffers.
            self.bound.retain(|(_, roles), _| !roles.contains(&role));
            self.buffers.remove(&role);
            self.buffers.insert(role, make(context, bytes));
        }
        &self.buffers[&role]
    }
}

/// Workspaces that no call is using.
#[derive(Debug, Default)]
pub struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Takes the last used workspace, or creates one. Only a successful call gives it back.
    pub fn take(&self) -> Workspace {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Frees the memory of all of them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives workspaces back; none of them may have a pending read-back.
    pub fn give(&self, workspaces: impl IntoIterator<Item = Workspace>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(workspaces);
    }
}
