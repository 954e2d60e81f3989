//! Where an image stands in the files of an environment, and what stands there when it is in place.

use std::fmt;

use serde::Serialize;

use super::image::{Image, ImageName, ImageRef};
use crate::commit::{InvalidName, RepoPath};

/// The names under which kustomize finds its file, in the order in which it looks for them.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Bytes of a path to a field: it names one, and is shown.
const PATH_BYTES_MAX: usize = 1024;

/// One place in a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Place {
    /// An entry of `images` in the file of kustomize.
    Kustomize {
        /// The directory of that file.
        directory: RepoPath,
        /// The image as the manifests name it.
        image: ImageName,
    },
    /// A field of a file in YAML: a manifest, the values of a chart.
    Field {
        /// The file.
        file: RepoPath,
        /// Which of its documents; absent where it has one.
        document: Option<DocumentName>,
        /// The field.
        path: FieldPath,
        /// What stands in it.
        form: Form,
    },
}

/// What tells a document of a file from its others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DocumentName {
    /// Its `kind`.
    pub kind: String,
    /// Its `metadata.name`.
    pub name: String,
}

/// A path to a field: `image.tag`, `spec.template.spec.containers[name="app"].image`, or a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FieldPath(String);

/// What of an image stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Form {
    /// Repository and digest: `registry.example.com/shop/cart@sha256:…`.
    Reference,
    /// The digest alone.
    Digest,
    /// The tag alone: which content that is, the registry says.
    Tag,
}

/// Why an image can't stand at a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    /// A path that no file of a repository has.
    #[error(transparent)]
    Path(#[from] InvalidName),
    /// A file of Git's own.
    #[error("{0} can't be written: no repository holds files below .git")]
    Reserved(RepoPath),
    /// Not a path to a field.
    #[error("{0:?} is no path to a field: write it as image.tag or as a JSON pointer, on one line")]
    Field(String),
    /// The run tells no tag.
    #[error(
        "the run tells no tag of {0}, and the place asks for one: let IMAGE_URL end with it, or write the digest there"
    )]
    NoTag(ImageName),
}

impl FieldPath {
    /// Takes a path, which is followed when the file is there.
    ///
    /// # Errors
    /// It is empty, long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let valid = !text.trim_matches(['.', '/', ' ']).is_empty()
            && text.len() <= PATH_BYTES_MAX
            && !text.chars().any(char::is_control);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidPlace::Field(crate::text::line(text, 100)))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    /// Returns the files of which exactly one has to be there.
    ///
    /// # Errors
    /// Git would not hold it.
    pub fn files(&self) -> Result<Vec<RepoPath>, InvalidPlace> {
        let files = match self {
            Self::Kustomize { directory, .. } => {
                KUSTOMIZATIONS.iter().map(|name| directory.join(name)).collect::<Result<_, _>>()?
            }
            Self::Field { file, .. } => vec![file.clone()],
        };
        let reserved = |path: &&RepoPath| path.as_str().split('/').any(|part| part.eq_ignore_ascii_case(".git"));
        match files.iter().find(reserved) {
            Some(path) => Err(InvalidPlace::Reserved(path.clone())),
            None => Ok(files),
        }
    }

    /// Returns what stands at the place when the image is in place; what [`Place::normal`] makes of it is the same.
    ///
    /// # Errors
    /// A tag is asked for and none is known.
    pub fn value(&self, image: &Image) -> Result<String, InvalidPlace> {
        Ok(match self {
            Self::Kustomize { .. } | Self::Field { form: Form::Reference, .. } => image.pinned(),
            Self::Field { form: Form::Digest, .. } => image.digest.to_string(),
            Self::Field { form: Form::Tag, .. } => {
                image.tag.as_ref().ok_or_else(|| InvalidPlace::NoTag(image.name.clone()))?.to_string()
            }
        })
    }

    /// Returns what stands at the place in the form in which it is compared: beside a digest a tag says nothing.
    pub fn normal(&self, text: &str) -> String {
        match self {
            Self::Kustomize { .. } | Self::Field { form: Form::Reference, .. } => match ImageRef::parse(text) {
                Ok(reference) if reference.digest.is_some() => ImageRef { tag: None, ..reference }.to_string(),
                Ok(_) | Err(_) => text.to_owned(),
            },
            Self::Field { form: Form::Digest | Form::Tag, .. } => text.to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kustomize { directory, image } => write!(f, "images[{image}] of the kustomization in {directory}"),
            Self::Field { file, document: None, path, .. } => write!(f, "{path} of {file}"),
            Self::Field { file, document: Some(DocumentName { kind, name }), path, .. } => {
                write!(f, "{path} of {kind} {name} in {file}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(tag: Option<&str>) -> Image {
        let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
        let ImageRef { name, tag, digest } =
            ImageRef::parse(&format!("r.io/cart{tag}@sha256:{}", "a".repeat(64))).expect("a reference");
        Image { name, tag, digest: digest.expect("a digest") }
    }

    fn field(form: Form) -> Place {
        let (file, path) =
            (RepoPath::parse("values.yaml").expect("a path"), FieldPath::parse("image.tag").expect("a path"));
        Place::Field { file, document: None, path, form }
    }

    fn kustomize(directory: &str) -> Place {
        let directory = RepoPath::parse(directory).expect("a path");
        Place::Kustomize { directory, image: ImageName::parse("cart").expect("a name") }
    }

    #[test]
    fn what_stands_at_a_place_depends_on_its_form() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let check = |place: &Place, tag: Option<&str>, expected: Option<&str>| {
            let value = place.value(&image(tag));
            assert_eq!(value.as_deref().ok(), expected, "{place}: {value:?}");
            if let Ok(value) = value {
                assert_eq!(place.normal(&value), value);
            }
        };
        let pinned = format!("r.io/cart@{digest}");
        check(&kustomize("env"), Some("v1"), Some(&pinned));
        check(&field(Form::Reference), None, Some(&pinned));
        check(&field(Form::Digest), Some("v1"), Some(&digest));
        check(&field(Form::Tag), Some("v1"), Some("v1"));
        check(&field(Form::Tag), None, None);
        assert_eq!(field(Form::Reference).normal(&format!("r.io/cart:v1@{digest}")), pinned);
        assert_eq!(field(Form::Reference).normal("r.io/cart:v1"), "r.io/cart:v1");
        assert_eq!(field(Form::Reference).normal("no reference"), "no reference");
    }

    #[test]
    fn only_files_that_git_can_hold_are_named() {
        let check = |place: &Place, expected: Option<&[&str]>| {
            let files = place.files().ok();
            let files = files.as_ref().map(|files| files.iter().map(RepoPath::as_str).collect::<Vec<_>>());
            assert_eq!(files.as_deref(), expected);
        };
        check(&kustomize("a/b"), Some(&["a/b/kustomization.yaml", "a/b/kustomization.yml", "a/b/Kustomization"]));
        check(&kustomize(""), Some(&["kustomization.yaml", "kustomization.yml", "Kustomization"]));
        check(&kustomize(".git"), None);
        check(&kustomize("a/.GIT/b"), None);
        check(
            &kustomize(".github"),
            Some(&[".github/kustomization.yaml", ".github/kustomization.yml", ".github/Kustomization"]),
        );
    }

    #[test]
    fn a_path_to_a_field_is_one_line() {
        for text in ["image.tag", "/image/tag", ".image", "a[0].b", "containers[name=\"app\"].image"] {
            assert_eq!(FieldPath::parse(text).expect("a path").as_str(), text);
        }
        for text in ["", ".", "/", " ", "a\nb", "a\u{1b}", &"a".repeat(1025)] {
            assert!(FieldPath::parse(text).is_err(), "{text:?}");
        }
    }
}
