//! Images as references name them: repository, tag, digest.
//!
//! The grammar is that of github.com/distribution/reference. What comes from a run is written into files, commit messages and
//! a status: nothing but these characters gets past here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name (distribution/reference).
const NAME_BYTES_MAX: usize = 255;

/// Longest tag (distribution/reference).
const TAG_BYTES_MAX: usize = 128;

/// Characters of a digest that people are shown: enough to tell two of them apart.
const SHORT_DIGITS: usize = 12;

/// A text that is no part of a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// Not a repository.
    #[error(
        "{0:?} is no name of an image: write it as registry.example.com/shop/cart, in lower case, without tag or digest"
    )]
    Name(String),
    /// Not a tag.
    #[error("{0:?} is no tag of an image")]
    Tag(String),
    /// Not a digest.
    #[error("{0:?} is no digest of an image (sha256: and 64 lower-case hexadecimal digits, or sha512: and 128)")]
    Digest(String),
}

/// Characters of a wrong text that an error repeats.
const QUOTED_MAX: usize = 100;

fn quoted(text: &str) -> String {
    crate::text::shortened(text, QUOTED_MAX)
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $valid:path, $summary:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[doc = $summary]
            pub fn parse(text: &str) -> Result<Self, InvalidImage> {
                if $valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidImage::$variant(quoted(text))) }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidImage;
            fn try_from(text: String) -> Result<Self, InvalidImage> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(part: $name) -> Self {
                part.0
            }
        }
    };
}

checked_text!(
    /// A registry and a repository in it, or a repository alone: what stands in front of tag and digest.
    ImageName,
    Name,
    is_name,
    "Parses a name without tag and digest."
);
checked_text!(
    /// A tag: may name another image tomorrow.
    Tag,
    Tag,
    is_tag,
    "Parses a tag."
);
checked_text!(
    /// The digest of an image's manifest: names this content and no other.
    Digest,
    Digest,
    is_digest,
    "Parses `sha256:` or `sha512:` and as many digits as belong to it."
);

impl Digest {
    /// Returns its beginning, as people are shown it.
    pub fn short(&self) -> &str {
        let digits = self.0.find(':').map_or(0, |colon| colon + 1);
        &self.0[..self.0.len().min(digits + SHORT_DIGITS)]
    }
}

/// A reference to an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ImageRef {
    /// Registry and repository.
    pub name: ImageName,
    /// The tag.
    pub tag: Option<Tag>,
    /// The digest.
    pub digest: Option<Digest>,
}

impl ImageRef {
    /// Parses `name`, `name:tag`, `name@digest` and `name:tag@digest`.
    ///
    /// # Errors
    /// A part is not as the grammar has it.
    pub fn parse(text: &str) -> Result<Self, InvalidImage> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon in front of a slash belongs to the port of a registry.
        let (name, tag) = match text.rfind(':') {
            Some(colon) if !text[colon..].contains('/') => (&text[..colon], Some(Tag::parse(&text[colon + 1..])?)),
            _ => (text, None),
        };
        Ok(Self { name: ImageName::parse(name)?, tag, digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// An image that was built: its content is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Image {
    /// Registry and repository.
    pub name: ImageName,
    /// The tag under which it was pushed, where the run tells it.
    pub tag: Option<Tag>,
    /// Its digest.
    pub digest: Digest,
}

impl Image {
    /// Returns the reference that names this content and no other: `name@digest`.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// Returns the reference as people are shown it: with the beginning of the digest.
    pub fn short(&self) -> String {
        format!("{}@{}…", self.name, self.digest.short())
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tag, digest } = self;
        match tag {
            Some(tag) => write!(f, "{name}:{tag}@{digest}"),
            None => write!(f, "{name}@{digest}"),
        }
    }
}

fn is_name(text: &str) -> bool {
    if text.len() > NAME_BYTES_MAX {
        return false;
    }
    match text.split_once('/') {
        Some((first, rest)) if is_domain(first) => rest.split('/').all(is_component),
        _ => text.split('/').all(is_component),
    }
}

/// Returns whether the first part of a name is a registry: Docker tells it by a dot, a port, or the name localhost.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let valid = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            return valid && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        ends(bytes.first())
            && ends(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let told = host == "localhost" || host.contains('.') || port.is_some();
    told && host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a text is a component of a path: lower-case words with `.`, `_`, `__` or dashes between them.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_word(*first) || !is_word(*last) {
        return false;
    }
    let between = text.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
    between
        .into_iter()
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let digits = match text.split_once(':') {
        Some(("sha256", digits)) if digits.len() == 64 => digits,
        Some(("sha512", digits)) if digits.len() == 128 => digits,
        _ => return false,
    };
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_texts() {
        for name in [
            "cart",
            "shop/cart",
            "registry.example.com/shop/cart",
            "registry.example.com:5000/shop/cart",
            "localhost/cart",
            "localhost:5000/a/b/c",
            "Registry.Example.com/cart",
            "127.0.0.1:80/cart",
            "[::1]:5000/cart",
            "a.b_c__d---e/f",
            &format!("r.io/{}", "a".repeat(250)),
        ] {
            assert_eq!(ImageName::parse(name).as_ref().map(ImageName::as_str), Ok(name));
        }
        for text in [
            "",
            "/",
            "cart/",
            "/cart",
            "a//b",
            "Shop/cart",
            "shop/Cart",
            "a___b",
            "a..b",
            "a._b",
            "-a",
            "a-",
            "cart:v1",
            "cart@sha256",
            "registry.example.com:port/cart",
            "registry.example.com:99999/cart",
            "registry.example.com:/cart",
            "re gistry.io/cart",
            "cart\n",
            "cart\nkind: Secret",
            "cart # comment",
            "c\u{e4}rt",
            "{{cart}}",
            "[x]/cart",
            &format!("r.io/{}", "a".repeat(251)),
        ] {
            assert_eq!(ImageName::parse(text), Err(InvalidImage::Name(quoted(text))), "{text:?}");
        }
    }

    #[test]
    fn references_are_taken_apart() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        #[track_caller]
        fn check(text: &str, expected: Option<(&str, Option<&str>, Option<&str>)>) {
            let found = ImageRef::parse(text).ok();
            let parts = found.as_ref().map(|found| {
                (found.name.as_str(), found.tag.as_ref().map(Tag::as_str), found.digest.as_ref().map(Digest::as_str))
            });
            assert_eq!(parts, expected, "{text:?}");
            if let Some(found) = found {
                assert_eq!(found.to_string(), text);
            }
        }
        check("cart", Some(("cart", None, None)));
        check("cart:v1", Some(("cart", Some("v1"), None)));
        check("r.io:5000/cart", Some(("r.io:5000/cart", None, None)));
        check("r.io:5000/cart:1.0_x-y", Some(("r.io:5000/cart", Some("1.0_x-y"), None)));
        check(&format!("r.io/cart@{digest}"), Some(("r.io/cart", None, Some(&digest))));
        check(&format!("r.io/cart:v1@{digest}"), Some(("r.io/cart", Some("v1"), Some(&digest))));
        check(&format!("r.io/cart@{digest}@{digest}"), None);
        check(&format!("r.io/cart@{}", digest.to_uppercase()), None);
        check(&format!("r.io/cart@{digest}0"), None);
        check(&format!("r.io/cart@{digest}\n"), None);
        check(&format!("r.io/cart@md5:{}", "a".repeat(64)), None);
        check(&format!("@{digest}"), None);
        check("cart:", None);
        check("cart:-v1", None);
        check(&format!("cart:{}", "v".repeat(129)), None);
    }

    #[test]
    fn an_error_repeats_no_more_than_is_fit_to_be_shown() {
        let error = ImageRef::parse(&"A".repeat(1 << 20)).expect_err("no name");
        assert!(error.to_string().len() < 400);
    }
}
