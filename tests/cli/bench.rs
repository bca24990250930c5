//! The tables that measure the machine.

mod accuracy;
mod lp;
mod throughput;
