//! Properties of the planner and of the operation, on random worlds with correlated trees.
//!
//! Owns: a model of the API server to act plans out on, and the oracle of what may be pruned. Must never do: ask the
//! planner whether it was right.

mod converge;
mod generate;
mod oracle;
mod plans;
mod universe;
mod world;
