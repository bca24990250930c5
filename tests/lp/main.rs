//! The linear programs, held against oracles that share nothing with them but the definitions.

mod epsilon_search;
mod hostile;
mod layers;
mod objectives;
mod oracle;
mod recovery;
mod small_problems;
mod support;
mod trained;
