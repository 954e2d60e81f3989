//! A process that the guard did not start and ends all the same: the daemon that a test or the demonstration runs.
//!
//! Named by a file descriptor of the process (Linux), not by its number, so that a number used again is nobody's end.

use std::io;

#[cfg(target_os = "linux")]
use rustix::{
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// A process to end with the control plane.
pub(super) struct Adopted {
    #[cfg(target_os = "linux")]
    process: OwnedFd,
}

impl Adopted {
    /// Takes a process on.
    #[cfg(target_os = "linux")]
    pub(super) fn of(process: u32) -> io::Result<Self> {
        let id = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { process: pidfd_open(id, PidfdFlags::empty())? })
    }

    /// Takes a process on. Other systems have no such descriptors: there it ends with its parent's own care only.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_: u32) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Kills the process, if it still runs.
    pub(super) fn kill(self) {
        #[cfg(target_os = "linux")]
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}
