//! Who this process is among its replicas, and which process certainly has ended.
//!
//! The name of the last process that used `--data` stands in a file there, which is locked as long as that process lives:
//! whoever gets the lock knows that the one named in it has ended, and need not wait for its leases to expire.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

use plumb_core::lease::Replica;

use crate::clock::Clock;

/// The file in `--data`.
const FILE: &str = "replica";
/// Longer than any name that plumb writes there.
const NAME_MAX: u64 = 512;

/// This process among its replicas.
pub(crate) struct Own {
    pub(crate) me: Replica,
    /// The last process that used the same data, if it certainly has ended.
    pub(crate) gone: Option<Replica>,
    /// Locked until this process ends.
    pub(crate) lock: Option<File>,
}

/// Gives this process a name that no other one has, and finds out who was before it.
pub(crate) fn identify(data: &Path, clock: &Clock) -> Own {
    let me = Replica::new(format!("{}-{:016x}", host(), clock.random()));
    match take_over(&data.join(FILE), &me) {
        Ok((gone, lock)) => Own { me, gone, lock: Some(lock) },
        Err(error) => {
            let path = data.display();
            tracing::warn!(%error, "no lock in {path}: another plumb may use the same --data, which should be its own");
            Own { me, gone: None, lock: None }
        }
    }
}

fn take_over(path: &Path, me: &Replica) -> io::Result<(Option<Replica>, File)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
    })?;
    let mut before = String::new();
    (&file).take(NAME_MAX).read_to_string(&mut before)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(me.as_str().as_bytes())?;
    Ok((Some(before).filter(|before| !before.is_empty()).map(Replica::new), file))
}

/// Returns the name of this machine or Pod.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "plumb".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_before_is_known_once_it_has_ended() {
        let data = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let first = identify(data.path(), &clock);
        assert_eq!(first.gone, None);
        let beside = identify(data.path(), &clock);
        assert_eq!(beside.gone, None, "it lives");
        assert_ne!(beside.me, first.me);
        let name = first.me.clone();
        drop(first);
        let second = identify(data.path(), &clock);
        assert_eq!(second.gone, Some(name));
    }
}
