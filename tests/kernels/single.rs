//! One kernel on arrays, apart from everything else.

use bytemuck::NoUninit;
use unrelu::internals::gpu::context::Context;
use unrelu::internals::gpu::pipeline::{Product, Rows, dispatch};
use unrelu::internals::gpu::staging::Staging;
use unrelu::internals::gpu::tiles::Tiles;
use unrelu::internals::gpu::workspace::{Operand, Role, Workspace};
use unrelu::internals::kernel_params::entry_points::{Access, EntryPoint, Workgroup};

/// Runs one kernel on `arrays`, in the order of its bindings. Returns all arrays as they are after
/// it. `entries`: the length of a row of a product, or the invocations of one.
pub fn run<T: NoUninit>(
    context: &Context,
    entry: &'static EntryPoint,
    params: T,
    arrays: &[Vec<u32>],
    (entries, count): (usize, usize),
) -> Vec<Vec<u32>> {
    context
        .guarded(|| {
            let mut space = Workspace::default();
            let uniform = Role::Params("planted", 0);
            space.params(context, uniform, params);
            let mut roles = Vec::new();
            let mut next = 0;
            for binding in entry.bindings {
                roles.push(match binding.access {
                    Access::Uniform => uniform,
                    _ => {
                        space.upload(context, Role::Moved(next), &arrays[next]);
                        next += 1;
                        Role::Moved(next - 1)
                    }
                });
            }
            assert_eq!(next, arrays.len(), "one array per binding");
            let operands: Vec<Operand> = roles.into_iter().map(Operand::Own).collect();
            let step = match entry.workgroup {
                Workgroup::Tile => {
                    let product = Product::new(context, entry, Tiles::for_limits(context.limits()));
                    product.step(context, &mut space, &operands, (entries, count))
                }
                Workgroup::LaneTile => {
                    let product = Product::new(context, entry, Tiles::for_limits(context.limits()));
                    product.step_of_lanes(context, &mut space, &operands, (entries, count))
                }
                Workgroup::Entries => {
                    Rows::new(context, entry).step_of_entries(context, &mut space, &operands, entries * count)
                }
                _ => Rows::new(context, entry).step(context, &mut space, &operands, count),
            };
            let sources: Vec<_> =
                (0..next).map(|index| (space.buffer(Role::Moved(index)), 4 * arrays[index].len() as u64)).collect();
            let mut staging = Staging::default();
            staging.submit(context, &sources, |encoder, timer| dispatch(&mut timer.pass(encoder, true, true), [&step]));
            let mut words: Vec<u32> = staging.collect(context, bytemuck::pod_collect_to_vec)?;
            Ok(arrays.iter().map(|array| words.drain(..array.len()).collect()).collect())
        })
        .unwrap()
}
