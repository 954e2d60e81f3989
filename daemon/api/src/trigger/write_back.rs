//! Which images a trigger puts into the files of environments, and what its status keeps of that.
#![expect(unreachable_pub, reason = "KubeSchema derives a copy of the struct inside a function")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which images are put into the files of environments.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBack {
    /// Name of a Repository in the same namespace that follows a branch: commits go to that branch.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub repository: String,
    /// Where commits go.
    #[serde(default)]
    pub mode: WriteBackMode,
    /// The images.
    #[schemars(length(min = 1, max = 256))]
    pub images: Vec<WriteBackImage>,
}

/// Where commits go.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WriteBackMode {
    /// To the branch that the Repository follows.
    #[default]
    Commit,
    /// To a branch of its own, with a pull request where the Repository says where: for somebody to merge.
    Branch,
}

/// One image, and where it stands.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.__in__) != has(self.file)").message("write either in, a directory of kustomize, or file and field"),
    validation = Rule::new("has(self.file) == has(self.field)").message("file and field belong together"),
    validation = Rule::new("has(self.file) || !has(self.document) && !has(self.form)").message("document and form belong to file")
)]
pub struct WriteBackImage {
    /// The image as manifests name it, without tag and digest, such as `registry.example.com/shop/cart`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// The component that builds it; absent: the only one.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(min = 1, max = 63))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Directory of a kustomization, in whose `images` it stands.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// A file in YAML: a manifest, the values of a chart.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The field of that file, such as `image.tag` or `spec.template.spec.containers[name="app"].image`, or a JSON pointer.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which of the file's documents, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentReference>,
    /// What of the image stands there; absent: `Reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The results of the run that tell the image, where they have names of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultNames>,
}

/// What tells a document of a file from its others.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentReference {
    /// Its `kind`.
    #[schemars(length(min = 1, max = 253))]
    pub kind: String,
    /// Its `metadata.name`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What of an image stands in a field.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Repository and digest: `registry.example.com/shop/cart@sha256:…`.
    Reference,
    /// The digest alone.
    Digest,
    /// The tag alone, as the run tells it.
    Tag,
}

/// The results that tell an image.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultNames {
    /// Holds the image's reference, with its digest or without; absent: `IMAGE_URL`.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Holds the image's digest; absent: `IMAGE_DIGEST`.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What became of an image at one place.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBackStatus {
    /// The component.
    pub component: String,
    /// The place, in words.
    pub place: String,
    /// Which of the component's builds the image is of.
    #[schemars(with = "i64", range(min = 1))]
    pub attempt: u32,
    /// Which run of that build.
    #[schemars(with = "i64", range(min = 1))]
    pub round: u32,
    /// Written, Proposed, Already, Pinned, Reverted, RolledBack, Backward, or Problem.
    pub outcome: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When (RFC 3339).
    pub at: String,
    /// The image that plumb has put there last, with its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The commit that that image was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which of the component's builds that image is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 1))]
    pub image_attempt: Option<u32>,
    /// Which run of that build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 1))]
    pub image_round: Option<u32>,
    /// The commit that put it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}
