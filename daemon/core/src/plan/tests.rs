//! Tables of the planner: verdicts on desired objects, guards of prunes, the parent's scope.

mod fixture;
mod guards;
mod limits;
mod scope;
mod verdicts;
mod waves;
