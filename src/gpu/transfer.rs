//! Memory from which an array is transferred to the device, kept for the next batch. Fresh memory
//! for each transfer would cost more time than writing it: the system clears every page at its
//! first use.

use std::ops::Range;
use std::sync::mpsc::{self, Receiver};

use super::buffers;
use super::context::Context;
use super::staging::wait_until_mapped;
use crate::error::{Error, Result};

/// The memory of one array. It grows with the largest batch, as the array does on the device.
#[derive(Debug, Default)]
pub struct Transfer(Option<Mapped>);

/// A buffer that is mapped for writing, or will be when its last copy has run.
#[derive(Debug)]
struct Mapped {
    buffer: wgpu::Buffer,
    copied: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Mapped {
    /// Asks for the mapping of `buffer`. `copied`: the submission after which nothing reads it.
    fn ask(buffer: wgpu::Buffer, copied: wgpu::SubmissionIndex) -> Self {
        let (sender, mapped) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Write, .., move |outcome| {
            // If waiting has failed already, the receiver is gone.
            let _ = sender.send(outcome);
        });
        Mapped { buffer, copied, mapped }
    }
}

impl Transfer {
    /// Copies `bytes` to the beginning of `to`, before the next submission. `write` gets the views
    /// of consecutive parts, of at most `part` bytes each, and writes them. Sizes are multiples of
    /// eight bytes.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the memory does not become writable. The caller's
    /// [`Context::guarded`] knows whether there is none.
    pub fn send<T>(
        &mut self,
        context: &Context,
        to: &wgpu::Buffer,
        (bytes, part): (u64, u64),
        write: impl FnOnce(Vec<(Range<u64>, wgpu::BufferViewMut)>) -> T,
    ) -> Result<T> {
        let kept = self.0.take().filter(|Mapped { buffer, .. }| buffer.size() >= bytes);
        // A smaller buffer is freed first.
        let Mapped { buffer, copied, mapped } = kept.unwrap_or_else(|| {
            let buffer = buffers::transfer_of(context, bytes);
            Mapped::ask(buffer, context.submit(|_| 0))
        });
        match mapped.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::DeviceLost(error.to_string())),
            Err(_) => {
                context.wait(copied)?;
                wait_until_mapped(context, &mapped)?;
            }
        }
        let parts = (0..bytes).step_by(part.max(1) as usize).map(|start| start..bytes.min(start + part));
        let views = parts.map(|part| buffer.get_mapped_range_mut(part.clone()).map(|view| (part, view)));
        let views: Vec<_> =
            views.collect::<std::result::Result<_, _>>().map_err(|error| Error::DeviceLost(error.to_string()))?;
        let answer = write(views);
        buffer.unmap();
        let copied = context.submit(|encoder| {
            encoder.copy_buffer_to_buffer(&buffer, 0, to, 0, Some(bytes));
            0
        });
        self.0 = Some(Mapped::ask(buffer, copied));
        Ok(answer)
    }
}
