//! Tables of the planner: verdicts on desired objects, guards of prunes, the parent's scope.

mod departure;
mod fixture;
mod foreign;
mod guards;
mod limits;
mod moves;
mod replacing;
mod scope;
mod transactions;
mod verdicts;
mod waves;
