//! libgit2's settings, which belong to the whole process.
//!
//! The only file of this crate with unsafe code: git2 marks these setters unsafe because libgit2 keeps the values in plain
//! global variables. They are set once, before the first repository is opened; the timeout is the exception.
#![allow(unsafe_code, reason = "libgit2's global options have unsafe setters only")]

use std::{
    ffi::CString,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{
        Once,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use git2::{ConfigLevel, opts};

/// Memory for libgit2's object cache. Trees are read once per commit, so a large cache would only keep dead ones; the
/// default of 256 MiB is more than the rest of the daemon.
const OBJECT_CACHE_BYTES: isize = 16 << 20;

/// Open pack files over all repositories of the process: far below the usual limit of 1,024 descriptors.
const OPEN_PACKS: usize = 256;

/// Longest wait for a connection: a host that does not answer within this is down, whatever the whole deadline is.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes libgit2 independent of the user's and the system's configuration, and bounds its memory; repeated calls do nothing.
///
/// Ownership is checked by `worker::local` with our own list of trusted directories, for which libgit2 has no setter.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for level in [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData] {
            // SAFETY: no repository is open yet in this process, because every way to open one comes through here first.
            let set = unsafe { opts::set_search_path(level, "") };
            set.expect("because libgit2 accepts an empty search path");
        }
        // SAFETY: as above; a plain number is stored.
        let cache = unsafe { opts::set_cache_max_size(OBJECT_CACHE_BYTES) };
        cache.expect("because libgit2 accepts any cache size");
        // SAFETY: as above; a plain number is stored.
        let packs = unsafe { opts::set_mwindow_file_limit(OPEN_PACKS) };
        packs.expect("because libgit2 accepts any file limit");
        // SAFETY: as above; a plain flag is stored. `worker::local` checks the owner of what a user names; the mirrors
        // are the daemon's own, also on a volume whose owner differs.
        let owner = unsafe { opts::set_verify_owner_validation(false) };
        owner.expect("because libgit2 accepts the flag");
    });
}

/// Makes a directory the one below which libgit2 looks for `.ssh/known_hosts`, from which it learns which types of host keys
/// to ask a server for; only the first call counts.
pub(crate) fn set_home(directory: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let path = CString::new(directory.as_os_str().as_bytes()).expect("because a path holds no zero byte");
        let option = libgit2_sys::GIT_OPT_SET_HOMEDIR as std::ffi::c_int;
        // SAFETY: the option takes one string, which libgit2 copies. A worker process has one thread that uses the network,
        // and it is this one. git2 has no function for this option.
        let set = unsafe { libgit2_sys::git_libgit2_opts(option, path.as_ptr()) };
        assert_eq!(set, 0, "libgit2 takes a home directory");
    });
}

/// Makes libgit2 trust the certificates in a file, besides the system's, until the process ends.
pub(crate) fn trust(certificates: &Path) -> Result<(), git2::Error> {
    // SAFETY: a worker process has one thread that uses the network, and it is this one; the file is read at once.
    unsafe { opts::set_ssl_cert_file(certificates) }
}

/// Sets how long one read from or write to a server may take; the whole request is bounded by the daemon, which kills the worker.
pub(crate) fn set_server_timeout(timeout: Duration) {
    static CURRENT: AtomicI32 = AtomicI32::new(0);
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
    if CURRENT.swap(milliseconds, Ordering::SeqCst) == milliseconds {
        return;
    }
    let connect = milliseconds.min(i32::try_from(CONNECT.as_millis()).unwrap_or(i32::MAX));
    // SAFETY: a worker process has one thread that uses the network, and it is this one; a plain number is stored.
    let total = unsafe { opts::set_server_timeout_in_milliseconds(milliseconds) };
    total.expect("because libgit2 accepts a positive timeout");
    // SAFETY: as above.
    let connecting = unsafe { opts::set_server_connect_timeout_in_milliseconds(connect) };
    connecting.expect("because libgit2 accepts a positive timeout");
}
