//! The laboratory's Tekton: the real controller and webhook, with kwok for the step Pods. No daemon of plumb.
//!
//! What plumb's triggers rely on is held here without them: how runs end, what they tell, and what happens when a process
//! of Tekton is away.

#[path = "tekton/away.rs"]
mod away;
#[path = "tekton/commands.rs"]
mod commands;
#[path = "tekton/ends.rs"]
mod ends;
#[path = "tekton/jobs.rs"]
mod jobs;
#[path = "tekton/logs.rs"]
mod logs;
#[path = "tekton/results.rs"]
mod results;
#[path = "tekton/run.rs"]
mod run;
#[path = "tekton/workspaces.rs"]
mod workspaces;
