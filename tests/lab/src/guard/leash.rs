//! Ties a tool's life to its guard's: if the guard is killed, the system kills the tool.
//!
//! The only unsafe code of the laboratory. The signal follows the *thread* that spawned the tool; in a guard that
//! is always the main thread, so that thread and process end together.

use tokio::process::Command;

/// Makes the system kill the process when this thread ends.
///
/// Only Linux has such a signal; elsewhere a killed guard leaves its tools running.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(super) fn tie(command: &mut Command) {
    use rustix::process::{Signal, set_parent_process_death_signal};

    // SAFETY: between fork and exec only async-signal-safe functions may run. The closure makes one `prctl` system call
    // and allocates nothing.
    unsafe {
        command.pre_exec(|| set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into));
    }
}

/// Does nothing: this system has no such signal.
#[cfg(not(target_os = "linux"))]
pub(super) fn tie(_: &mut Command) {}
