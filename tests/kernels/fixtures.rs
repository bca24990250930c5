//! Networks, batches and devices for the tests, seeded.

use std::path::PathBuf;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, DenseLayer, Network};

/// Output activations, each of which every device has to do.
pub const OUTPUTS: [Activation; 5] =
    [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Identity, Activation::Sigmoid, Activation::Tanh];

/// A file or folder of the package. cargo names the package's folder when it starts a test. A test
/// program that was copied to another machine looks in the current folder.
pub fn source(path: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into())).join(path)
}

/// Standard normal entries.
pub fn matrix(seed: u64, rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Code, 0, rows * columns))
}

/// A network of these widths, the code's first: weights N(0, 1/n_{i−1}), biases N(0, 0.01).
pub fn network(seed: u64, widths: &[usize], hidden: Activation, output: Activation) -> Arc<Network> {
    let depth = widths.len() - 1;
    let layers = (0..depth).map(|index| {
        let (inputs, units) = (widths[index], widths[index + 1]);
        let weights = normal_vector(seed, Domain::Network, 2 * index as u64, units * inputs);
        let bias = normal_vector(seed, Domain::Network, 2 * index as u64 + 1, units);
        DenseLayer {
            weight: DMatrix::from_vec(units, inputs, weights) / (inputs as f64).sqrt(),
            bias: DVector::from_vec(bias) * 0.1,
            activation: if index + 1 == depth { output } else { hidden },
        }
    });
    Arc::new(Network::new(layers.collect(), "a test's network").unwrap())
}

/// `depth + 1` widths between 1 and about 80, nearly none a multiple of a workgroup or tile.
pub fn random_widths(seed: u64, depth: usize) -> Vec<usize> {
    normal_vector(seed, Domain::Start, 7, depth + 1).iter().map(|x| 1 + (x.abs() * 30.0) as usize).collect()
}

/// Creates two tests from each function without arguments: with the kernels as users run them, and
/// with the checks that wgpu adds to a shader.
#[cfg(feature = "gpu")]
macro_rules! with_both_modules {
    ($($check:ident),* $(,)?) => {
        mod unchecked {
            $(
                #[test]
                #[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
                fn $check() { $crate::fixtures::gpu::with_checks(false, super::$check) }
            )*
        }
        mod checked {
            $(
                #[test]
                #[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
                fn $check() { $crate::fixtures::gpu::with_checks(true, super::$check) }
            )*
        }
    };
}

/// The GPU's fixtures.
#[cfg(feature = "gpu")]
pub mod gpu {
    use std::cell::Cell;
    use std::io::Write as _;
    use std::sync::Arc;

    use unrelu::Network;
    use unrelu::internals::adapter::Selection;
    use unrelu::internals::gpu::GpuDevice;
    use unrelu::internals::gpu::context::Context;

    thread_local! {
        static WITH_CHECKS: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `test`, whose contexts have kernels with checks or without them.
    pub fn with_checks(checks: bool, test: impl FnOnce()) {
        WITH_CHECKS.set(checks);
        test();
    }

    /// Whether they have checks here.
    pub fn has_checks() -> bool {
        WITH_CHECKS.get()
    }

    /// The adapter under test: the best one, or the one that `UNRELU_TEST_ADAPTER` names. Without
    /// an adapter the test fails; tests that call this are therefore ignored by a plain
    /// `cargo test`.
    pub fn context(ceiling: Option<&wgpu::Limits>) -> Context {
        context_with(ceiling, wgpu::Features::all())
    }

    /// [`context`] with at most these features.
    pub fn context_with(ceiling: Option<&wgpu::Limits>, features: wgpu::Features) -> Context {
        let named = std::env::var("UNRELU_TEST_ADAPTER").ok();
        let selection = Selection { name: named.as_deref(), ..Selection::default() };
        let useful = wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY;
        let context = Context::open_with(selection, ceiling, features & useful);
        let context = context.unwrap_or_else(|error| panic!("{error}"));
        if WITH_CHECKS.get() { context.with_checked_kernels() } else { context }
    }

    /// Devices as there may be: with and without subgroup operations, with workgroups from small to
    /// the usual size, all with the bindings and the shared memory that WebGPU promises at least.
    pub fn variants() -> impl Iterator<Item = (String, Context)> {
        let sizes = [64, 128, 256].map(|invocations| wgpu::Limits {
            max_compute_invocations_per_workgroup: invocations,
            max_storage_buffer_binding_size: 128 << 20,
            max_compute_workgroup_storage_size: 16 << 10,
            ..wgpu::Limits::default()
        });
        sizes.into_iter().flat_map(|limits| {
            [wgpu::Features::empty(), wgpu::Features::SUBGROUP].into_iter().map(move |features| {
                let context = context_with(Some(&limits), features);
                assert_eq!(context.has_subgroups(), !features.is_empty() && context.adapter().subgroups);
                if !features.is_empty() && !context.has_subgroups() {
                    let _ = writeln!(std::io::stderr(), "the adapter has no subgroups: their kernels are not tested");
                }
                let invocations = limits.max_compute_invocations_per_workgroup;
                (format!("{invocations} invocations, subgroups {}", context.has_subgroups()), context)
            })
        })
    }

    /// A GPU that holds `network`.
    pub fn device(network: &Arc<Network>) -> GpuDevice {
        GpuDevice::new(context(None), Arc::clone(network)).unwrap()
    }
}
