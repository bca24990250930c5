//! The linear programs, held against oracles that share nothing with them but the definitions.

mod objectives;
mod oracle;
mod support;
