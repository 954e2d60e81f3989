//! Tables of the planner: verdicts on desired objects, guards of prunes, the parent's scope.

mod departure;
mod fixture;
mod guards;
mod limits;
mod moves;
mod scope;
mod verdicts;
mod waves;
