//! Why the planner did not act: data of its own, so that it can be shown, counted and tested.

use std::fmt;

use serde::Serialize;

use crate::{claims::Stance, class::Class, environment::EnvironmentName, object::ObjectKey};

/// How many objects a sentence names before it only counts.
const NAMED_MAX: usize = 3;

/// One thing that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The object; absent where it is about the whole plan.
    pub key: Option<ObjectKey>,
    /// Why.
    pub why: Why,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Why {
    /// Nothing is known of its kind.
    Unknown {
        /// The reason in words.
        reason: String,
    },
    /// Its deletion has begun.
    Deleting,
    /// Another environment desires or owns it too.
    Claimed {
        /// The other one.
        by: EnvironmentName,
        /// Who owns it, where it is known: that one keeps it.
        owner: Option<EnvironmentName>,
    },
    /// Desired by another environment too, and this one keeps it.
    Contested {
        /// The other one.
        by: EnvironmentName,
    },
    /// Desired, but another environment still owns it.
    Awaited {
        /// The owner.
        from: EnvironmentName,
        /// What is to be expected of it.
        stance: Stance,
    },
    /// No longer desired, but several other environments desire it.
    Wanted {
        /// They.
        by: Vec<EnvironmentName>,
    },
    /// No longer desired, and those that desire it may not write it.
    Powerless {
        /// They.
        by: Vec<EnvironmentName>,
    },
    /// No longer desired, and handed over once the other environment's parent says where it is.
    HandingOver {
        /// The other one.
        to: EnvironmentName,
    },
    /// No longer desired, but `sync.prune` is off.
    PruneOff,
    /// Not desired by the commit that the environment was rolled back to, but perhaps by the one that was rolled back.
    RolledBack,
    /// No longer desired, but something of this commit could not be settled or is refused: what replaces it is not there.
    Incomplete {
        /// How many objects.
        problems: usize,
    },
    /// No longer desired, but another environment has yet to say whether it desires it.
    Undecided {
        /// The first of them.
        other: EnvironmentName,
    },
    /// No longer desired, but its label was not set by this environment's manager.
    ForeignLabel,
    /// No longer desired, but something else owns it.
    Owned {
        /// The owner, as `Kind name`.
        by: String,
    },
    /// No longer desired, but annotated `plumb.dev/prune: disabled`.
    Protected,
    /// No longer desired, but its `plumb.dev/prune` annotation is not understood.
    Malformed {
        /// The annotation's value.
        value: String,
    },
    /// No longer desired, but it holds objects of others (a namespace or a definition).
    Holds {
        /// Some of them.
        objects: Vec<ObjectKey>,
    },
    /// No longer desired, but it holds objects of this environment that stay.
    HoldsOwn {
        /// They.
        objects: Vec<ObjectKey>,
    },
    /// No longer desired, but what it holds could not be read.
    HoldsUnknown,
    /// The commit renders to nothing while the environment owns objects.
    Emptied {
        /// How many it owns.
        inventory: usize,
    },
    /// More prunes than `sync.pruneLimit` lets through.
    PruneLimit {
        /// How many would be pruned.
        count: usize,
        /// Of how many.
        inventory: usize,
        /// The limit.
        percent: u8,
    },
    /// Neither annotations nor status say what the environment owns, and not all kinds could be searched.
    Unrecorded,
    /// The target namespace is being deleted.
    NamespaceTerminating {
        /// How many writes belong into it.
        writes: usize,
    },
    /// A dry-run of the apply was refused.
    Tried {
        /// What helps.
        class: Class,
        /// Why, in words, naming the object.
        message: String,
    },
    /// Something of the commit is refused, so nothing of it is applied.
    Transaction {
        /// How many writes wait.
        writes: usize,
    },
    /// The environment is suspended.
    Suspended {
        /// How many writes wait.
        writes: usize,
    },
}

impl Why {
    /// Returns whether a person has to allow the commit's prunes first.
    pub fn blocks(&self) -> bool {
        matches!(self, Self::Emptied { .. } | Self::PruneLimit { .. })
    }

    /// Returns whether the environment is as it should be all the same.
    pub fn harmless(&self) -> bool {
        matches!(
            self,
            Self::PruneOff
                | Self::RolledBack
                | Self::Protected
                | Self::Suspended { .. }
                | Self::Deleting
                | Self::Contested { .. }
                | Self::Wanted { .. }
                | Self::Powerless { .. }
        )
    }

    /// Returns whether it may pass without a person: something has to become known, or to be gone, first.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. }
                | Self::Deleting
                | Self::Incomplete { .. }
                | Self::HoldsUnknown
                | Self::Unrecorded
                | Self::NamespaceTerminating { .. }
                | Self::Tried { class: Class::Retry, .. }
                | Self::Transaction { .. }
        ) || self.awaits_others()
    }

    /// Returns whether nothing is refused by it: the object is judged all the same.
    pub fn is_note(&self) -> bool {
        matches!(self, Self::Contested { .. })
    }

    /// Returns whether others have yet to say what they desire.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided { .. })
    }

    /// Returns whether all it takes is a pass of another environment.
    pub fn awaits_others(&self) -> bool {
        match self {
            Self::Undecided { .. } | Self::HandingOver { .. } => true,
            Self::Awaited { stance, .. } => matches!(stance, Stance::Undecided | Stance::Gives),
            _ => false,
        }
    }

    /// Returns whether another environment's wishes or ownership are the reason.
    pub fn is_about_others(&self) -> bool {
        matches!(
            self,
            Self::Claimed { .. }
                | Self::Awaited { .. }
                | Self::Wanted { .. }
                | Self::Powerless { .. }
                | Self::HandingOver { .. }
        )
    }

    /// Returns the closed label value of metrics and events.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "Unknown",
            Self::Deleting => "Deleting",
            Self::Claimed { .. } => "Claimed",
            Self::Contested { .. } => "Contested",
            Self::Awaited { .. } => "Awaited",
            Self::Wanted { .. } => "Wanted",
            Self::Powerless { .. } => "Powerless",
            Self::HandingOver { .. } => "HandingOver",
            Self::PruneOff => "PruneOff",
            Self::RolledBack => "RolledBack",
            Self::Incomplete { .. } => "Incomplete",
            Self::Undecided { .. } => "Undecided",
            Self::ForeignLabel => "ForeignLabel",
            Self::Owned { .. } => "Owned",
            Self::Protected => "Protected",
            Self::Malformed { .. } => "Malformed",
            Self::Holds { .. } => "Holds",
            Self::HoldsOwn { .. } => "HoldsOwn",
            Self::HoldsUnknown => "HoldsUnknown",
            Self::Emptied { .. } => "Emptied",
            Self::PruneLimit { .. } => "PruneLimit",
            Self::Unrecorded => "Unrecorded",
            Self::NamespaceTerminating { .. } => "NamespaceTerminating",
            Self::Tried { .. } => "Tried",
            Self::Transaction { .. } => "Transaction",
            Self::Suspended { .. } => "Suspended",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a dry-run was told names the object, and its place in Git before that.
        if let Some(key) = self.key.as_ref().filter(|_| !matches!(self.why, Why::Tried { .. })) {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { reason } => write!(f, "nothing is known of its kind ({reason}), so it is neither created nor pruned"),
            Self::Deleting => f.write_str("it is being deleted; it is applied again when it is gone"),
            Self::Claimed { by, owner } => claimed(f, by, owner.as_ref()),
            Self::Contested { by } => write!(
                f,
                "environment {by} desires it too; it stays with this one, which owns it, until it leaves one of the two paths"
            ),
            Self::Awaited { from, stance } => awaited(f, from, *stance),
            Self::Wanted { by } => {
                write!(f, "no longer in Git; kept until only one of the environments that desire it ({}) does", joined(by))
            }
            Self::Powerless { by } => write!(
                f,
                "no longer in Git; kept because {} desires it, without the right to patch it that it needs to take it over",
                joined(by)
            ),
            Self::HandingOver { to } => write!(
                f,
                "no longer in Git; handed over to environment {to}, which desires it, as soon as that one has recorded where it is"
            ),
            Self::PruneOff => f.write_str("no longer in Git; kept because sync.prune is false"),
            Self::RolledBack => f.write_str(
                "not in Git at the commit that was rolled back to; kept until a commit of Git is applied again",
            ),
            Self::Incomplete { problems } => write!(
                f,
                "no longer in Git; kept because {problems} object(s) of this commit could not be settled or must not be applied"
            ),
            Self::Undecided { other } => write!(
                f,
                "no longer in Git; kept until environment {other} has said whether it desires it"
            ),
            Self::ForeignLabel => f.write_str(
                "no longer in Git; kept because its part-of label was set by someone else (remove the label to let it go)",
            ),
            Self::Owned { by } => write!(f, "no longer in Git; kept because it belongs to {by}"),
            Self::Protected => f.write_str("no longer in Git; kept because of its annotation plumb.dev/prune: disabled"),
            Self::Malformed { value } => write!(
                f,
                "no longer in Git; kept because its annotation plumb.dev/prune is {value:?} (it can be \"disabled\" or \"force\")"
            ),
            Self::Holds { objects } => {
                f.write_str("no longer in Git; kept because it still holds objects of others: ")?;
                name_some(f, objects)?;
                f.write_str(" (annotate it plumb.dev/prune: force to delete them all)")
            }
            Self::HoldsOwn { objects } => {
                f.write_str("no longer in Git; kept because deleting it would delete objects that stay: ")?;
                name_some(f, objects)
            }
            Self::HoldsUnknown => f.write_str("no longer in Git; kept because what it holds could not be read in full"),
            Self::Emptied { inventory } => write!(
                f,
                "this commit renders to no objects at all, and the environment owns {inventory}; nothing is pruned until it is allowed"
            ),
            Self::PruneLimit { count, inventory, percent } => write!(
                f,
                "this commit would prune {count} of {inventory} objects, more than sync.pruneLimit ({percent}%) lets through; nothing is pruned until it is allowed"
            ),
            Self::Unrecorded => f.write_str(
                "neither the annotations nor the status of the Environment say what it owns, and not every kind could be searched; nothing is pruned",
            ),
            Self::NamespaceTerminating { writes } => write!(
                f,
                "it is being deleted; {writes} object(s) belong into it and are applied when it is gone and made anew"
            ),
            Self::Tried { message, .. } => f.write_str(message),
            Self::Transaction { writes } => write!(
                f,
                "nothing is applied (onError: Transactional): {writes} write(s) wait until nothing of this commit is refused"
            ),
            Self::Suspended { writes } => write!(f, "suspended: {writes} write(s) wait (plumb resume)"),
        }
    }
}

fn joined(environments: &[EnvironmentName]) -> String {
    environments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn claimed(f: &mut fmt::Formatter<'_>, by: &EnvironmentName, owner: Option<&EnvironmentName>) -> fmt::Result {
    match owner {
        None => write!(
            f,
            "environment {by} desires it too; neither of the two applies or prunes it until it leaves one of the two paths"
        ),
        Some(owner) if owner == by => write!(
            f,
            "environment {by} owns it and desires it too; it stays with that one until it leaves one of the two paths"
        ),
        Some(owner) => write!(
            f,
            "environment {by} desires it too; it stays with environment {owner}, which owns it, until it leaves one of the two paths"
        ),
    }
}

fn awaited(f: &mut fmt::Formatter<'_>, from: &EnvironmentName, stance: Stance) -> fmt::Result {
    write!(f, "environment {from} owns it")?;
    match stance {
        Stance::Keeps => f.write_str(" and desires it too"),
        Stance::Undecided => f.write_str("; it is handed over when that one has said that it no longer desires it"),
        Stance::Gives => f.write_str(" and hands it over"),
        Stance::Suspended => write!(
            f,
            ", no longer desires it, and is suspended; it is handed over when that one is resumed (plumb resume {} -n {})",
            from.name, from.namespace
        ),
        Stance::Unreadable => write!(
            f,
            " and can't be read, so that nobody knows whether it still desires it; correct that one first (plumb status {} -n {})",
            from.name, from.namespace
        ),
    }
}

fn name_some(f: &mut fmt::Formatter<'_>, objects: &[ObjectKey]) -> fmt::Result {
    let named: Vec<_> = objects.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    f.write_str(&named.join(", "))?;
    if objects.len() > NAMED_MAX {
        write!(f, " and {} more", objects.len() - NAMED_MAX)?;
    }
    Ok(())
}
