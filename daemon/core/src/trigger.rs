//! Triggers: which components of a repository are built, when, under which name, and what became of it.
//!
//! Owns: the words of a trigger ([`name`], [`run`], [`rules`]), what its components read ([`globs`], [`inputs`]) and which commits
//! count ([`skipping`], [`wanted`]), what a status keeps of it ([`memory`]), what is to be done about it ([`plan`]), how runs are
//! named and made ([`naming`], [`manifest`], [`template`]) and read ([`reading`], [`results`], for people [`anatomy`]), how it stands ([`standing`],
//! [`alarm`]), and whether an image is written back ([`write_back`], [`image`], [`place`], [`change`]).
//! Must never do: count what it can count from live objects, or take what nobody knows for nothing.

pub mod alarm;
pub mod anatomy;
pub mod change;
pub mod globs;
pub mod image;
pub mod inputs;
pub mod manifest;
pub mod memory;
pub mod name;
pub mod naming;
pub mod place;
pub mod plan;
pub mod reading;
pub mod results;
pub mod rules;
pub mod run;
pub mod skipping;
pub mod standing;
pub mod template;
pub mod wanted;
pub mod write_back;
