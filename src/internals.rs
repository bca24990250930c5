//! Internal items for this project's own tests, benchmarks and Python package.
//!
//! There is no stability promise: anything here may change or disappear in any release. Programs
//! use what the crate's root exports.
//!
//! The paths are the same as inside the crate. A comment above each group names its users.

/// Tests: batch, kernels.
pub mod adapter {
    pub use crate::adapter::Selection;
}

/// Tests: batch, recover. Python package.
pub mod batch {
    /// The interface of the pipeline.
    pub mod engine {
        pub use crate::batch::engine::Engine;
    }
    /// The number of batches in the pipeline.
    pub mod pipeline {
        pub use crate::batch::pipeline::{MOST_BATCHES, MOST_GROUPS, MOST_SINGLE};
    }
    /// Runs in memory, with their totals. Python package.
    pub mod memory_run {
        pub use crate::batch::memory_run::run;
    }
    /// The totals. Python package.
    pub mod summary {
        pub use crate::batch::summary::Summary;
    }
}

/// The summary as text. Python package.
#[cfg(feature = "cli")]
pub mod cli {
    pub use crate::cli::summary::text;
}

/// Tests: multistart.
pub mod linalg {
    /// Maps that have only products.
    pub mod linear_map {
        pub use crate::linalg::linear_map::LinearMap;
    }
}

/// Tests: lp. Benchmarks: lp.
pub mod bench {
    /// Linear programs of `bench lp`.
    pub mod lp {
        /// The programs.
        pub mod instances {
            pub use crate::bench::lp::instances::{CASES, Case, Instances};
        }
    }
}

/// Tests: kernels, lp, multistart. Benchmarks: device_host.
pub mod configuration {
    pub use crate::configuration::Configurations;
}

/// Tests: all, for outputs of known codes; kernels, for the twins. Benchmarks: device_clock.
pub mod cpu {
    pub use crate::cpu::CpuDevice;

    /// The fast CPU implementation.
    pub mod blocked {
        /// Descent.
        pub mod descend {
            pub use crate::cpu::blocked::descend::{prepared, runs};
        }
        /// Forward passes.
        pub mod forward {
            pub use crate::cpu::blocked::forward::forward;
        }
        /// Weights in the layout for products.
        pub mod packed {
            pub use crate::cpu::blocked::packed::PackedNetwork;
        }
    }
    /// The reference implementation of a kernel.
    pub mod classify {
        pub use crate::cpu::classify::classify;
    }
    /// The reference implementation of a kernel.
    pub mod compact {
        pub use crate::cpu::compact::{rank, scatter};
    }
    /// The reference implementation of a kernel.
    pub mod compare {
        pub use crate::cpu::compare::compare;
    }
    /// The reference implementation of a kernel.
    pub mod convolution {
        pub use crate::cpu::convolution::{convolution, convolution_gradient};
    }
    /// The reference implementation of a kernel.
    pub mod curve {
        pub use crate::cpu::curve::{bend, curve};
    }
    /// The reference implementation of a kernel.
    pub mod descend {
        pub use crate::cpu::descend::{loss_and_gradient, run};
    }
    /// The reference implementation of a kernel.
    pub mod forward {
        pub use crate::cpu::forward::forward;
    }
    /// The reference implementation of a kernel.
    pub mod gather {
        pub use crate::cpu::gather::gather;
    }
    /// The reference implementation of a kernel.
    pub mod gram {
        pub use crate::cpu::gram::gram;
    }
    /// The reference implementation of a kernel.
    pub mod levenberg_marquardt {
        pub use crate::cpu::levenberg_marquardt::levenberg_marquardt;
    }
    /// The reference implementation of a kernel.
    pub mod peak {
        pub use crate::cpu::peak::{CHAINS, REGISTERS, Recurrence, STEPS, peak, start, vectorised, vectorised_single};
    }
    /// The reference implementation of a kernel.
    pub mod residual {
        pub use crate::cpu::residual::{SUMMED_ENTRIES, residual};
    }
}

/// Tests: kernels, lp, multistart. Benchmarks: device_clock.
pub mod descent {
    pub use crate::descent::{DescentAnswer, Start, Steps, default_step, start_code};
}

/// Tests: batch, kernels, lp, multistart.
pub mod observation {
    pub use crate::observation::View;
}

/// Tests: batch, kernels, lp, multistart. Benchmarks: device_clock.
pub mod device {
    pub use crate::device::{Device, Request, open};

    /// The CPU in place of a lost GPU.
    pub mod fallback {
        pub use crate::device::fallback::FallbackDevice;
    }
}

/// Tests: fuzz.
#[cfg(feature = "pictures")]
pub mod experiments {
    /// Records of runs.
    pub mod record {
        pub use crate::experiments::record::Record;
    }
}

/// Tests: cli, formats, fuzz. Benchmarks: device_clock.
pub mod formats {
    /// Files of named tensors.
    pub mod network_file {
        pub use crate::formats::network_file::open_tensor_file;
    }
    /// Lists of operations.
    pub mod operations {
        pub use crate::formats::operations::{NamedTensors, Tensor, operations_of, read_operations};
    }
    /// `.npy` files as streams.
    pub mod npy {
        pub use crate::formats::npy::{NpyReader, NpyWriter};
    }
    /// Network files.
    pub mod safetensors {
        pub use crate::formats::safetensors::write_network;
    }
}

/// Tests: batch, kernels.
#[cfg(feature = "gpu")]
pub mod gpu {
    pub use crate::gpu::GpuDevice;

    /// Buffers.
    pub mod buffers {
        pub use crate::gpu::buffers::storage;
    }
    /// The connection to the adapter.
    pub mod context {
        pub use crate::gpu::context::Context;
    }
    /// Failures on purpose.
    pub mod faults {
        pub use crate::gpu::faults::Faults;
    }
    /// Entry points on the device.
    pub mod kernel {
        pub use crate::gpu::kernel::Kernel;
    }
    /// The largest numbers with which the kernels compute.
    pub mod limits {
        pub use crate::gpu::limits::{LayerLimits, gradient, jacobian, residual};
    }
    /// The kernel that measures peak speed.
    pub mod peak {
        pub use crate::gpu::peak::PeakKernel;
    }
    /// Dispatches.
    pub mod pipeline {
        pub use crate::gpu::pipeline::{Product, Rows, dispatch};
    }
    /// Transfers.
    pub mod staging {
        pub use crate::gpu::staging::Staging;
    }
    /// Tiles of products.
    pub mod tiles {
        pub use crate::gpu::tiles::Tiles;
    }
    /// Buffers of a batch.
    pub mod workspace {
        pub use crate::gpu::workspace::{Operand, Role, Workspace};
    }
}

/// Tests: fuzz.
pub mod inspection {
    pub use crate::inspection::{Inspection, inspect};
}

/// Tests: kernels.
#[cfg(feature = "gpu")]
pub mod kernel_params {
    pub use crate::kernel_params::{
        ACTIVATION_EXPONENTIAL, ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_SIGMOID, ACTIVATION_SILU,
        ACTIVATION_SOFTPLUS, ACTIVATION_TANH, AFTER_ACTIVATE, AFTER_BEND, ClassifyParams, CompactParams, CompareParams,
        CurveParams, Damping, DescendParams, GatherParams, GramParams, ImageParams, LANE_CAPPED, LANE_DIVERGED,
        LANE_RESTED, LANE_RUNNING, Lane, LayerParams, MOST_CODE_LENGTH, MarquardtParams, OPTIMIZER_ADAM,
        OPTIMIZER_MOMENTUM, OPTIMIZER_PLAIN, PeakParams, ResidualParams, SUMMED_ENTRIES, TangentParams,
    };

    /// The entry points of the shaders.
    pub mod entry_points {
        pub use crate::kernel_params::entry_points::{
            ADVANCE, Access, BACKWARD, BEND, Binding, CLASSIFY, COMPARE, CONVOLVE, CURVE, ENTRY_POINTS, EntryPoint,
            FORWARD, GATHER, GRAM, JUDGE, NORMAL, PEAK, RANK, RESIDUAL, SCATTER, TANGENT, UPDATE, UPDATE_SUBGROUPS,
            Workgroup,
        };
    }
}

/// Tests: lp; batch and multistart for targets. Benchmarks: lp.
pub mod lp {
    pub use crate::lp::{Inversion, LayerChain, LayerSystems};

    /// Warm starts.
    pub mod basis {
        pub use crate::lp::basis::{Basis, WarmStart};
    }
    /// Certificates.
    pub mod certificate {
        pub use crate::lp::certificate::{Proof, Verdict, certify_above, certify_optimal, clip_to_signs};
    }
    /// Certified solutions.
    pub mod certified {
        pub use crate::lp::certified::{CertifiedSolution, solve_certified, solve_certified_warm};
    }
    /// Optimal faces.
    pub mod face {
        pub use crate::lp::face::{OptimalFace, Reading};
    }
    /// Rows and tolerances.
    pub mod formulation {
        /// The tolerance of `exact`.
        pub mod exact {
            pub use crate::lp::formulation::exact::tolerance;
        }
        /// Targets.
        pub mod target {
            pub use crate::lp::formulation::target::Targets;
        }
        /// The tolerances of one layer and one target.
        pub use crate::lp::formulation::EpsilonSteps;
    }
    /// The inversion of one layer.
    pub mod layer {
        pub use crate::lp::layer::{LayerAnswer, LayerContext, StageTimes};
    }
    /// Linear programs.
    pub mod problem {
        pub use crate::lp::problem::{LayerSystem, Objective, Problem, Row};
    }
    /// Solvers' answers.
    pub mod solution {
        pub use crate::lp::solution::{Attempt, Solution};
    }
    /// Solvers.
    pub mod solver {
        pub use crate::lp::solver::Solver;

        /// The reference solver.
        pub mod clarabel_reference {
            pub use crate::lp::solver::clarabel_reference::ClarabelReference;
        }
        /// The default solver.
        pub mod engine {
            pub use crate::lp::solver::engine::LpEngine;
        }
        /// The stages of the default solver.
        pub mod interior_point {
            /// For the benchmark of the stages.
            pub mod stage_benches {
                pub use crate::lp::solver::interior_point::stage_benches::StageBench;
            }
        }
    }
}

/// Tests: kernels.
pub mod marquardt {
    pub use crate::marquardt::MarquardtRules;
}

/// Tests: multistart; kernels, lp and recover for reference results.
pub mod multistart {
    pub use crate::multistart::{
        BestAnswer, NoiseModel, PackedNetwork, RefineOptions, Refinement, UncertaintyOptions, assess_one, best_batch,
        best_batch_on, refine_batch, refine_one,
    };

    pub use crate::multistart::alternatives::Reach;

    /// The norms `l1` and `linf`.
    pub mod absolute {
        pub use crate::multistart::absolute::AbsoluteSearch;
    }
    /// Jacobians.
    pub mod linearisation {
        pub use crate::multistart::linearisation::Linearisation;
    }
    /// Benchmarks: search_step.
    pub mod local_search {
        pub use crate::multistart::local_search::{LocalSearch, MarquardtOptions};
    }
    /// Forward passes.
    pub mod point {
        pub use crate::multistart::point::Point;
    }
    /// Linear regions.
    pub mod region {
        pub use crate::multistart::region::Region;
    }
    /// Starts.
    pub mod starts {
        pub use crate::multistart::starts::Start;
    }
}

/// Tests: all, for seeded data. Benchmarks: device_clock.
pub mod random {
    pub use crate::random::{Domain, Noise, normal_vector, random_network, uniform_vector};
}

/// Tests: fuzz.
pub mod run {
    /// Journals.
    pub mod journal {
        pub use crate::run::journal::{
            Found, Journal, Progress, find, find_finished, find_unfinished, journal_path, network_digest,
        };
    }
    /// Masks of observed entries.
    pub mod mask {
        pub use crate::run::mask::Mask;
    }
    /// The join of shards.
    pub mod merge {
        pub use crate::run::merge::{Merge, Merged};
    }
}

/// Layers of any map. Tests: multistart, formats; the Python package.
pub mod layers {
    pub use crate::network::map::{Convolution, ImageShape, Resample, convolution, resample};
    pub use crate::network::{Layer, Map};
}
