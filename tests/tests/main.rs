//! The system tests: the daemon as a process, against a real control plane and real Git. One binary, so that they share
//! a control plane; what breaks it starts its own.

#[path = "main/acquitted.rs"]
mod acquitted;
#[path = "main/audit.rs"]
mod audit;
#[path = "main/audited.rs"]
mod audited;
#[path = "main/cloned.rs"]
mod cloned;
#[path = "main/command_line.rs"]
mod command_line;
#[path = "main/crashes.rs"]
mod crashes;
#[path = "main/credential_values.rs"]
mod credential_values;
#[path = "main/credentials.rs"]
mod credentials;
#[path = "main/cross_tenant.rs"]
mod cross_tenant;
#[path = "main/departure.rs"]
mod departure;
#[path = "main/fairness.rs"]
mod fairness;
#[path = "main/first_sync.rs"]
mod first_sync;
#[path = "main/forged.rs"]
mod forged;
#[path = "main/hostile_manifests.rs"]
mod hostile_manifests;
#[path = "main/install.rs"]
mod install;
#[path = "main/long_history.rs"]
mod long_history;
#[path = "main/mirrors.rs"]
mod mirrors;
#[path = "main/moving.rs"]
mod moving;
#[path = "main/outage.rs"]
mod outage;
#[path = "main/pull_requests.rs"]
mod pull_requests;
#[path = "main/record_kinds.rs"]
mod record_kinds;
#[path = "main/records.rs"]
mod records;
#[path = "main/renamed.rs"]
mod renamed;
#[path = "main/replaced.rs"]
mod replaced;
#[path = "main/replicas.rs"]
mod replicas;
#[path = "main/repositories.rs"]
mod repositories;
#[path = "main/reverted.rs"]
mod reverted;
#[path = "main/secret_values.rs"]
mod secret_values;
#[path = "main/served.rs"]
mod served;
#[path = "main/signatures.rs"]
mod signatures;
#[path = "main/standing.rs"]
mod standing;
#[path = "main/story.rs"]
mod story;
#[path = "main/succession.rs"]
mod succession;
#[path = "main/tampered.rs"]
mod tampered;
#[path = "main/tenancy.rs"]
mod tenancy;
#[path = "main/traversal.rs"]
mod traversal;
#[path = "main/unpublished.rs"]
mod unpublished;
#[path = "main/urgent.rs"]
mod urgent;
#[path = "main/vanishing.rs"]
mod vanishing;
#[path = "main/witnesses.rs"]
mod witnesses;
