//! Everything that plumb does with Git: remotes, the workers that talk to them, mirrors and snapshots.
//!
//! Owns: git2 and notify, which no other crate uses. The network is touched in [`worker`] only, which runs in a child
//! process; [`workers`] is the daemon's end of the pipe; [`mirror`], [`snapshot`] and [`directory`] read local files;
//! [`watch`] notices a commit to a local repository at once. [`draft`] writes commits of plumb's own into a mirror, and
//! [`push`] says what becomes of them.
//! Must never do: check out files, run hooks or the `git` program, read a clock for a decision, put a password into an
//! argument, the environment, an error or a log.

pub mod archive;
pub mod directory;
pub mod draft;
pub mod edited;
pub mod entries;
pub mod error;
mod globals;
mod history;
mod known_hosts;
mod lineage;
pub mod mirror;
pub mod notes;
pub mod poll;
mod protocol;
pub mod push;
pub mod remote;
pub mod renewal;
mod revert;
pub mod snapshot;
mod walk;
pub mod watch;
pub mod worker;
pub mod workers;
