//! `kernel_params.rs` against the shaders, as naga reads them.

use std::mem::offset_of;

use naga::{AddressSpace, Handle, Module, StorageAccess, Type, TypeInner};
use unrelu::internals::cpu::peak::{CHAINS, STEPS};
use unrelu::internals::gpu::tiles::Tiles;
use unrelu::internals::kernel_params as params;
use unrelu::internals::kernel_params::entry_points;
use unrelu::internals::kernel_params::entry_points::{Access, Binding, ENTRY_POINTS, EntryPoint, Workgroup};
use unrelu::internals::kernel_params::{
    ClassifyParams, CompactParams, CompareParams, CurveParams, Damping, DescendParams, GatherParams, GramParams,
    ImageParams, Lane, LayerParams, MarquardtParams, PeakParams, ResidualParams, TangentParams,
};

fn module(entry: &EntryPoint) -> Module {
    naga::front::wgsl::parse_str(entry.source).unwrap_or_else(|error| panic!("{}: {error}", entry.kernel))
}

/// Name and offset of each member, and the size of the whole.
type Layout = (Vec<(&'static str, usize)>, usize);

macro_rules! layout {
    ($name:ident { $($member:ident),* }) => {
        (stringify!($name), (vec![$((stringify!($member), offset_of!($name, $member))),*], size_of::<$name>()))
    };
}

fn rust_layouts() -> Vec<(&'static str, Layout)> {
    vec![
        layout!(LayerParams { units, inputs, count, activation, slope, limit }),
        layout!(ResidualParams { units, inputs, count, activation, slope, limit, residual_limit }),
        layout!(ImageParams {
            count,
            phase_rows,
            phase_columns,
            first_row,
            first_column,
            row_stride,
            column_stride,
            row_step,
            column_step,
            input_rows,
            input_columns,
            input_quads,
            output_rows,
            output_columns,
            output_quads,
            taps,
            per_lane,
            after,
            activation,
            slope,
            limit
        }),
        layout!(GatherParams { count, input_quads, output_quads, terms, per_lane, after, activation, slope, limit }),
        layout!(CurveParams { count, length, per_lane, activation, slope, scale }),
        layout!(CompareParams { units, count, activation, slope, residual_limit }),
        layout!(ClassifyParams { rows, words }),
        layout!(CompactParams { count, words }),
        layout!(DescendParams {
            observation_length,
            code_length,
            step,
            gradient_tolerance,
            loss_tolerance,
            unchanged_steps,
            iteration_cap,
            optimizer,
            first_decay,
            first_gain,
            second_decay,
            second_gain,
            epsilon,
            gradient_limit,
            prior,
            code_limit
        }),
        layout!(MarquardtParams {
            observation_length,
            code_length,
            step_cap,
            sufficient,
            slow,
            first_damping,
            least_damping,
            most_damping,
            negligible_decrease,
            negligible_step,
            residual_limit,
            jacobian_limit,
            first_row,
            prior,
            code_limit
        }),
        layout!(GramParams { observation_length, code_length, limit }),
        layout!(Damping { lambda, growth, predicted, scale, is_fresh }),
        layout!(TangentParams { units, inputs, rows, activation, slope, code_length, is_first, limit }),
        layout!(PeakParams { rounds, factor, addend }),
        layout!(Lane { anchor, unchanged, iterations, status, first_weight, second_weight, rounding, origin }),
    ]
}

#[test]
fn structs_have_the_same_members_at_the_same_offsets() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in ENTRY_POINTS {
        let module = module(entry);
        for (_, found) in module.types.iter() {
            let TypeInner::Struct { members, span } = &found.inner else { continue };
            let name = found.name.as_deref().unwrap();
            let layouts = rust_layouts();
            let (_, (expected, size)) = layouts.iter().find(|(rust, _)| *rust == name).expect(name);
            let members: Vec<_> =
                members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
            assert_eq!(&members, expected, "{name} in {}.wgsl", entry.kernel);
            assert_eq!(*span as usize, *size, "{name} in {}.wgsl", entry.kernel);
            seen.insert(name.to_owned());
        }
    }
    assert_eq!(seen.len(), rust_layouts().len(), "only {seen:?} stand in shaders");
}

#[test]
fn members_have_the_same_types() {
    let source = std::fs::read_to_string(crate::fixtures::source("src/kernel_params.rs")).unwrap();
    for entry in ENTRY_POINTS {
        let module = module(entry);
        for (_, found) in module.types.iter() {
            let TypeInner::Struct { members, .. } = &found.inner else { continue };
            let name = found.name.as_deref().unwrap();
            let after = source.split(&format!("pub struct {name} {{")).nth(1).unwrap();
            let body = after.split("\n}").next().unwrap();
            for member in members {
                let scalar = if is_float(&module, member.ty) { "f32" } else { "u32" };
                let line = format!("pub {}: {scalar},", member.name.as_deref().unwrap());
                assert!(body.contains(&line), "{name}: no `{line}`");
            }
        }
    }
}

fn is_float(module: &Module, handle: Handle<Type>) -> bool {
    match module.types[handle].inner {
        TypeInner::Scalar(scalar) => scalar.kind == naga::ScalarKind::Float,
        ref other => panic!("a member is {other:?}"),
    }
}

fn validated(module: &Module, capabilities: naga::valid::Capabilities) -> Option<naga::valid::ModuleInfo> {
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities).validate(module).ok()
}

/// The reason for two variants: a device without subgroup operations rejects a module that uses
/// them.
#[test]
fn only_what_needs_subgroups_needs_them() {
    for entry in ENTRY_POINTS {
        let passes = validated(&module(entry), naga::valid::Capabilities::empty()).is_some();
        assert_eq!(passes, !entry.subgroups, "{} of {}.wgsl", entry.name, entry.kernel);
    }
    assert_eq!(ENTRY_POINTS.iter().filter(|entry| entry.subgroups).count(), 1);
}

/// wgpu does not check shared memory against the limit, but drivers do.
#[test]
fn tiles_take_the_shared_memory_they_are_said_to() {
    for invocations in [64, 128, 256] {
        let limits =
            wgpu::Limits { max_compute_invocations_per_workgroup: invocations, ..wgpu::Limits::downlevel_defaults() };
        for tile in Tiles::for_limits(&limits).variants {
            for entry in [
                &entry_points::FORWARD,
                &entry_points::CONVOLVE,
                &entry_points::RESIDUAL,
                &entry_points::BACKWARD,
                &entry_points::TANGENT,
                &entry_points::GRAM,
            ] {
                let module = module(entry);
                let info = validated(&module, naga::valid::Capabilities::empty()).unwrap();
                let sizes = [("TILE_X", tile.x), ("TILE_Y", tile.y), ("ROWS", tile.rows), ("QUADS", tile.quads)];
                let sizes = sizes.map(|(name, size)| (name.to_owned(), f64::from(size))).into_iter().collect();
                let stage = Some((naga::ShaderStage::Compute, entry.name));
                let (made, _) =
                    naga::back::pipeline_constants::process_overrides(&module, &info, stage, &sizes).unwrap();
                let mut layouter = naga::proc::Layouter::default();
                layouter.update(made.to_ctx()).unwrap();
                let tiles = made.global_variables.iter().filter(|(_, variable)| {
                    variable.space == AddressSpace::WorkGroup && variable.name.as_deref().unwrap().ends_with("_tile")
                });
                let bytes: u32 = tiles.map(|(_, variable)| layouter[variable.ty].size).sum();
                assert_eq!(bytes, tile.workgroup_bytes(), "{} with {tile:?}", entry.name);
                assert!(bytes <= 16 << 10 && tile.x * tile.y <= invocations, "{tile:?}");
            }
        }
    }
}

/// The same of the matrices of Levenberg–Marquardt.
#[test]
fn the_longest_code_fits_the_shared_memory() {
    let module = module(&entry_points::ADVANCE);
    let info = validated(&module, naga::valid::Capabilities::empty()).unwrap();
    for entry in [&entry_points::JUDGE, &entry_points::NORMAL, &entry_points::ADVANCE] {
        let stage = Some((naga::ShaderStage::Compute, entry.name));
        let (made, info) =
            naga::back::pipeline_constants::process_overrides(&module, &info, stage, &Default::default()).unwrap();
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(made.to_ctx()).unwrap();
        let index = made.entry_points.iter().position(|found| found.name == entry.name).unwrap();
        let usage = info.get_entry_point(index);
        let used = made
            .global_variables
            .iter()
            .filter(|(handle, variable)| variable.space == AddressSpace::WorkGroup && !usage[*handle].is_empty());
        let bytes: u32 = used.map(|(_, variable)| layouter[variable.ty].size).sum();
        assert!((256..=16 << 10).contains(&bytes), "{}: {bytes}", entry.name);
    }
}

/// The bindings that an entry point uses, as naga finds them.
fn used_bindings(module: &Module, entry: &EntryPoint) -> Vec<(String, u32, Access)> {
    let (name, subgroups) = (entry.name, naga::valid::Capabilities::SUBGROUP);
    let capabilities = if entry.subgroups { subgroups } else { naga::valid::Capabilities::empty() };
    let info = validated(module, capabilities).unwrap();
    let index = module.entry_points.iter().position(|entry| entry.name == name).expect(name);
    let usage = info.get_entry_point(index);
    let mut found: Vec<_> = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !usage[*handle].is_empty())
        .filter_map(|(_, variable)| {
            let binding = variable.binding.as_ref()?;
            assert_eq!(binding.group, 0);
            let access = match variable.space {
                AddressSpace::Uniform => Access::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::ReadWrite,
                AddressSpace::Storage { .. } => Access::Read,
                ref other => panic!("{other:?}"),
            };
            Some((variable.name.clone().unwrap(), binding.binding, access))
        })
        .collect();
    found.sort_by_key(|(_, number, _)| *number);
    found
}

#[test]
fn entry_points_use_the_bindings_they_are_said_to() {
    for entry in ENTRY_POINTS {
        let expected: Vec<_> = entry
            .bindings
            .iter()
            .map(|Binding { name, number, access }| (name.to_string(), *number, *access))
            .collect();
        assert_eq!(used_bindings(&module(entry), entry), expected, "{}", entry.name);
    }
}

#[test]
fn every_entry_point_is_described() {
    for entry in ENTRY_POINTS {
        for found in &module(entry).entry_points {
            let described = |other: &&EntryPoint| other.kernel == entry.kernel && other.name == found.name;
            assert!(ENTRY_POINTS.iter().any(described), "{} of {}.wgsl", found.name, entry.kernel);
        }
    }
}

#[test]
fn workgroups_have_the_shapes_they_are_said_to() {
    for entry in ENTRY_POINTS {
        let module = module(entry);
        let found = module.entry_points.iter().find(|found| found.name == entry.name).unwrap();
        let overrides = found.workgroup_size_overrides.unwrap_or([None; 3]);
        let names = overrides.map(|expression| {
            expression.map(|expression| match module.global_expressions[expression] {
                naga::Expression::Override(handle) => module.overrides[handle].name.clone().unwrap(),
                ref other => panic!("{other:?}"),
            })
        });
        let expected = match entry.workgroup {
            Workgroup::Tile | Workgroup::LaneTile => [Some("TILE_X".to_owned()), Some("TILE_Y".to_owned()), None],
            Workgroup::Observation | Workgroup::Entries | Workgroup::Batch => {
                [Some("WORKGROUP".to_owned()), None, None]
            }
        };
        assert_eq!(names, expected, "{}", entry.name);
        for (size, name) in found.workgroup_size.iter().zip(&names) {
            assert!(name.is_some() || *size == 1, "{}", entry.name);
        }
    }
}

#[test]
fn numbers_that_stand_for_something_are_the_same() {
    // In a product, an activation that is neither sigmoid nor tanh is linear; in `curved`, one that
    // is no other is the last one.
    let expected = [
        ("ACTIVATION_SIGMOID", params::ACTIVATION_SIGMOID),
        ("ACTIVATION_TANH", params::ACTIVATION_TANH),
        ("ACTIVATION_EXPONENTIAL", params::ACTIVATION_EXPONENTIAL),
        ("ACTIVATION_SOFTPLUS", params::ACTIVATION_SOFTPLUS),
        ("ACTIVATION_SILU", params::ACTIVATION_SILU),
        ("ACTIVATION_GELU", params::ACTIVATION_GELU),
        ("ACTIVATION_GELU_TANH", params::ACTIVATION_GELU_TANH),
        ("AFTER_ACTIVATE", params::AFTER_ACTIVATE),
        ("AFTER_BEND", params::AFTER_BEND),
        ("OPTIMIZER_PLAIN", params::OPTIMIZER_PLAIN),
        ("OPTIMIZER_MOMENTUM", params::OPTIMIZER_MOMENTUM),
        ("OPTIMIZER_ADAM", params::OPTIMIZER_ADAM),
        ("LANE_RUNNING", params::LANE_RUNNING),
        ("LANE_RESTED", params::LANE_RESTED),
        ("LANE_CAPPED", params::LANE_CAPPED),
        ("LANE_DIVERGED", params::LANE_DIVERGED),
        ("MOST_CODE_LENGTH", params::MOST_CODE_LENGTH),
        ("SUMMED_ENTRIES", params::SUMMED_ENTRIES),
        ("SUMMED_QUADS", params::SUMMED_ENTRIES / 4),
        ("PEAK_CHAINS", CHAINS as u32),
        ("PEAK_STEPS", STEPS),
    ];
    let mut found = std::collections::BTreeSet::new();
    for entry in ENTRY_POINTS {
        let module = module(entry);
        for (_, constant) in module.constants.iter() {
            let name = constant.name.as_deref().unwrap_or_default();
            if !["ACTIVATION_", "AFTER_", "LANE_", "MOST_CODE_", "OPTIMIZER_", "PEAK_", "SUMMED_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                continue;
            }
            let (_, expected) = expected.iter().find(|(rust, _)| *rust == name).expect(name);
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => assert_eq!(value, *expected, "{name}"),
                ref other => panic!("{name} is {other:?}"),
            }
            found.insert(name.to_owned());
        }
    }
    let expected = expected.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, expected, "constants in shaders, and those that stand for something");
}
