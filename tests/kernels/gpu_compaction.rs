//! Ended lanes leave the batch on the device, without an effect on the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use unrelu::internals::cpu::compact;
use unrelu::internals::descent::{Steps, default_step};
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::gpu::pipeline::{Rows, dispatch};
use unrelu::internals::gpu::staging::Staging;
use unrelu::internals::gpu::workspace::{Operand, Role, Workspace};
use unrelu::internals::kernel_params::entry_points::{RANK, SCATTER};
use unrelu::internals::kernel_params::{CompactParams, LANE_CAPPED, LANE_RESTED, LANE_RUNNING, Lane};
use unrelu::{Activation, Optimizer};

use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    lanes_are_ranked_and_moved_as_the_twin_does,
    lanes_that_end_at_different_times_leave_the_others_alone_bit_by_bit,
);

fn lanes_are_ranked_and_moved_as_the_twin_does() {
    for (variant, context) in gpu::variants() {
        let (ranking, scattering) = (Rows::new(&context, &RANK), Rows::new(&context, &SCATTER));
        for (count, words) in [(1, 1), (7, 3), (64, 65), (257, 2), (1001, 64), (20_011, 4)] {
            let noise = matrix(count as u64, count, 1);
            let running: Vec<bool> = noise.iter().map(|x| *x > 0.3).collect();
            let status = |runs: &bool| if *runs { LANE_RUNNING } else { LANE_RESTED };
            let lanes: Vec<Lane> = running.iter().map(|runs| Lane { status: status(runs), ..Lane::START }).collect();
            let rows: Vec<u32> = (0..(count * words) as u32).collect();

            let mut space = Workspace::default();
            space.upload(&context, Role::Lanes, &lanes);
            space.upload(&context, Role::Targets, &rows);
            space.reserve(&context, Role::Destinations, count);
            space.reserve(&context, Role::Running, 1);
            space.reserve(&context, Role::Delta(0), count * words);
            let params = Role::Params("a test", 0);
            space.params(&context, params, CompactParams { count: count as u32, words: words as u32 });
            let roles = [params, Role::Lanes, Role::Destinations, Role::Running].map(Operand::Own);
            let rank = ranking.step(&context, &mut space, &roles, 1);
            let roles = [params, Role::Destinations, Role::Targets, Role::Delta(0)].map(Operand::Own);
            let scatter = scattering.step(&context, &mut space, &roles, count);
            let mut staging = Staging::default();
            let bytes = 4 * (count * words) as u64;
            let sources = [
                (space.buffer(Role::Destinations), 4 * count as u64),
                (space.buffer(Role::Running), 4),
                (space.buffer(Role::Delta(0)), bytes),
            ];
            staging.submit(&context, &sources, |encoder, timer| {
                dispatch(&mut timer.pass(encoder, true, true), [&rank, &scatter])
            });
            let found: Vec<u32> = staging.collect(&context, bytemuck::pod_collect_to_vec).unwrap();

            let (destinations, how_many) = compact::rank(&running);
            assert_eq!(found[..count], destinations, "{variant}: {count}");
            assert_eq!(found[count], how_many, "{variant}: {count}");
            let moved = compact::scatter(&rows, words, &destinations);
            assert_eq!(found[count + 1..], moved, "{variant}: {count} × {words}");
            assert!(count < 7 || moved != rows, "nothing moved");
        }
    }
}

/// What stays and what is removed, by an independent oracle: a stable sort.
#[test]
fn the_twin_sorts_running_lanes_first() {
    let running = [false, true, true, false, true, false];
    let (destinations, count) = compact::rank(&running);
    assert_eq!(count, 3);
    let mut order: Vec<usize> = (0..6).collect();
    order.sort_by_key(|lane| !running[*lane]);
    let expected: Vec<u32> = order.iter().flat_map(|lane| [*lane as u32 * 2, *lane as u32 * 2 + 1]).collect();
    let rows: Vec<u32> = (0..12).collect();
    assert_eq!(compact::scatter(&rows, 2, &destinations), expected);
}

fn lanes_that_end_at_different_times_leave_the_others_alone_bit_by_bit() {
    let network = network(700, &[5, 40, 90], Activation::LeakyRelu(0.5), Activation::LeakyRelu(0.5));
    let k = 5;
    for (case, optimizer) in [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam].into_iter().enumerate() {
        // Each variant with one of them, with checks or without: all combinations would take
        // minutes.
        let first = case + 3 * usize::from(gpu::has_checks());
        for (variant, context) in gpu::variants().skip(first).take(1) {
            let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            let mut observations = device.forward_f32(0..2, &matrix(701, k, 151)).unwrap();
            // Some do not fit the network and end early or late, and one diverges at once.
            for column in (0..151).step_by(3) {
                observations.column_mut(column).scale_mut(0.1 + 0.02 * column as f64);
            }
            observations[(1, 7)] = f64::NAN;
            observations.column_mut(9).fill(3e30);
            let starts = matrix(702, k, 151);
            let steps =
                Steps { optimizer, size: optimizer.default_step(|| default_step(&network)), cap: 500, prior: 0.0 };
            let before = device.compactions();
            let whole = device.descend_f32(&observations, &starts, &steps).unwrap();
            let ends: BTreeSet<u32> = whole.lanes.iter().map(|lane| lane.iterations).collect();
            assert!(ends.len() > 20, "{optimizer}: lanes end too much alike to prove anything");
            assert!(device.compactions() > before, "{optimizer}: nothing was compacted");
            assert!(whole.lanes.iter().enumerate().all(|(place, lane)| lane.origin as usize == place));
            assert!(whole.lanes.iter().all(|lane| lane.status != LANE_RUNNING));
            assert!(whole.lanes.iter().any(|lane| lane.status != LANE_CAPPED));

            let kept = whole.moments.len() / 151;
            for part in [vec![0], vec![17], vec![150], vec![9, 8, 7], (40..77).collect(), (0..151).rev().collect()] {
                let part: Vec<usize> = part;
                let (x, z) = (observations.select_columns(&part), starts.select_columns(&part));
                let found = device.descend_f32(&x, &z, &steps).unwrap();
                for (place, index) in part.iter().enumerate() {
                    let case = format!("{variant}, {optimizer}: {index} as {place} of {}", part.len());
                    let (found_lane, lane) = (found.lanes[place], whole.lanes[*index]);
                    assert_eq!(found_lane.iterations, lane.iterations, "{case}");
                    assert_eq!(found_lane.status, lane.status, "{case}");
                    let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    let (left, right) = (found.codes.column(place), whole.codes.column(*index));
                    assert_eq!(bits(left.as_slice()), bits(right.as_slice()), "{case}");
                    let moments = |all: &[[f64; 2]], at: usize| bits(all[at * kept..][..kept].as_flattened());
                    assert_eq!(moments(&found.moments, place), moments(&whole.moments, *index), "{case}");
                }
            }
        }
    }
}
