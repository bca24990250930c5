//! Buffers that a call works in, kept for the next call: each is made once for a role and made anew
//! only when a larger batch comes, and what binds it lives as long. A call takes a workspace for
//! itself, so calls from several threads do not meet in one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytemuck::NoUninit;

use super::buffers;
use super::context::Context;
use super::kernel::Kernel;

use super::staging::Staging;

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The uniform of a kernel, one a layer or an array where it is dispatched for several.
    Params(&'static str, usize),
    /// What the first layer is given; the codes of gradient descent.
    Inputs,
    /// Outputs of a layer.
    Activation(usize),
    /// `δ` of a layer's outputs.
    Delta(usize),
    /// `δ` of the codes.
    Gradients,
    /// What the optimizer keeps.
    Moments,
    /// Moments on their way to another lane.
    MovedMoments,
    /// The state of each run.
    Lanes,
    /// Lanes on their way to another place.
    MovedLanes,
    /// Codes that Levenberg–Marquardt has accepted; those it tries are its inputs.
    Codes,
    /// Its dampings.
    Dampings,
    /// Tangents of a layer's outputs, `k` a lane.
    Tangents(usize),
    /// `JᵀJ` and `Jᵀr`.
    Normals,
    /// One of several arrays on their way to another lane.
    Moved(usize),
    /// What descent aims at and what classification compares.
    Targets,
    /// Thresholds of a classification.
    Thresholds,
    /// Its active bits.
    ActiveWords,
    /// Its undecided bits.
    UndecidedWords,
    /// Its counts.
    ActiveCounts,
    /// Where each lane goes.
    Destinations,
    /// How many lanes run.
    Running,
}

/// What a kernel is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// A buffer of the workspace.
    Own(Role),
    /// A buffer that lives as long as the device, told by the roles beside it.
    Fixed(&'a wgpu::Buffer),
}

/// The buffers of one call, and what they are read back through: two stagings, so that one can be
/// on its way while the other is being read.
#[derive(Debug, Default)]
pub struct Workspace {
    buffers: HashMap<Role, wgpu::Buffer>,
    bound: HashMap<(&'static str, Vec<Role>), wgpu::BindGroup>,
    /// Ways back.
    pub staging: [Staging; 2],
}

impl Workspace {
    /// Sees to it that the buffer of `role` holds `entries` numbers of four bytes. To be called for
    /// all roles of a kernel before any of them is bound.
    pub fn reserve(&mut self, context: &Context, role: Role, entries: usize) -> &wgpu::Buffer {
        self.at_least(context, role, 4 * entries.max(1) as u64, buffers::storage_of)
    }

    /// Writes `data` to the buffer of `role`, before whatever is submitted next.
    pub fn upload<T: NoUninit>(&mut self, context: &Context, role: Role, data: &[T]) {
        let buffer = self.reserve(context, role, size_of_val(data) / 4);
        context.write(buffer, data);
    }

    /// Writes a kernel's uniform.
    pub fn params<T: NoUninit>(&mut self, context: &Context, role: Role, params: T) {
        let buffer = self.at_least(context, role, size_of::<T>() as u64, buffers::uniform_of);
        context.write(buffer, &[params]);
    }

    /// The buffer of a role that has been reserved.
    pub fn buffer(&self, role: Role) -> &wgpu::Buffer {
        &self.buffers[&role]
    }

    /// Binds `kernel` to `operands`, or finds that it has been.
    pub fn bind(&mut self, context: &Context, kernel: &Kernel, operands: &[Operand<'_>]) -> wgpu::BindGroup {
        let own = |operand: &Operand<'_>| match operand {
            Operand::Own(role) => Some(*role),
            Operand::Fixed(_) => None,
        };
        let key = (kernel.name(), operands.iter().filter_map(own).collect());
        let buffers = &self.buffers;
        let bound = self.bound.entry(key).or_insert_with(|| {
            let operands: Vec<&wgpu::Buffer> = operands
                .iter()
                .map(|operand| match operand {
                    Operand::Own(role) => &buffers[role],
                    Operand::Fixed(buffer) => buffer,
                })
                .collect();
            kernel.bind(context, &operands)
        });
        bound.clone()
    }

    fn at_least(
        &mut self,
        context: &Context,
        role: Role,
        bytes: u64,
        make: impl FnOnce(&Context, u64) -> wgpu::Buffer,
    ) -> &wgpu::Buffer {
        if self.buffers.get(&role).is_none_or(|buffer| buffer.size() < bytes) {
            // The smaller one goes first, and all that holds on to it: both together might not fit
            // the device.
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
    /// One that was used last, or a new one. It is given back only by a call that succeeds.
    pub fn take(&self) -> Workspace {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives workspaces back, with nothing on its way in them.
    pub fn give(&self, workspaces: impl IntoIterator<Item = Workspace>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(workspaces);
    }
}
