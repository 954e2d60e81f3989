//! plumb-git against real repositories made by the `git` program: by file, over `git http-backend`, in this process and in
//! real worker processes.

mod edited;
mod entries;
mod faults;
mod history;
mod http;
mod https;
mod local;
mod notes;
mod pool;
mod push;
mod race;
mod refs;
mod repository;
mod revert;
mod server;
mod snapshot;
mod ssh;
mod watch;
