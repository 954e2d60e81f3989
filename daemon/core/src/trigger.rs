//! Triggers: which components of a repository are built, when, under which name, and what became of it.
//!
//! Owns: the words of a trigger ([`name`], [`run`], [`rules`]), what its components read ([`globs`], [`inputs`]) and which commits
//! count ([`skipping`], [`wanted`]), what a status keeps of it ([`memory`]), what is to be done about it ([`plan`]), how runs are
//! named and made ([`naming`], [`manifest`], [`template`]) and read ([`reading`]), and how it stands ([`standing`], [`alarm`]).
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
