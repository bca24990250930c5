//! Refinement and the search from many starts: against finite differences, normal equations, grids and codes that are known.

mod jacobian;
mod refine;
mod rounds;
mod search;
mod support;
