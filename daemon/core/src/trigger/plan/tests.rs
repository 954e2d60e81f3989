//! Tables: one rule each, on a small trigger that is planned step by step.

mod asking;
mod fixture;
mod noticing;
mod queueing;
mod removing;
mod superseding;
mod taking_in;
