//! Runs from file to file: request, outputs, journal, resume, shards and merge.

pub mod file_run;
mod identity;
pub mod journal;
pub mod mask;
pub mod merge;
mod outputs;
pub mod request;

#[cfg(test)]
mod tests;
