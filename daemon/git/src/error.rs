//! What can go wrong with Git, in words that say what to do.
//!
//! The errors cross the pipe between a worker and the daemon, so they are plain text inside; nothing in them may hold a
//! password (see `worker::fault`, where libgit2's own words are cleaned).

use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
};
use serde::{Deserialize, Serialize};

/// A failure to reach, fetch or read a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum GitError {
    /// The server could not be reached at all.
    #[error("cannot reach {url}: {detail}; check the address, the name service and the network policies")]
    Unreachable {
        /// The repository.
        url: String,
        /// What the network said.
        detail: String,
    },
    /// The server did not finish within the deadline.
    #[error("{url} did not answer within {seconds} s; raise spec.timeout if the repository is large")]
    TimedOut {
        /// The repository.
        url: String,
        /// The deadline.
        seconds: u64,
    },
    /// The server asks for credentials and none were given.
    #[error(
        "{url} asks for credentials; name a Secret in spec.secretRef, with username and password, or bearerToken, or for ssh \
         identity and known_hosts (some servers ask so for a repository that does not exist)"
    )]
    CredentialsMissing {
        /// The repository.
        url: String,
    },
    /// The server refused the credentials, or they do not allow reading.
    #[error(
        "{url} refused the credentials; check username and password, or bearerToken, in the Secret, and the right to read \
         (and to write, for what plumb pushes)"
    )]
    CredentialsRefused {
        /// The repository.
        url: String,
    },
    /// No known authority signed the server's certificate.
    #[error(
        "the certificate of {url} is not trusted: {detail}; put the certificate of the authority that signed it into the \
         key ca.crt of the Secret that spec.secretRef names"
    )]
    Certificate {
        /// The repository.
        url: String,
        /// What the check said.
        detail: String,
    },
    /// The server's certificate is over, or has not begun.
    #[error("the certificate of {url} {detail}; have it renewed on the server, or correct the clock of this machine")]
    CertificateExpired {
        /// The repository.
        url: String,
        /// Since when or until when.
        detail: String,
    },
    /// The server's certificate is for other hosts.
    #[error("the certificate of {url} is for {names}; write one of these hosts into spec.url, or correct the server")]
    CertificateHost {
        /// The repository.
        url: String,
        /// The hosts it is for, as a sentence.
        names: String,
    },
    /// The Secret's certificates cannot be read.
    #[error("the key ca.crt of the Secret holds no certificate in PEM: {detail}")]
    Authority {
        /// What is wrong with it.
        detail: String,
    },
    /// The Secret's `known_hosts` cannot be read.
    #[error("line {line} of known_hosts in the Secret cannot be read: {detail}; write lines as `ssh-keyscan` does")]
    KnownHosts {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The Secret's `known_hosts` does not name the server.
    #[error(
        "known_hosts in the Secret has no key for {host} of {url}; compare what `{scan}` prints with the fingerprints that \
         its operator publishes, and add it"
    )]
    HostKeyUnknown {
        /// The repository.
        url: String,
        /// The host as known_hosts writes it.
        host: String,
        /// The command that asks for the keys.
        scan: String,
    },
    /// The server shows another key than the known ones.
    #[error(
        "{host} of {url} shows the host key {shown}, and known_hosts in the Secret expects {expected}: its key was changed, \
         or somebody stands in between; compare what `{scan}` prints with the fingerprints that its operator publishes, \
         and only then put it into known_hosts"
    )]
    HostKeyChanged {
        /// The repository.
        url: String,
        /// The host as known_hosts writes it.
        host: String,
        /// Type and fingerprint of the key that was shown, or that none was.
        shown: String,
        /// Types and fingerprints of the known keys, as a sentence.
        expected: String,
        /// The command that asks for the keys.
        scan: String,
    },
    /// The server shows a key that known_hosts revokes.
    #[error("{host} of {url} shows the host key {shown}, which known_hosts in the Secret revokes; ask its operator")]
    HostKeyRevoked {
        /// The repository.
        url: String,
        /// The host as known_hosts writes it.
        host: String,
        /// Type and fingerprint of the key.
        shown: String,
    },
    /// The Secret's private key cannot be used.
    #[error("the key identity of the Secret cannot be used for {url}: {detail}")]
    Identity {
        /// The repository.
        url: String,
        /// What is wrong with it and what to do.
        detail: String,
    },
    /// An ssh server does not take the key.
    #[error(
        "{url} does not accept the key of the Secret for the user {user}; register the public half of identity with the \
         server, with the right to read this repository"
    )]
    KeyRefused {
        /// The repository.
        url: String,
        /// The user.
        user: String,
    },
    /// The server points somewhere else and the credentials must not follow.
    #[error("{url} redirects to another host ({detail}); write the final address into spec.url")]
    Redirected {
        /// The repository.
        url: String,
        /// From where to where.
        detail: String,
    },
    /// There is no repository at this address.
    #[error("there is no repository at {url}; check spec.url (some servers say so when credentials are missing)")]
    RepositoryNotFound {
        /// The repository.
        url: String,
    },
    /// The repository has no commit yet.
    #[error("{url} has no commit yet; push a first one")]
    Empty {
        /// The repository.
        url: String,
    },
    /// The wanted branch does not exist.
    #[error("{url} has no branch {branch}; it has {existing}")]
    BranchNotFound {
        /// The repository.
        url: String,
        /// The wanted branch.
        branch: String,
        /// Some of those that exist, as a sentence.
        existing: String,
    },
    /// The wanted tag does not exist.
    #[error("{url} has no tag {tag}; {existing}")]
    TagNotFound {
        /// The repository.
        url: String,
        /// The wanted tag.
        tag: String,
        /// Some of those that exist, as a sentence.
        existing: String,
    },
    /// No tag is a version in the wanted range.
    #[error("{url} has no tag that is a version in the range {range:?}; {existing}")]
    NoTagInRange {
        /// The repository.
        url: String,
        /// The range.
        range: String,
        /// The newest versions that exist, as a sentence.
        existing: String,
    },
    /// No ref leads to the wanted commit.
    #[error(
        "no branch or tag that {url} lists leads to commit {commit}; check spec.ref.commit, or push a branch or tag that \
         holds it"
    )]
    CommitNotListed {
        /// The repository.
        url: String,
        /// The wanted commit.
        commit: CommitId,
    },
    /// The remote's HEAD points at a branch without commits.
    #[error("HEAD of {url} points at no commit; name a branch in spec.ref: it has {existing}")]
    HeadUnborn {
        /// The repository.
        url: String,
        /// Some of the branches that exist, as a sentence.
        existing: String,
    },
    /// A repository format that plumb cannot read.
    #[error("{url} uses {format}, which plumb cannot read; use a repository with SHA-1 ids and files as refs")]
    Unsupported {
        /// The repository.
        url: String,
        /// `SHA-256`, `reftable` or the name of another extension.
        format: String,
    },
    /// A local repository that belongs to somebody else.
    #[error("{path} belongs to another user; trust it with --safe-directory {path}, or change its owner")]
    ForeignOwner {
        /// The directory.
        path: String,
    },
    /// The server sent something that is not Git, or failed on its side.
    #[error("{url} did not answer as a Git server: {detail}")]
    Server {
        /// The repository.
        url: String,
        /// What was wrong, in libgit2's words.
        detail: String,
    },
    /// The fetch would take more than the limit.
    #[error("{url} sent more than {limit_mebibytes} MiB; use a smaller repository for environments")]
    TooLarge {
        /// The repository.
        url: String,
        /// The limit.
        limit_mebibytes: u64,
    },
    /// A commit has more files than are looked at.
    #[error(
        "commit {} {detail}, at {path}; build from a smaller repository, or move generated and vendored files out of it",
        .commit.short()
    )]
    TooManyFiles {
        /// The commit.
        commit: CommitId,
        /// Where it was given up.
        path: String,
        /// Which limit it is past, in words.
        detail: String,
    },
    /// All workers are busy.
    #[error("no Git worker became free for {url} within {seconds} s; other repositories of this server are slow")]
    Busy {
        /// The repository.
        url: String,
        /// How long it waited.
        seconds: u64,
    },
    /// The worker itself failed.
    #[error("the Git worker failed: {detail}")]
    Worker {
        /// What happened.
        detail: String,
    },
    /// A local mirror cannot be read or written.
    #[error("the mirror at {path} cannot be used: {detail}; check the disk, or remove it and it is fetched anew")]
    Mirror {
        /// The mirror.
        path: String,
        /// What libgit2 said.
        detail: String,
    },
    /// A local repository cannot be written to.
    #[error("cannot write to {path}: {detail}; give plumb's user the right to write there")]
    Unwritable {
        /// The repository.
        path: String,
        /// What libgit2 said.
        detail: String,
    },
    /// A commit of plumb's own could not be signed.
    #[error("a commit cannot be signed: {detail}; check the key in the Secret that spec.commit.signingSecretRef names")]
    NotSigned {
        /// Why.
        detail: String,
    },
    /// The commit is not in the mirror.
    #[error("commit {commit} is not in the mirror; it is fetched with its branch")]
    CommitMissing {
        /// The commit.
        commit: CommitId,
    },
    /// The path does not exist in this snapshot.
    #[error("there is no directory {path} {place}; check spec.path")]
    PathMissing {
        /// The path.
        path: RepoPath,
        /// `in commit 0123456` or the directory.
        place: String,
    },
    /// The path is a file.
    #[error("{path} {place} is a file; spec.path names a directory")]
    PathIsFile {
        /// The path.
        path: RepoPath,
        /// `in commit 0123456` or the directory.
        place: String,
    },
    /// A path that is to be edited is no file.
    #[error(
        "{path} in commit {} {what}; name an ordinary file of the repository, one that can be edited",
        .commit.short()
    )]
    NotAFile {
        /// The path.
        path: RepoPath,
        /// The commit.
        commit: CommitId,
        /// What it is instead.
        what: String,
    },
    /// A local file or directory cannot be read.
    #[error("cannot read {path}: {detail}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// A local repository cannot be watched.
    #[error("cannot watch {path}: {detail}; it is still looked at from time to time")]
    Watch {
        /// The repository.
        path: String,
        /// What the system said.
        detail: String,
    },
}

impl GitError {
    /// Returns what helps against it.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Server { .. }
            | Self::Busy { .. }
            | Self::Worker { .. }
            | Self::CommitMissing { .. }
            | Self::Watch { .. } => Class::Retry,
            Self::CredentialsMissing { .. }
            | Self::CredentialsRefused { .. }
            | Self::Certificate { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateHost { .. }
            | Self::Authority { .. }
            | Self::KnownHosts { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::Identity { .. }
            | Self::KeyRefused { .. }
            | Self::Redirected { .. }
            | Self::RepositoryNotFound { .. }
            | Self::Empty { .. }
            | Self::BranchNotFound { .. }
            | Self::TagNotFound { .. }
            | Self::NoTagInRange { .. }
            | Self::CommitNotListed { .. }
            | Self::HeadUnborn { .. }
            | Self::Unsupported { .. }
            | Self::ForeignOwner { .. }
            | Self::TooLarge { .. }
            | Self::TooManyFiles { .. }
            | Self::Mirror { .. }
            | Self::PathMissing { .. }
            | Self::PathIsFile { .. }
            | Self::NotAFile { .. }
            | Self::Unwritable { .. }
            | Self::NotSigned { .. }
            | Self::Unreadable { .. } => Class::Wait,
        }
    }

    /// Returns a word for the condition's reason, from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::TimedOut { .. } => "TimedOut",
            Self::CredentialsMissing { .. } => "CredentialsMissing",
            Self::CredentialsRefused { .. } => "CredentialsRefused",
            Self::Certificate { .. } => "CertificateNotTrusted",
            Self::CertificateExpired { .. } => "CertificateExpired",
            Self::CertificateHost { .. } => "CertificateForOtherHost",
            Self::Authority { .. } => "AuthorityInvalid",
            Self::KnownHosts { .. } => "KnownHostsInvalid",
            Self::HostKeyUnknown { .. } => "HostKeyUnknown",
            Self::HostKeyChanged { .. } => "HostKeyChanged",
            Self::HostKeyRevoked { .. } => "HostKeyRevoked",
            Self::Identity { .. } => "IdentityInvalid",
            Self::KeyRefused { .. } => "KeyRefused",
            Self::Redirected { .. } => "Redirected",
            Self::RepositoryNotFound { .. } => "RepositoryNotFound",
            Self::Empty { .. } => "RepositoryEmpty",
            Self::BranchNotFound { .. } => "BranchNotFound",
            Self::TagNotFound { .. } => "TagNotFound",
            Self::NoTagInRange { .. } => "NoTagInRange",
            Self::CommitNotListed { .. } => "CommitNotListed",
            Self::HeadUnborn { .. } => "HeadUnborn",
            Self::Unsupported { .. } => "UnsupportedRepository",
            Self::ForeignOwner { .. } => "ForeignOwner",
            Self::Server { .. } => "ServerFailed",
            Self::TooLarge { .. } => "RepositoryTooLarge",
            Self::TooManyFiles { .. } => "TooManyFiles",
            Self::Busy { .. } => "WorkersBusy",
            Self::Worker { .. } => "WorkerFailed",
            Self::Mirror { .. } => "MirrorFailed",
            Self::CommitMissing { .. } => "CommitMissing",
            Self::PathMissing { .. } => "PathMissing",
            Self::PathIsFile { .. } => "PathIsFile",
            Self::NotAFile { .. } => "NotAFile",
            Self::Unreadable { .. } => "Unreadable",
            Self::Unwritable { .. } => "Unwritable",
            Self::NotSigned { .. } => "NotSigned",
            Self::Watch { .. } => "WatchFailed",
        }
    }
}
