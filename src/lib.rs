//! unrelu inverts ReLU and LeakyReLU generators in bulk: given observations `x ≈ G(z)`, noisy and perhaps with missing
//! entries, it returns the latent codes `z`, one layer at a time, by linear programs whose answers are certified.
//!
//! ```
//! use unrelu::batch::{Inverter, Options};
//! use unrelu::cpu::forward::forward;
//! use unrelu::network::Activation;
//! use unrelu::random::random_network;
//!
//! # fn main() -> unrelu::Result<()> {
//! let network = random_network(&[5, 20, 60], Activation::Relu, 1)?;
//! let codes = nalgebra::DMatrix::from_fn(5, 8, |row, column| ((row * 8 + column) as f64).sin());
//! let observations = forward(&network, 0..2, &codes);
//! let inverter = Inverter::new(network, Options::default())?;
//! let inverted = inverter.invert(&observations)?;
//! assert!((inverted.codes - codes).amax() < 1e-9);
//! # Ok(())
//! # }
//! ```
//!
//! # How data flows
//!
//! Matrices hold one observation or code a column, so a row-major `.npy` of shape `(count, n)` maps onto them as it is.
//!
//! 1. [`formats`] reads a [`network::Network`], validated once, and streams observations in batches.
//! 2. [`batch::Inverter`] takes a batch. For each layer, the last first, [`lp::layer`] runs the searches over the tolerance ε of
//!    all observations in rounds: the [`device`] classifies which entries exceed ε, [`lp::formulation`] makes the rows,
//!    [`lp::solver`] solves all problems of the round on one shared `W`, and [`lp::certificate`] checks each answer from its own
//!    primal and dual. The recovered inputs are the targets of the layer before; what an LP leaves undetermined is handed on
//!    as unobserved.
//! 3. [`multistart`] works on the linear regions of `G`: [`multistart::refine`] takes any method's
//!    code to the local minimum of the squared error, [`multistart::search`] looks for the lowest
//!    from many starts.
//! 4. Residuals are computed in f64 from the codes as written. [`outcome`] says what became of each
//!    observation; [`formats::report`] writes it and [`batch::summary`] counts it. An observation that
//!    cannot be inverted has a status with a typed reason and a `NaN` code; the others are unaffected.
//! 5. [`projector::Projector`] is the call for loops: a batch of images onto the range of the generator, again and again; on it stands
//!    [`recover`], codes from linear measurements `y = A G(z) + e`.
//! 6. [`batch::pipeline`] keeps several batches on this way at a time. [`run`] writes the results to files,
//!    with a [`run::journal`] from which a killed run resumes, and by which [`run::merge`] joins shards.
//!
//! `experiments` regenerates the paper's figures from these calls alone. It stands above `pictures`, so that the data, the picture and the
//! words of an experiment are one file.
//!
//! Modules import downwards only, in this order: `cli`, `experiments`, `pictures`, [`mod@bench`],
//! [`generate`], [`run`], [`recover`], [`projector`], [`batch`], `runtime`, [`inspection`],
//! [`multistart`], [`lp`], `linalg`, [`device`], `gpu`, [`cpu`], `kernel_params`, [`descent`],
//! [`marquardt`], [`formats`], [`random`], [`adapter`], [`configuration`], [`observation`], [`outcome`],
//! [`network`], [`statistics`], [`named`], [`error`]. A test (`tests/architecture`) reads the order
//! here and checks it.
//!
//! # Features
//!
//! `gpu` (wgpu), `pictures` (grids and plots as PNG and SVG) and `cli` (the command line and the program) are on by default; a library that needs none of them builds
//! with `default-features = false`.

#![deny(unsafe_code)]

pub mod adapter;
pub mod batch;
pub mod bench;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod configuration;
pub mod cpu;
pub mod descent;
pub mod device;
pub mod error;
#[cfg(feature = "pictures")]
pub mod experiments;
pub mod formats;
pub mod generate;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod inspection;
#[cfg(feature = "gpu")]
pub mod kernel_params;
mod linalg;
pub mod lp;
pub mod marquardt;
pub mod multistart;
pub mod named;
pub mod network;
pub mod observation;
pub mod outcome;
#[cfg(feature = "pictures")]
pub mod pictures;
pub mod projector;
pub mod random;
pub mod recover;
pub mod run;
mod runtime;
pub mod statistics;

pub use error::{Error, Result};
