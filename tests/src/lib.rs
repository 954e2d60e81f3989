//! What the system tests share: the daemon as a process, sites to test on, and waiting for conditions.
//!
//! Owns nothing beyond the processes and folders that it makes. Must never wait for a fixed time.

pub mod canary;
pub mod daemon;
pub mod http;
pub mod reader;
pub mod scenario;
pub mod schema;
pub mod site;
pub mod wait;
