//! What was done about a drift, as a status says it.

use plumb_core::{contention::Turn, record::RecordKind};

use crate::{
    act::Deeds,
    drift::{Found, What},
};

/// What was done about a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It was put back.
    Corrected,
    /// Fields that are not in Git were removed.
    Removed,
    /// It was left, as the policy says.
    Reported,
    /// It was put back, and will be less and less often.
    Contended,
    /// It was to be put back, and could not be.
    Failed,
}

impl Action {
    const ALL: [Self; 5] = [Self::Corrected, Self::Removed, Self::Reported, Self::Contended, Self::Failed];

    /// Returns what was done about a drift.
    pub(super) fn of(found: &Found, deeds: &Deeds) -> Self {
        match (found.is_undone(deeds), found.drift.corrected, found.turn) {
            (true, _, Turn::Usual) if found.what == What::ForeignFields => Self::Removed,
            (true, _, Turn::Usual) => Self::Corrected,
            (true, _, Turn::Began | Turn::Went) => Self::Contended,
            (false, true, _) => Self::Failed,
            (false, false, _) => Self::Reported,
        }
    }

    /// Reads the word for it; nothing where another version of plumb had another one.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.label() == label)
    }

    /// Returns the word for it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Corrected => "Corrected",
            Self::Removed => "Removed",
            Self::Reported => "Reported",
            Self::Contended => "Contended",
            Self::Failed => "Failed",
        }
    }

    /// Returns whether the object is as Git has it again, for good as far as is known.
    pub(crate) fn is_over(self) -> bool {
        match self {
            Self::Corrected | Self::Removed => true,
            Self::Reported | Self::Contended | Self::Failed => false,
        }
    }

    /// Returns the kind of record that tells it.
    pub(super) fn kind(self) -> RecordKind {
        match self {
            Self::Corrected | Self::Removed => RecordKind::DriftCorrected,
            Self::Contended => RecordKind::Contended,
            Self::Reported | Self::Failed => RecordKind::DriftFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_status_are_read_as_they_were_written() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.label()), Some(action));
        }
        assert_eq!(Action::parse("corrected"), None);
    }
}
