//! unrelu inverts ReLU and LeakyReLU generators in bulk. Given observations `x ≈ G(z)`, it returns
//! the latent codes `z`. Observations may be noisy and may have missing entries. By default, the
//! inversion goes layer by layer, by linear programs with certified solutions.
//!
//! ```
//! use unrelu::{Activation, Inverter, Network, Options};
//!
//! # fn main() -> unrelu::Result<()> {
//! let network = Network::random(&[5, 20, 60], Activation::Relu, 1)?;
//! let codes = network.random_codes(8, 1);
//! let observations = network.forward(&codes)?;
//! let inverter = Inverter::new(network, Options::default())?;
//! let inverted = inverter.invert(&observations)?;
//! assert!((inverted.codes - codes).amax() < 1e-9);
//! # Ok(())
//! # }
//! ```
//!
//! # What to use
//!
//! | task | items |
//! |---|---|
//! | read a network | [`Network::load`], or [`load_network`] with options |
//! | see what was assumed where a network's file says nothing | [`read_network`], with [`Assumption`] |
//! | invert observations | [`Inverter`], with [`Options`] that name a [`Method`] |
//! | invert many batches | [`Inverter::stream`], or [`Inverter::pipeline`] for several at a time |
//! | project repeatedly | [`Projector`] |
//! | recover codes from linear measurements | [`Recoverer`], with an [`Operator`] |
//! | read the result of an observation | [`ObservationRow`], [`Status`], [`Failure`] |
//! | cancel a call from another thread | [`CancelToken`] |
//!
//! Matrices hold one observation or code per column, so a row-major array of shape `(count, n)`
//! maps onto them without a copy. Entries that were not observed are `NaN`. Any thread may call,
//! including a thread of a rayon pool or of an async runtime. Each call blocks until it is
//! finished.
//!
//! # How data flows
//!
//! 1. A network is read and validated once. Observations are processed in batches.
//! 2. The layers are inverted from the last to the first. For each layer, the searches over the
//!    tolerance ε of all observations run in rounds. The device classifies which entries exceed ε.
//!    The linear programs of a round share one weight matrix `W`. A certificate checks each
//!    solution from its own primal and dual. The recovered inputs are the targets of the layer
//!    before. Entries that a program does not determine are passed on as unobserved.
//! 3. Refinement and `best` work on the linear regions of `G`. Refinement moves the code of any
//!    method to a local minimum of the squared error. `best` searches for the lowest minimum from
//!    many starts.
//! 4. Residuals are computed in f64 from the codes as they are returned. An observation that cannot
//!    be inverted has a [`Status`] with a typed reason and a `NaN` code. The other observations are
//!    unaffected.
//!
//! # For contributors
//!
//! Modules import downwards only, in this order: `internals`, `facade`, `cli`, `experiments`,
//! `pictures`, `bench`, `generate`, `run`, `recover`, `projector`, `batch`, `runtime`,
//! `inspection`, `multistart`, `lp`, `linalg`, `device`, `gpu`, `cpu`, `kernel_params`, `descent`,
//! `marquardt`, `precision`, `formats`, `random`, `adapter`, `configuration`, `observation`,
//! `outcome`, `network`, `statistics`, `named`, `setters`, `cancel`, `memory`, `error`. A test
//! (`tests/architecture`) reads the order here and checks it.
//!
//! # Features
//!
//! `gpu` (wgpu), `pictures` (grids and plots as PNG and SVG) and `cli` (the program) are enabled by
//! default. Use `default-features = false` for a library without them.

#![deny(unsafe_code)]
#![deny(missing_docs)]
// Whole modules serve only the command line and measurements. Lints watch them in builds that have
// these.
#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "modules for the command line are unused without it")
)]

mod adapter;
mod batch;
mod bench;
mod cancel;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod configuration;
mod cpu;
mod descent;
mod device;
mod error;
#[cfg(feature = "pictures")]
mod experiments;
mod facade;
mod formats;
mod generate;
#[cfg(feature = "gpu")]
mod gpu;
mod inspection;
#[doc(hidden)]
pub mod internals;
#[cfg(feature = "gpu")]
mod kernel_params;
mod linalg;
mod lp;
mod marquardt;
mod memory;
mod multistart;
mod named;
mod network;
mod observation;
mod outcome;
#[cfg(feature = "pictures")]
mod pictures;
mod precision;
mod projector;
mod random;
mod recover;
mod run;
mod runtime;
mod setters;
mod statistics;

pub use adapter::{AdapterDescription, Backend};
pub use batch::stream::Stream;
pub use batch::{
    BatchTimes, BestMethod, CodeLaw, InvertedBatch, Inverter, Method, MissRate, NamedNoise, NoiseLaw, Options,
    SolverChoice,
};
pub use cancel::CancelToken;
pub use descent::{DescentOptions, Optimizer};
pub use device::{DeviceChoice, list_adapters};
pub use error::{BadInput, Error, Result};
pub use facade::{read_npy, read_observations, write_npy};
pub use formats::assumption::Assumption;
pub use formats::network_file::{NetworkOptions, ReadNetwork, load_network, read_network};
pub use formats::npy::{ElementType, PixelRange};
pub use lp::bases::Bases;
pub use lp::formulation::{LayerwiseMethod, RowRule, Stop, Tolerances};
pub use lp::layer::{HiddenEpsilon, HiddenSign, LayerwiseOptions, RelaxedWeights, RowTolerances, StageTimes};
pub use multistart::{BestOptions, Objective};
pub use network::{Activation, DenseLayer, Network};
pub use observation::Observations;
pub use outcome::{
    AlternativesRow, Failure, FailureKind, Fit, Intervals, LayerFailure, LayerFailureKind, LayerRow, Loss,
    ObservationRow, RefinementRow, Residual, SearchRow, Status, UncertaintyRow,
};
pub use precision::Precision;
pub use projector::{Projection, Projector, WarmStart};
pub use recover::operators::{BlockAverage, Dense, Operator, Pixels};
pub use recover::{Iteration, ProjectedOptions, RecoverOptions, Recoverer, Strategy};
pub use runtime::Runtime;

/// Compiles and runs the Rust code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
