//! Triggers: which components of a repository are built, when, under which name, and what became of it.
//!
//! Owns: the words of a trigger ([`name`], [`run`], [`rules`]), how far its runs are ([`reading`]), what a status keeps of them
//! ([`memory`]), what a component reads ([`globs`], [`inputs`]), which commits build it ([`skipping`], [`wanted`]), what is to be
//! done ([`plan`]), which runs do not get on ([`alarm`]), and how it all stands ([`standing`]).
//! Must never do: count what it can count from live objects, or take what nobody knows for nothing.

pub mod alarm;
pub mod globs;
pub mod inputs;
pub mod manifest;
pub mod memory;
pub mod name;
pub mod naming;
pub mod plan;
pub mod reading;
pub mod rules;
pub mod run;
pub mod skipping;
pub mod standing;
pub mod template;
pub mod wanted;
