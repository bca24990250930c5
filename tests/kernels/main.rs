//! The devices: one suite for all of them, direct comparisons of the GPU with the CPU, and tests of
//! the parts around them.

#[macro_use]
mod fixtures;

mod blocked;
mod chains;
mod compare;
mod cpu_twins;
mod names;
mod opening;
mod peak;
mod suite;

#[cfg(feature = "gpu")]
mod bounds;
#[cfg(feature = "gpu")]
mod faults;
#[cfg(feature = "gpu")]
mod finite;
#[cfg(feature = "gpu")]
mod gpu_agreement;
#[cfg(feature = "gpu")]
mod gpu_classification;
#[cfg(feature = "gpu")]
mod gpu_compaction;
#[cfg(feature = "gpu")]
mod gpu_images;
#[cfg(feature = "gpu")]
mod gpu_levenberg_marquardt;
#[cfg(feature = "gpu")]
mod gpu_reuse;
#[cfg(feature = "gpu")]
mod gpu_units;
#[cfg(feature = "gpu")]
mod gpu_variants;
#[cfg(feature = "gpu")]
mod layout;
#[cfg(feature = "gpu")]
mod limits;
#[cfg(feature = "gpu")]
mod loss;
#[cfg(feature = "gpu")]
mod planted;
#[cfg(feature = "gpu")]
mod planted_images;
#[cfg(feature = "gpu")]
mod single;
