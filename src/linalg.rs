//! Small dense linear algebra for the solvers: vectors of the processor's registers, products with
//! a layer's packed weights, normal matrices, factorisations, least squares and row spaces.
//!
//! The kernels ([`gram`], [`products`], [`cholesky`], [`lu`]) work on whole [`lanes::Lane`]s, each
//! compiled for several instruction sets. [`row_space`] is built on nalgebra: it runs once per
//! answer. [`rank`] is the one test of full rank. A [`linear_map`] has only products.

pub mod cholesky;
pub mod gram;
pub mod inverse;
pub mod lanes;
pub mod least_squares;
pub mod linear_map;
pub mod lu;
pub mod nnls;
pub mod normal_matrix;
pub mod packed_weights;
pub mod products;
pub mod rank;
pub mod row_space;
pub mod single_weights;
pub mod tile;
pub mod wide;
