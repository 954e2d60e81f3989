//! PipelineTriggers: plumb as a process, the real Tekton, real Git. The steps of runs are kwok's.

#[path = "triggers/commits.rs"]
mod commits;
#[path = "triggers/crashes.rs"]
mod crashes;
#[path = "triggers/ends.rs"]
mod ends;
#[path = "triggers/images.rs"]
mod images;
#[path = "triggers/queue.rs"]
mod queue;
#[path = "triggers/shop.rs"]
mod shop;
#[path = "triggers/waiting.rs"]
mod waiting;
