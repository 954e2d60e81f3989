//! How an operation ended, as the history in a status says it.

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of the commit is applied.
    Applied,
    /// All of the commit that was healthy last is applied again.
    Restored,
    /// Something was not applied, or did not become healthy in time.
    Failed,
    /// Its prunes wait for a person's word.
    Blocked,
    /// A newer commit replaced it before all of it was applied.
    Superseded,
    /// It was applied, and taken back.
    RolledBack,
}

impl Ending {
    const ALL: [Self; 6] =
        [Self::Applied, Self::Restored, Self::Failed, Self::Blocked, Self::Superseded, Self::RolledBack];

    /// Reads the word for it; nothing where another version of plumb had another one.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.label() == label)
    }

    /// Returns the word for it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::Restored => "Restored",
            Self::Failed => "Failed",
            Self::Blocked => "Blocked",
            Self::Superseded => "Superseded",
            Self::RolledBack => "RolledBack",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_status_are_read_as_they_were_written() {
        for ending in Ending::ALL {
            assert_eq!(Ending::parse(ending.label()), Some(ending));
        }
        assert_eq!(Ending::parse("applied"), None);
    }
}
