//! Models that are built here, through prost: each operator by a formula of its own, and each
//! refusal.

mod builder;
mod damage;
mod operators;
mod refusals;
mod tf2onnx;
mod unusual;
