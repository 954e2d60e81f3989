//! Every decision of plumb.
//!
//! Owns: the words of the field as types, the planner, the state machine of an operation, drift,
//! health and the record. Time comes in as `now`, randomness as a seed.
//! Must never do: I/O, read a clock or the environment, spawn, await; its `Cargo.toml` names no
//! crate that could.

pub mod adoption;
pub mod attribution;
pub mod audit;
pub mod backoff;
pub mod claims;
pub mod class;
pub mod commit;
pub mod contention;
pub mod dependency;
pub mod desired;
pub mod diff;
pub mod environment;
pub mod fields;
pub mod fingerprint;
pub mod foreign;
pub mod forge;
pub mod gate;
pub mod health;
pub mod history;
pub mod identity;
pub mod ignore;
pub mod inventory;
pub mod kinds;
pub mod lease;
pub mod live;
pub mod name;
pub mod object;
pub mod operation;
pub mod order;
pub mod person;
pub mod plan;
pub mod policy;
pub mod presence;
pub mod problem;
pub mod quantity;
pub mod record;
pub mod redact;
pub mod right;
pub mod rollback;
pub mod source;
pub mod standing;
pub mod text;
pub mod trailer;
pub mod trigger;
pub mod version_range;
pub mod wave;
pub mod window;
