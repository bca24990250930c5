//! The tables that measure the machine.

mod lp;
mod throughput;
