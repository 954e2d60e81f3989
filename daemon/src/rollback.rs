//! Rolling back: gathers what `core::rollback` decides on, and carries its word into the pass.
//!
//! Before a pass gathers: may the newest commit be applied, or does the environment stay at an older one (`admission.rs`),
//! also because a person asks for that (`by_hand.rs`)?
//! At its end: is the commit to blame for what is not healthy (`judging.rs`, of `symptoms.rs`)? What is taken back
//! in Git is planned there, too, and pushed by a task of its own (`job.rs`, `reverting.rs`); where nobody has heard its answer, Git
//! has it (`arriving.rs`), and what was left to a person is planned anew once something is different (`stalling.rs`). For what waits on a branch a pull request follows (`proposing.rs`). What was decided is in the status before
//! anything is written to the cluster because of it (`state.rs`).

pub(crate) mod state;

mod admission;
mod arriving;
mod by_hand;
mod job;
mod judging;
mod proposing;
mod reverting;
mod stalling;
mod symptoms;

pub(crate) use admission::admit;
pub(crate) use job::{Answer, Done, Job};
pub(crate) use judging::{Judged, Seen, is_ailing, judge};
pub(crate) use proposing::Told;
pub(crate) use reverting::plan;
