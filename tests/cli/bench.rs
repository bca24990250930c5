//! The tables of `bench`.

mod accuracy;
mod lp;
mod throughput;
