//! unrelu inverts ReLU and LeakyReLU generators in bulk: given observations `x ≈ G(z)`, noisy and perhaps with missing
//! entries, it returns the latent codes `z`, one layer at a time, by linear programs whose answers are certified.
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
//! # What to call
//!
//! | to | use |
//! |---|---|
//! | read a network | [`Network::load`], or [`load_network`] where the file leaves something open |
//! | invert observations | [`Inverter`], with [`Options`] that name a [`Method`] |
//! | invert a stream of batches | [`Inverter::stream`], or [`Inverter::pipeline`] for several at a time |
//! | project in a loop | [`Projector`] |
//! | recover codes from linear measurements | [`Recoverer`], with an [`Operator`] |
//! | see what became of an observation | [`ObservationRow`], [`Status`], [`Failure`] |
//! | stop a call from another thread | [`CancelToken`] |
//!
//! Matrices hold one observation or code per column, so a row-major array of shape `(count, n)` maps
//! onto them without a copy. Entries that were not observed are `NaN`. Calls may come from any
//! thread, also from one of a rayon pool or an async runtime: they block until they are done.
//!
//! # How data flows
//!
//! 1. A network is read and validated once. Observations come in batches.
//! 2. For each layer, the last first, the searches over the tolerance ε of all observations run in
//!    rounds. The device classifies which entries exceed ε; the linear programs of the round are
//!    solved on one shared `W`; a certificate checks each answer from its own primal and dual. The
//!    recovered inputs are the targets of the layer before. What a program leaves undetermined is
//!    handed on as unobserved.
//! 3. Refinement and `best` work on the linear regions of `G`: refinement takes any method's code to
//!    the local minimum of the squared error, `best` looks for the lowest from many starts.
//! 4. Residuals are computed in f64 from the codes as they are returned. An observation that cannot
//!    be inverted has a [`Status`] with a typed reason and a `NaN` code; the others are unaffected.
//!
//! # For who changes the crate
//!
//! Modules import downwards only, in this order: `internals`, `facade`, `cli`, `experiments`,
//! `pictures`, `bench`, `generate`, `run`, `recover`, `projector`, `batch`, `runtime`, `inspection`,
//! `multistart`, `lp`, `linalg`, `device`, `gpu`, `cpu`, `kernel_params`, `descent`, `marquardt`,
//! `formats`, `random`, `adapter`, `configuration`, `observation`, `outcome`, `network`,
//! `statistics`, `named`, `setters`, `cancel`, `error`. A test (`tests/architecture`) reads the order
//! here and checks it.
//!
//! # Features
//!
//! `gpu` (wgpu), `pictures` (grids and plots as PNG and SVG) and `cli` (the program) are on by
//! default; a library that needs none of them builds with `default-features = false`.

#![deny(unsafe_code)]
#![deny(missing_docs)]

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
mod multistart;
mod named;
mod network;
mod observation;
mod outcome;
#[cfg(feature = "pictures")]
mod pictures;
mod projector;
mod random;
mod recover;
mod run;
mod runtime;
mod setters;
mod statistics;

pub use adapter::AdapterDescription;
pub use batch::stream::Stream;
pub use batch::{BatchTimes, BestMethod, InvertedBatch, Inverter, Method, Options, SolverChoice};
pub use cancel::CancelToken;
pub use descent::{DescentOptions, Optimizer};
pub use device::{DeviceChoice, list_adapters};
pub use error::{BadInput, Error, Result};
pub use facade::{read_npy, write_npy};
pub use formats::network_file::{NetworkOptions, load_network};
pub use formats::npy::ElementType;
pub use lp::formulation::target::Precision;
pub use lp::formulation::{LayerwiseMethod, RowRule, Stop, Tolerances};
pub use lp::layer::{LayerwiseOptions, StageTimes};
pub use multistart::{BestOptions, Objective};
pub use network::{Activation, DenseLayer, Network};
pub use outcome::{
    Failure, FailureKind, LayerFailure, LayerFailureKind, LayerRow, ObservationRow, Residual, SearchRow, Status,
};
pub use projector::{Projection, Projector};
pub use recover::operators::{BlockAverage, Dense, Operator, Pixels};
pub use recover::{Iteration, ProjectedOptions, RecoverOptions, Recoverer, Strategy};
pub use runtime::Runtime;

/// The README's Rust code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
