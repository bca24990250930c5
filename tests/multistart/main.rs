//! Refinement on the linear regions, and the search for the best code: against finite differences,
//! normal equations, all regions of tiny networks, grids, and known codes.

mod absolute;
mod alternatives;
mod jacobian;
mod maps;
mod oracle;
mod prior;
mod refine;
mod refine_norm;
mod regions;
mod rounds;
mod search;
mod small_networks;
mod support;
mod uncertainty;
mod uncertainty_bounded;
