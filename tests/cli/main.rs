//! Tests of the command line as a program: exit codes, messages, files. Each test has a fresh
//! folder.

mod bad_arrays;
mod bad_networks;
mod bench;
mod checkpoints;
mod cluster;
mod demo;
mod disturbed;
mod embedded;
mod folder;
mod generate;
mod inspect;
mod invert;
mod outputs;
mod picking_layers;
mod random_network;
mod readme;
mod recover;
mod reproduce;
mod resume;
mod runs;
mod shards;
mod signals;
mod stopping;
mod summary;
mod usage;
