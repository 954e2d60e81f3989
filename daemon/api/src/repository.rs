//! `Repository`: where commits come from.
#![expect(unreachable_pub, reason = "KubeSchema derives a copy of the struct inside a function")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{condition::Condition, duration::DurationText};

/// Where commits come from: a Git repository, one ref of it, and how to reach it.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "plumb.dev",
    version = "v1alpha1",
    kind = "Repository",
    plural = "repositories",
    shortname = "repo",
    namespaced,
    status = "RepositoryStatus",
    derive = "PartialEq",
    doc = "A Git repository that plumb follows.",
    printcolumn = r#"{"name":"URL","type":"string","jsonPath":".spec.url"}"#,
    printcolumn = r#"{"name":"Ref","type":"string","jsonPath":".status.revision.ref"}"#,
    printcolumn = r#"{"name":"Commit","type":"string","jsonPath":".status.revision.commit"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Signer","type":"string","priority":1,"jsonPath":".status.revision.signer"}"#,
    printcolumn = r#"{"name":"Status","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySpec {
    /// Address of the repository: `https://…`, `http://…`, `ssh://git@…`, `git@host:path`, or `file:///…` where the daemon
    /// was started with `--allow-file-repositories`. Credentials belong into `secretRef`, never into the address.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^((https?|file|ssh)://|[A-Za-z0-9._+-]+@[A-Za-z0-9._-]+:)[^ \\t\\n]+$')").message("write an address such as https://git.example.com/team/repository.git or git@git.example.com:team/repository.git"),
        validation = Rule::new("!self.matches('^(https?|file)://[^/]*@') && !self.matches('^ssh://[^/@]*:[^/]*@')").message("credentials belong into a Secret named by secretRef, not into the URL")
    )]
    pub url: String,
    /// What to follow; absent: the branch that the remote's HEAD names.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// How often to look for new commits, give or take 10 %. A file watch on a local repository only makes it sooner.
    #[serde(default = "default_interval")]
    pub interval: DurationText,
    /// How long one look, fetch or push may take before it is given up.
    #[serde(default = "default_timeout")]
    pub timeout: DurationText,
    /// The Secret (same namespace) with the keys `username` and `password`, or `bearerToken`, and `ca.crt` for an authority
    /// of one's own; for ssh `identity`, `known_hosts`, and `password` where the private key is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Whose commits are applied: only those signed by a trusted key; absent: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Who makes plumb's own commits, and who signs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Where pull requests are opened for reverts that wait on a branch of their own; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<PullRequests>,
    /// Where records of what happened to each commit go, besides Events and the log.
    #[serde(default)]
    pub records: Records,
    /// Stops looking for new commits; environments stay at the last one seen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

fn default_interval() -> DurationText {
    DurationText::parse("30s").expect("because the constant is a duration")
}

fn default_timeout() -> DurationText {
    DurationText::parse("60s").expect("because the constant is a duration")
}

pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// What to follow in a repository: exactly one of these.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.branch), has(self.tag), has(self.semver), has(self.commit)].filter(given, given).size() == 1").message("write exactly one of branch, tag, semver and commit"))]
pub struct Reference {
    /// A branch, without `refs/heads/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^\s~^:?*\[\\]+$"), length(min = 1, max = 255))]
    pub branch: Option<String>,
    /// A tag, without `refs/tags/`. A tag that is moved is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^\s~^:?*\[\\]+$"), length(min = 1, max = 255))]
    pub tag: Option<String>,
    /// A range of versions, as Flux and Helm read them, such as `>=1.0 <2`, `~1.2`, `^1`, `1.x` or `1.2 - 2.3`: the newest tag in
    /// it is followed. Pre-releases count only where the range names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub semver: Option<String>,
    /// The full id of a commit that a branch or tag leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit: Option<String>,
}

/// Which signatures a commit needs to be applied.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// Which commits have to be signed.
    #[serde(default)]
    pub mode: VerifyMode,
    /// The Secret (same namespace) with the trusted keys: OpenPGP certificates as `*.asc` or `*.gpg`, SSH keys as
    /// `allowed_signers`, SSH keys that are trusted no more as `revoked_keys`.
    pub secret_ref: SecretReference,
}

/// Which commits have to be signed.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyMode {
    /// The commit that is applied.
    #[default]
    Head,
    /// Also every commit that came since the last one that was applied, merged branches included.
    EachCommit,
}

/// Who makes plumb's own commits, and who signs them.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Author and committer, as `Name <email>`.
    #[serde(default = "default_author")]
    #[schemars(regex(pattern = r"^[^<>\x00-\x1f]*[A-Za-z0-9][^<>\x00-\x1f]* <[^<>\s]+>$"), length(max = 512))]
    pub author: String,
    /// The Secret (same namespace) with the private SSH key that signs them: `identity`, and `password` where the key is
    /// encrypted; absent: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret_ref: Option<SecretReference>,
}

impl Default for Commit {
    fn default() -> Self {
        Self { author: default_author(), signing_secret_ref: None }
    }
}

fn default_author() -> String {
    "plumb <plumb@plumb.invalid>".to_owned()
}

/// Where records of what happened to each commit go, besides Events and the log.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Records {
    /// Nowhere.
    #[default]
    None,
    /// As Git notes on the commits, pushed to `refs/notes/plumb/<cluster>` of this repository. The credentials need the
    /// right to write.
    Notes,
}

/// Where pull requests are opened for reverts that wait on a branch of their own.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequests {
    /// What the server is.
    pub provider: ForgeProvider,
    /// The Secret (same namespace) with the key `token`, and `ca.crt` for an authority of one's own.
    pub secret_ref: SecretReference,
    /// Address of its API, such as `https://git.example.com/api/v4`; absent: that which the provider has at the host of `spec.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"), length(max = 2048))]
    pub url: Option<String>,
    /// The repository there, such as `platform/environments`; absent: the path of `spec.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$"), length(max = 512))]
    pub project: Option<String>,
}

/// A program that has pull requests.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForgeProvider {
    /// GitHub, also on servers of one's own.
    GitHub,
    /// GitLab, where they are merge requests.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
}

/// The name of a Secret in the same namespace.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub name: String,
}

/// What is known of a repository; written only when it changes.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `RecordsUnpublished`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The newest commit seen; with `verify`, the newest trusted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionStatus>,
}

/// One commit.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStatus {
    /// The full name of the ref it was found at.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commit's id.
    pub commit: String,
    /// `Name <email>` of its author.
    pub author: String,
    /// The committer's time (RFC 3339).
    pub committed: String,
    /// The first line of its message.
    pub subject: String,
    /// Who signed it, with the key's fingerprint; only where signatures are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}
