//! Checkpoints as people have them: the network that is read computes what the model computes, or
//! the file is refused by name. The models are computed by plain loops in `model.rs`.

mod build;
mod chance;
mod model;
mod property;
mod readings;
mod tensors;
