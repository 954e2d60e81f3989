//! A mirror in the place of a damaged one.
//!
//! The new one is made beside the old one and changes places with it once it is complete: as long as the server can't be
//! reached, what can still be read of the old one stays. Must never do: remove a mirror that is in its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::GitError;

/// What is put behind the name of a mirror that is being made anew, before a number.
pub const ANEW: &str = ".anew-";
/// What is put behind the name of a damaged one that was set aside; the newest of them is kept.
pub const DAMAGED: &str = ".damaged";

/// How often the places are changed: somebody who opens the mirror in the moment between makes an empty one there.
const TRIES: usize = 3;

/// Returns where a mirror is made anew; `number` keeps those apart who do so at the same time.
pub fn beside(mirror: &Path, number: u64) -> PathBuf {
    with(mirror, &format!("{ANEW}{number:016x}"))
}

/// Puts a new mirror in the place of a damaged one, and returns where that is now.
///
/// *Errors:* the folder can't be written; the new one is still beside the old one then.
pub fn replace(mirror: &Path, anew: &Path) -> Result<PathBuf, GitError> {
    let aside = with(mirror, DAMAGED);
    let fault = |error: io::Error| GitError::Mirror { path: mirror.display().to_string(), detail: error.to_string() };
    let mut tries = 1;
    loop {
        missing_is_fine(fs::remove_dir_all(&aside)).map_err(fault)?;
        missing_is_fine(fs::rename(mirror, &aside)).map_err(fault)?;
        match fs::rename(anew, mirror) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES => tries += 1,
            Err(error) => {
                // Back, as far as that can be done: something of it can be read.
                let _ = fs::rename(&aside, mirror);
                return Err(fault(error));
            }
        }
    }
}

/// Removes a mirror that was not completed.
pub fn abandon(anew: &Path) {
    // What is left is removed as unused later.
    let _ = fs::remove_dir_all(anew);
}

fn with(mirror: &Path, suffix: &str) -> PathBuf {
    let mut name = mirror.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_one_takes_the_place_and_the_newest_damaged_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("a.git");
        let check = |before: &str, after: &str| {
            let anew = beside(&mirror, 7);
            fs::create_dir_all(&anew).unwrap();
            fs::write(anew.join("is"), after).unwrap();
            let aside = replace(&mirror, &anew).unwrap();
            assert_eq!(fs::read_to_string(mirror.join("is")).unwrap(), after);
            assert_eq!(fs::read_to_string(aside.join("is")).unwrap_or_default(), before);
            assert!(!anew.exists());
        };
        check("", "first");
        check("first", "second");
        check("second", "third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn without_a_new_one_the_old_one_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("a.git");
        fs::create_dir(&mirror).unwrap();
        fs::write(mirror.join("is"), "old").unwrap();
        let error = replace(&mirror, &beside(&mirror, 7)).unwrap_err();
        assert!(error.to_string().contains("a.git"), "{error}");
        assert_eq!(fs::read_to_string(mirror.join("is")).unwrap(), "old");
    }
}
