//! What a note said at one time.
//!
//! A note that only grows says at any time the beginning of what it says later, so its versions share one text: what a link
//! added is the rest, and nothing else has to be compared.

use std::{fmt, sync::Arc};

/// What a note said at one time.
#[derive(Clone)]
pub struct Version {
    text: Arc<[u8]>,
    end: usize,
}

impl Version {
    /// Returns a version that shares its text with no other yet.
    pub fn of(text: impl Into<Arc<[u8]>>) -> Self {
        let text = text.into();
        Self { end: text.len(), text }
    }

    /// Returns the version that is the first so many bytes of this one; nothing where it has fewer.
    pub fn beginning(&self, bytes: usize) -> Option<Self> {
        (bytes <= self.end).then(|| Self { text: Arc::clone(&self.text), end: bytes })
    }

    /// Returns what the note said.
    pub fn bytes(&self) -> &[u8] {
        &self.text[..self.end]
    }

    /// Returns what stands behind an earlier version; nothing if this one does not begin with it.
    pub(super) fn beyond(&self, earlier: &Self) -> Option<&[u8]> {
        if Arc::ptr_eq(&self.text, &earlier.text) {
            self.text.get(earlier.end..self.end)
        } else {
            self.bytes().strip_prefix(earlier.bytes())
        }
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::of([])
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Version {}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_adds_is_what_stands_behind_the_earlier_one() {
        let newest = Version::of(*b"one\ntwo\nthree\n");
        let beginning = |bytes| newest.beginning(bytes).expect("a part of it");
        let check = |later: &Version, earlier: &Version, expected: Option<&str>| {
            assert_eq!(later.beyond(earlier), expected.map(str::as_bytes), "{later:?} after {earlier:?}");
        };
        check(&newest, &beginning(4), Some("two\nthree\n"));
        check(&beginning(8), &beginning(4), Some("two\n"));
        check(&beginning(8), &beginning(8), Some(""));
        check(&beginning(4), &beginning(8), None);
        check(&beginning(4), &Version::default(), Some("one\n"));
        check(&newest, &Version::of(*b"one\n"), Some("two\nthree\n"));
        check(&newest, &Version::of(*b"two\n"), None);
        assert_eq!(newest.beginning(15), None);
        assert_eq!(beginning(4), Version::of(*b"one\n"));
    }
}
