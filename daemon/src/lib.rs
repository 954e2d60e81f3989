//! plumb: keeps Kubernetes clusters true to Git.
//!
//! Owns: configuration, the wiring of all parts, the loops, HTTP and the command line. It knows everyone and decides
//! nothing: decisions are in plumb-core, effects in plumb-git, plumb-render and plumb-cluster.

pub mod cli;
pub mod run;

mod abandonment;
mod act;
mod backlog;
mod bootstrap;
mod chain;
mod clock;
mod connect;
mod context;
mod credentials;
mod departure;
mod drift;
mod forge;
mod gather;
mod health;
mod http;
mod inherit;
mod journal;
mod leases;
mod ledger;
mod let_go;
mod logs;
mod main_loop;
mod memory;
mod metrics;
mod mirrors;
mod others;
mod places;
mod pods;
mod powerless;
mod publisher;
mod reconcile;
mod reference;
mod replica;
mod report;
mod repositories;
mod rollback;
mod rules;
mod service_account;
mod settings;
mod source;
mod status;
mod sweep;
mod tally;
mod tenures;
mod trial;
mod triggers;
mod trust;
