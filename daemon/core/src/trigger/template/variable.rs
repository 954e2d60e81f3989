//! The variables of a template, and where their values come from.

use serde::Serialize;

use crate::text;

/// Characters of a person's name: whoever commits chooses it.
const PERSON_MAX: usize = 256;

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Variable {
    /// [`Variables::revision`].
    Revision,
    /// [`Variables::short_revision`].
    ShortRevision,
    /// [`Variables::repo_url`].
    RepoUrl,
    /// [`Variables::repo_owner`].
    RepoOwner,
    /// [`Variables::repo_name`].
    RepoName,
    /// [`Variables::source_branch`].
    SourceBranch,
    /// The same: a push has one branch.
    TargetBranch,
    /// [`Variables::git_tag`].
    GitTag,
    /// [`Variables::sender`].
    Sender,
    /// `push`.
    EventType,
    /// [`Variables::target_namespace`].
    TargetNamespace,
    /// [`Variables::component`].
    Component,
    /// [`Variables::changed_files`].
    ChangedFiles,
    /// [`Variables::committed_at`].
    CommittedAt,
    /// [`Variables::trigger`].
    Trigger,
}

/// Values of the variables for one run; only those of [`super::Template::names`] are needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables {
    /// The commit.
    pub revision: String,
    /// Its first 7 digits.
    pub short_revision: String,
    /// The address of the repository.
    pub repo_url: String,
    /// What stands before the repository's name in its address.
    pub repo_owner: String,
    /// The repository's name in its address.
    pub repo_name: String,
    /// The branch, without `refs/heads/`; of a tag its full name.
    pub source_branch: String,
    /// The tag, where one is followed; else empty.
    pub git_tag: String,
    /// The name of the commit's author.
    pub sender: String,
    /// The namespace of the run.
    pub target_namespace: String,
    /// The component.
    pub component: String,
    /// The component's files that changed since it was last attempted, as [`crate::trigger::inputs::Changed`] shows them.
    pub changed_files: String,
    /// When the commit was made (RFC 3339).
    pub committed_at: String,
    /// The name of the trigger.
    pub trigger: String,
}

impl Variable {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 15] = [
        Self::Revision,
        Self::ShortRevision,
        Self::Component,
        Self::CommittedAt,
        Self::ChangedFiles,
        Self::RepoUrl,
        Self::RepoOwner,
        Self::RepoName,
        Self::SourceBranch,
        Self::TargetBranch,
        Self::GitTag,
        Self::Sender,
        Self::EventType,
        Self::TargetNamespace,
        Self::Trigger,
    ];

    /// Returns how it is written between braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::ShortRevision => "short_revision",
            Self::RepoUrl => "repo_url",
            Self::RepoOwner => "repo_owner",
            Self::RepoName => "repo_name",
            Self::SourceBranch => "source_branch",
            Self::TargetBranch => "target_branch",
            Self::GitTag => "git_tag",
            Self::Sender => "sender",
            Self::EventType => "event_type",
            Self::TargetNamespace => "target_namespace",
            Self::Component => "component",
            Self::ChangedFiles => "changed_files",
            Self::CommittedAt => "committed_at",
            Self::Trigger => "trigger",
        }
    }

    /// Returns the variable that is written so.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// Returns the names of all, as a sentence lists them.
    pub(super) fn list() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Returns the name that looks most like a text, if any does.
    pub(super) fn nearest(text: &str) -> Option<&'static str> {
        let folded = text.to_ascii_lowercase().replace('-', "_");
        let names = Self::ALL.map(Self::name);
        similar::get_close_matches(folded.as_str(), &names, 1, 0.6).first().copied()
    }

    /// Returns whether anybody who makes a commit chooses its value.
    pub(super) fn is_written_by_others(self) -> bool {
        match self {
            Self::Sender | Self::ChangedFiles => true,
            Self::Revision
            | Self::ShortRevision
            | Self::RepoUrl
            | Self::RepoOwner
            | Self::RepoName
            | Self::SourceBranch
            | Self::TargetBranch
            | Self::GitTag
            | Self::EventType
            | Self::TargetNamespace
            | Self::Component
            | Self::CommittedAt
            | Self::Trigger => false,
        }
    }
}

impl Variables {
    /// Returns the value of a variable.
    pub(super) fn value(&self, variable: Variable) -> String {
        let value = match variable {
            Variable::Revision => &self.revision,
            Variable::ShortRevision => &self.short_revision,
            Variable::RepoUrl => &self.repo_url,
            Variable::RepoOwner => &self.repo_owner,
            Variable::RepoName => &self.repo_name,
            Variable::SourceBranch | Variable::TargetBranch => &self.source_branch,
            Variable::GitTag => &self.git_tag,
            Variable::Sender => return text::line(&self.sender, PERSON_MAX),
            Variable::EventType => "push",
            Variable::TargetNamespace => &self.target_namespace,
            Variable::Component => &self.component,
            Variable::ChangedFiles => &self.changed_files,
            Variable::CommittedAt => &self.committed_at,
            Variable::Trigger => &self.trigger,
        };
        value.to_owned()
    }
}
