//! The linear programs against oracles that share only the definitions with them.

mod awkward;
mod comparison;
mod epsilon_search;
mod exact;
mod far_optima;
mod handing_on;
mod hostile;
mod independence;
mod infeasible;
mod ladder;
mod layers;
mod least_sum;
mod medium_problems;
mod neighbours;
mod objectives;
mod oracle;
mod overflow;
mod own_layers;
mod ranges;
mod rank_claims;
mod recovery;
mod saturation;
mod small_problems;
mod support;
mod trained;
