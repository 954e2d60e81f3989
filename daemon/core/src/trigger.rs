//! Triggers: which components of a repository are built, when, under which name, and what became of it.
//!
//! Owns: the words of a trigger ([`name`], [`run`]) and what a status keeps of it ([`memory`]).
//! Must never do: count what it can count from live objects, or take what nobody knows for nothing.

pub mod inputs;
pub mod memory;
pub mod name;
pub mod run;
